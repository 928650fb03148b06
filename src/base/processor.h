/*
 * processor.h - what this processor can do, for the few files that have code for it
 *
 * libc has asked the processor at its start. __builtin_cpu_supports() would ask anew, in every
 * program that holds a call of it and at each start: in a virtual machine that is 0.07 ms, as each
 * question goes to the host. GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F (and the like) makes it seem
 * a lesser one, for tests and measurements.
 */
#pragma once

#ifdef __x86_64__
#include <stdbool.h>
#include <sys/platform/x86.h>

/* As x86_cpu_active(), which shifts a one into the sign for the last bit of a word (AVX512VL). */
static inline bool processor_has(unsigned feature)
{
	const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(feature / 128);

	return leaf->active_array[feature % 128 / 32] >> (feature % 32) & 1;
}

#define PROCESSOR_HAS(feature) processor_has(x86_cpu_##feature)
#endif
