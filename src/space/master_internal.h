/*
 * master_internal.h - what the files of bpmaster share with each other, and with nobody else
 */
#pragma once

#include <ev.h>

#include "base/backoff.h"
#include "base/log.h"
#include "space/channel.h"
#include "space/master.h"
#include "space/stream.h"
#include "wire/message.h"
#include "wire/report.h"

struct slave;
struct client;
struct job;
struct boot;

/* A node, connected or not. Lives as long as it is listed; a dynamic one until the master ends. */
struct member {
	struct master_node node;
	bool listed; /* in the list of nodes; else it was accepted as unknown */
	char state[MESSAGE_STATE_MAX];
	char words[MESSAGE_WORDS_MAX]; /* why it is in that state, or "" */
	uint64_t since_ms;	       /* wall clock */
	uint32_t mode, uid, gid;       /* who may run there: execute bits */
	char release[MESSAGE_NAME_MAX];
	uint32_t boot;		/* number of the boot that registered, or 0 */
	uint64_t up_ms;		/* its kernel's time when it registered */
	uint32_t reported_boot; /* of the last boot event that moved its state */
	struct in_addr seen;	/* address of its last connection or event */
	struct slave *slave;	/* its connection, or NULL */
};

enum slave_state {
	SLAVE_GREETING = 1 << 0, /* handshake not done */
	SLAVE_NEW = 1 << 1,	 /* sealed, has not said who it is */
	SLAVE_UP = 1 << 2,	 /* registered */
};

/* A connection from a bpslave. */
struct slave {
	struct master *master;
	struct slave *next_pending, *prev_pending; /* while not registered */
	struct stream stream;
	enum slave_state state;
	struct member *member; /* once registered */
	struct in_addr from;
	struct ev_timer timer; /* deadline of the registration, then keepalive */
	struct job *jobs;
	uint32_t n_jobs;
};

struct master {
	struct ev_loop *loop;
	const struct master_config *config;
	uint8_t secret[CIPHER_KEY_BYTES];
	struct ev_signal hup, term, interrupt;

	struct member **members; /* by number */
	size_t n_members;
	int listen_fd;
	struct ev_io listening;
	struct slave *pending; /* newest first */
	size_t n_pending;
	uint64_t complained_ms; /* when strangers were last complained of, and how often since */
	unsigned complaints;

	int lock_fd, door_fd;
	struct ev_io door;
	struct client *clients;
	size_t n_clients;

	struct job **jobs; /* by slot; grows */
	size_t jobs_cap, n_jobs;
	uint32_t jobs_hint;

	int log_fd, boots_dirfd;
	struct ev_io log;
	struct boot *boots;
	size_t n_unknown_boots;
};

/* members.c */
void members_close(struct master *m);
_must_check_ int members_load(struct master *m, const struct master_nodes *nodes);
struct member *member_by_number(const struct master *m, uint32_t number);
struct member *member_by_mac(const struct master *m, const struct mac *mac);
void member_set_state(struct member *n, const char *state, const char *words);
/* An event of the node's boot came. */
void member_reported(struct master *m, struct member *n, const struct report *e,
		     struct in_addr from);
/* The next free number for a machine that nobody listed. Return: NULL when there is none or no
 * memory. */
struct member *member_accept(struct master *m, const struct mac *mac);

/* slaves.c */
_must_check_ int slaves_open(struct master *m);
void slaves_close(struct master *m);
void slave_ping(struct slave *s);

/* jobs.c */
struct job_order {
	const uint8_t *spec; /* as it came; borrowed */
	size_t spec_n;
	uint32_t window; /* of its output */
};
/* Start what is ordered on a node for a client, as its job @number. Return: 0, or a positive errno
 * with words for the client. */
int job_start(struct client *c, uint32_t number, uint32_t node, const struct job_order *order,
	      char *ret_words);
void jobs_slave_lost(struct slave *s, const char *why);
void jobs_client_gone(struct client *c);
void jobs_close(struct master *m);
/* What a registered slave may say of its jobs. */
int job_take_started(void *slave, struct reader *r);
int job_take_failed(void *slave, struct reader *r);
int job_take_output(void *slave, struct reader *r);
int job_take_input_credit(void *slave, struct reader *r);
int job_take_input_closed(void *slave, struct reader *r);
int job_take_exit(void *slave, struct reader *r);
/* What a client may say of its jobs. */
int job_take_input(void *client, struct reader *r);
int job_take_signal(void *client, struct reader *r);
int job_take_output_credit(void *client, struct reader *r);
int job_take_abandon(void *client, struct reader *r);

/* A local client. */
struct client {
	struct client *next;
	struct master *master;
	struct stream stream;
	unsigned state; /* CLIENT_ bits */
	struct message_credentials who;
	int pid;
	struct job **jobs; /* by the client's own number; NULL when it ended */
	size_t jobs_cap;   /* entries of it */
};

enum { CLIENT_NEW = 1 << 0, CLIENT_OPEN = 1 << 1 };

/* door.c */
_must_check_ int door_open(struct master *m);
void door_close(struct master *m);
bool client_is_owner(const struct client *c);

/* events.c */
_must_check_ int events_open(struct master *m);
void events_close(struct master *m);
/* The node's own record of its boot: fill in what was lost on the way. */
void events_record(struct master *m, struct member *n, const char *text, size_t n_text);
/* Add an event of our own (up) to the log of the node's current boot. */
void events_add(struct master *m, struct member *n, enum report_stage stage,
		enum report_state state, const char *words);
/* The machine has a number now (or another one): name its log by it. */
void events_name(struct master *m, const struct member *n);

/* Wall clock in milliseconds. */
uint64_t master_wall_ms(void);
