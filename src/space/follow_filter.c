/*
 * follow_filter.c - a seccomp filter by which each fork stops for its tracer
 *
 * Only what makes a process: threads pass, as clone(2) says in a register that it makes one.
 * clone3(2) says it in memory, which a filter cannot read, so there is none here (ENOSYS), as in
 * containers: libc then uses clone(2). The filter is set by root, so that it needs no "no new
 * privileges", and set-uid programs work as ever. What runs under another instruction set than the
 * kernel's own (32 bits) is passed by.
 *
 * The one file that knows the system calls of an architecture.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "space/follow.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* Processors that lack these calls have numbers for them that no call has. */
#ifndef SYS_fork
#define SYS_fork  0x7ffffff0
#define SYS_vfork 0x7ffffff1
#endif

#define LOAD(field)	  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define HAS(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no)
#define ANSWER(action)	  BPF_STMT(BPF_RET | BPF_K, action)

int follow_filter(void)
{
#ifdef ARCH
	struct sock_filter code[] = {
		LOAD(arch),
		IS(ARCH, 0, 7), /* another one: allow */
		LOAD(nr),
		IS(SYS_fork, 6, 0),
		IS(SYS_vfork, 5, 0),
		IS(SYS_clone3, 5, 0),
		IS(SYS_clone, 0, 2),
		LOAD(args[0]), /* the lower half: we are little-endian */
		HAS(CLONE_THREAD, 0, 1),
		ANSWER(SECCOMP_RET_ALLOW),
		ANSWER(SECCOMP_RET_TRACE),
		ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
#else
	return -ENOSYS;
#endif
}
