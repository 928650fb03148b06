/*
 * node_internal.h - what the files of bpslave's connection share with each other, and with nobody
 * else
 */
#pragma once

#include <ev.h>

#include "base/backoff.h"
#include "space/channel.h"
#include "space/feeder.h"
#include "space/handover.h"
#include "space/node.h"
#include "space/node_key.h"
#include "space/process.h"
#include "space/renewal.h"
#include "space/renewal6.h"
#include "wire/message.h"

enum node_state {
	NODE_WAITING = 1 << 0, /* for the next attempt */
	NODE_CONNECTING = 1 << 1,
	NODE_GREETING = 1 << 2, /* handshake */
	NODE_NEW = 1 << 3,	/* said hello */
	NODE_UP = 1 << 4,
};

struct node {
	struct ev_loop *loop;
	const struct node_config *config;
	struct handover boot;
	uint8_t master_key[CIPHER_KEY_BYTES];
	struct node_key key;
	struct processes processes;
	enum node_state state;
	int fd; /* while connecting */
	struct ev_io connecting;
	struct ev_timer timer; /* next attempt, deadline, or silence */
	struct ev_signal child, term, interrupt;
	struct feeder feeder;
	struct stream stream;
	struct handshake handshake;
	struct backoff backoff;
	struct renewal *renewal;   /* or NULL */
	struct renewal6 *renewal6; /* or NULL */
	uint32_t silence_ms;
	struct ipaddr other; /* the master that bpctl has named, or not set */
	uint16_t other_port;
	uint64_t other_until_ms; /* it has to take us by then; 0: it has */
	char trouble[MESSAGE_WORDS_MAX]; /* of our own start; told to the master */
	char refusal[256];		 /* the master's words */
	char complaint[256];		 /* last one, so that it is not said again and again */
};

/* node.c */
void node_say(struct node *n, const struct message_small *m);
/* Set the one timer. */
void node_timer_set(struct node *n, uint32_t ms);

/* node_orders.c */
int node_take_reconnect(void *owner, struct reader *r);
int node_take_chroot(void *owner, struct reader *r);
/* Whom to connect to: in n->boot. */
void node_choose_master(struct node *n);

/* node_takes.c: every message that the master may send */
extern const struct message_take node_takes[MESSAGE_TYPE_MAX_];
