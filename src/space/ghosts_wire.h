/*
 * ghosts_wire.h - what bpsh and the program that makes its ghosts say to each other: structs over
 * pipes, within one machine
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define GHOSTS_PROGRAM	  "bpghosts"
#define GHOSTS_REQUESTS	  0  /* descriptors of the program: where it is told to make some */
#define GHOSTS_EVENTS	  1  /* and where it, and they, answer */
#define GHOSTS_SLOTS	  2  /* memory of both, struct ghosts_slot by number, if there are any */
#define GHOSTS_TAG	  14 /* bytes of its last argument, into which goes the node, at least */
#define GHOSTS_ROOM	  256 /* bytes of it when titles change */
#define GHOSTS_END_SIGNAL SIGRTMAX /* queued by bpsh, with the status with which to end, or: */
#define GHOSTS_RETITLE	  (1 << 24) /* what it shows has changed */
#define GHOSTS_NO_SLOT	  UINT32_MAX

/* What a ghost is to show, in place of what the program was given. */
struct ghosts_slot {
	char name[16];
	char args[GHOSTS_ROOM - GHOSTS_TAG - 16];
};

struct ghosts_request {
	uint32_t index, node, slot;
};

enum { GHOSTS_MADE = 1, GHOSTS_SIGNAL = 2 };
struct ghosts_event {
	uint32_t index;
	uint32_t what;
	int32_t value; /* pid, or negative errno; number of the signal */
};

/* Whether a ghost passes on a signal that it is sent. Those that stop a process do so, which others
 * see; SIGCHLD is of its own making. */
static inline bool ghosts_pass_on(int signal)
{
	struct sigaction old;

	switch (signal) {
	case SIGKILL:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCHLD:
		return false;
	default:
		if (signal > SIGSYS && signal < SIGRTMIN)
			return false; /* libc's own */
		return sigaction(signal, NULL, &old) == 0 && old.sa_handler != SIG_IGN;
	}
}
