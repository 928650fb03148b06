/*
 * pending.h - signals that wait for a process that cannot be reached, as the kernel keeps them
 *
 * Each number once; bit 0 is signal 1. Of those that stop and SIGCONT the last one counts.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define PENDING_SIGNALS 64

static inline uint64_t pending_bit(int signal)
{
	return 1ull << (signal - 1);
}

static inline bool pending_has(uint64_t set, int signal)
{
	return set & pending_bit(signal);
}

/* The signals that wait no more when @signal comes. */
static inline uint64_t pending_undone(int signal)
{
	const uint64_t stops = pending_bit(SIGSTOP) | pending_bit(SIGTSTP) | pending_bit(SIGTTIN) |
			       pending_bit(SIGTTOU);

	if (signal == SIGCONT)
		return stops;
	return stops & pending_bit(signal) ? pending_bit(SIGCONT) : 0;
}

static inline void pending_add(uint64_t *set, int signal)
{
	*set = (*set & ~pending_undone(signal)) | pending_bit(signal);
}
