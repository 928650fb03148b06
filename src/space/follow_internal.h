/*
 * follow_internal.h - what bpslave and a keeper say to each other: structs, one a packet
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "space/realm.h"
#include "wire/message_children.h"

enum follow_what {
	FOLLOW_TRACE,  /* to the keeper: pid in the realm */
	FOLLOW_NUMBER, /* token, pid of a ghost or 0 */
	FOLLOW_SIGNAL, /* pid of a ghost, signal */
	FOLLOW_LIST,
};

struct follow_order {
	uint32_t what, a, b;
};

struct follow_event {
	bool forks;	/* a token in @value, and a title; else a struct message_child: */
	uint8_t what;	/* enum message_child_what */
	uint32_t pid, value;
	char name[MESSAGE_COMM_MAX], args[MESSAGE_CHILD_ARGS_MAX];
};

/* The keeper: trace what it is told to, until its socket @fd closes. @gate lets the process go. */
_noreturn_ void follow_keeper(const struct realm *realm, int fd, int gate);
