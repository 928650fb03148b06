/*
 * master_internal.h - what the files of bpmaster share with each other, and with nobody else
 */
#pragma once

#include <ev.h>

#include "base/backoff.h"
#include "base/log.h"
#include "space/channel.h"
#include "space/complaints.h"
#include "space/master.h"
#include "space/stream.h"
#include "wire/message.h"
#include "wire/message_resume.h"
#include "wire/pins.h"
#include "wire/report.h"
#include "wire/settings.h"

struct slave;
struct client;
struct job;
struct boot;
struct ask;
struct blob;
struct delivery;
struct manifest;

#define MEMBER_AWAY "away" /* the state of one that is cut off, with processes */

/* A node, connected or not. Lives as long as it is listed; a dynamic one until the master ends. */
struct member {
	struct master *master;
	struct master_node node;
	bool listed; /* in the list of nodes; else it was accepted as unknown */
	bool expected; /* it was up before a restart, and is not back yet */
	char state[MESSAGE_STATE_MAX];
	char words[MESSAGE_WORDS_MAX]; /* why it is in that state, or "" */
	uint64_t since_ms;	       /* wall clock */
	uint32_t mode, uid, gid;       /* who may run there: execute bits */
	char set_state[MESSAGE_STATE_MAX]; /* by bpctl, or "" */
	uint32_t set_boot;		   /* in this boot; 0: while it had no connection */
	char *attributes;		   /* owned; NULL: none */
	char release[MESSAGE_NAME_MAX];
	uint32_t boot;		/* number of the boot that registered, or 0 */
	uint64_t up_ms;		/* its kernel's time when it registered */
	uint32_t reported_boot; /* of the last boot event that moved its state */
	struct ipaddr seen;	/* address of its last connection or event */
	struct slave *slave;	/* its connection, or NULL */
	struct job *waiting;	/* jobs for which it has to come back */
	uint32_t n_waiting;
	uint64_t patience_ms; /* clock_ms() until which they wait; 0: it was not lost yet */
	struct complaints changes;
};

enum slave_state {
	SLAVE_GREETING = 1 << 0, /* handshake not done */
	SLAVE_NEW = 1 << 1,	 /* sealed, has not said who it is */
	SLAVE_RIVAL = 1 << 2,	 /* says that it is a node that is up: that one is being asked */
	SLAVE_UP = 1 << 3,	 /* registered */
};

/* A connection from a bpslave. */
struct slave {
	struct master *master;
	struct slave *next_pending, *prev_pending; /* while not registered */
	struct stream stream;
	enum slave_state state;
	struct member *member; /* once registered */
	struct slave *rival;   /* up: who wants its place; rival: who has it */
	struct handshake handshake;
	struct identity identity; /* proved by the handshake */
	struct ipaddr from;
	struct ev_timer timer; /* deadline of the registration, then keepalive */
	uint64_t asked;	       /* token of the ping that decides about the rival */
	uint64_t pinged_ms, registered_ms;
	bool recorded; /* its record came */
	uint64_t second_ms; /* when we began to count what it says */
	uint32_t said;	    /* since then */
	struct ev_timer hold; /* it has said too much */
	uint16_t peer_port; /* where it gives files to other nodes; 0: nowhere */
	uint32_t boot; /* what its hello says */
	uint64_t uptime_ms;
	char release[MESSAGE_NAME_MAX];
	const char *going; /* what it was told, if that was to go down */
	struct job *jobs;
	uint32_t n_jobs;
	struct message_kept *kept; /* its processes that nobody has asked for again; owned */
	size_t n_kept;
	uint64_t kept_ms; /* when it began to tell of them; 0: it has not */
	bool kept_passed; /* what it tells now comes too soon: passed over */
	struct ask *asks; /* by clients: what runs there */
	struct delivery *deliveries; /* of files that it gets or has got */
};

#define KEYS_PINS_MAX	 (2 * MASTER_NODES_MAX) /* also of machines that are no nodes now */
#define KEYS_WAITING_MAX 256			/* machines that were turned away for their key */
#define KEYS_WAITING_MS	 60000			/* and have not come again since */

/* A machine that was turned away. */
struct key_waiting {
	struct mac mac;
	struct identity who;
	uint32_t boot;
	struct ipaddr from;
	uint8_t state; /* enum message_pin_state */
	uint64_t seen_ms;
};

/* Nodes that were up before a restart, and are not back yet (expected.c). */
struct expected {
	size_t n;
	struct ev_timer saving, patience;
	struct ev_timer resume; /* of clients that waited; at once */
};

struct keys {
	struct pin *pins; /* owned */
	size_t n;
	struct key_waiting *waiting; /* owned; KEYS_WAITING_MAX of them, or NULL */
	size_t n_waiting;
	struct ev_timer saving;
};

struct master {
	struct ev_loop *loop;
	const struct master_config *config;
	struct keypair key;
	struct ev_signal hup, term, interrupt;

	struct member **members; /* by number */
	size_t n_members;
	struct master_group *groups; /* owned */
	size_t n_groups;
	int watch_fd; /* inotify */
	struct ev_io watching;
	struct ev_timer settling; /* between a change and the reading of it */
	int listen_fd;
	struct keys keys;
	struct expected expected;
	struct settings *settings; /* of machines that are no members now; grows */
	size_t n_settings;
	struct ev_io listening;
	struct slave *pending; /* newest first */
	size_t n_pending;
	uint64_t token;	      /* of the last ping */
	size_t slaves_queued; /* bytes that wait for slaves */
	struct complaints strangers, callers;
	int spare_fd; /* given up to turn a connection away when descriptors run out */

	int lock_fd, door_fd;
	struct ev_io door;
	struct client *clients;
	size_t n_clients, n_stalled;

	struct ev_timer patience;
	struct job **jobs; /* by slot; grows */
	size_t jobs_cap, n_jobs;
	uint32_t jobs_hint;

	struct blob *blobs; /* files on their way to nodes */
	size_t n_blobs;
	uint64_t blob_bytes;
	struct ev_timer sweep; /* of them */

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
/* Its connection is gone: it is away as long as processes of it are waited for, else down. */
void member_lost(struct member *n, const char *why);
/* They are waited for no more. */
void member_given_up(struct member *n);
/* An event of the node's boot came. */
void member_reported(struct master *m, struct member *n, const struct report *e,
		     const struct ipaddr *from);
/* The next free number for a machine that nobody listed. Return: NULL when there is none or no
 * memory. */
struct member *member_accept(struct master *m, const struct mac *mac);

/* groups.c */
_must_check_ int groups_load(struct master *m, const struct master_nodes *nodes);
/* Tell a client of all. Return: 0, or negative errno. */
_must_check_ int groups_send(const struct master *m, struct stream *to);
void groups_close(struct master *m);

/* watch.c: read the list of nodes anew when a file of it changes */
void watch_open(struct master *m);
void watch_close(struct master *m);
/* master.c */
void master_reload(struct master *m);

/* settings.c: what bpctl sets, kept over a restart */
_must_check_ int settings_load(struct master *m);
void settings_close(struct master *m);
/* Return: 0 or negative errno (logged). */
_must_check_ int settings_save(const struct master *m);
/* A member that was just made gets what is kept for its machine; one that goes leaves it here. */
void settings_give(struct member *n);
void settings_take(struct member *n);
/* bpctl says so. */
void settings_state(struct member *n, const char *state);
/* Return: 0 or negative errno. */
int settings_attribute(struct member *n, const char *word);
/* The state of a node that has just registered. */
const char *settings_registered(struct member *n);

/* slaves.c */
_must_check_ int slaves_open(struct master *m);
void slaves_close(struct master *m);
/* A node that may have been reset is asked, with little time to answer. */
void slave_ask(struct slave *s);
/* Whether @n bytes more may wait for the node, beside @high at most. */
bool slave_room(const struct slave *s, size_t n, size_t high);

/* jobs*.c: what takes messages of a client may return STREAM_AGAIN when a node does not read; it
 * goes on at c->at then. */
struct job_order {
	const uint8_t *spec; /* as it came; borrowed */
	size_t spec_n;
	uint32_t window; /* of its output */
	uint32_t pid;	 /* of its ghost here; 0: none */
	uint32_t starter; /* of who asks for it */
	bool seen;	  /* by the numbers of our own PID namespace */
	struct message_key key;
	uint32_t rank;	 /* which of the processes of its start it is */
	bool follows;	 /* what it forks has ghosts */
	struct manifest *manifest; /* its files, or NULL; borrowed */
	struct blob *apart; /* its arguments and variables, when they go apart; borrowed */
};
/* Start what is ordered on a node for a client, as its job @number. Return: 0, a positive errno
 * with words for the client, or -EAGAIN while the node has no room. */
int job_start(struct client *c, uint32_t number, uint32_t node, const struct job_order *order,
	      char *ret_words);
void jobs_open(struct master *m);
/* The connection ended: as a break that the node may survive (@err says how), or for good. */
void jobs_slave_lost(struct slave *s, int err, const char *why);
/* The node has registered: ask it for what was waiting. */
void jobs_slave_back(struct slave *s);
/* The node is not listed any more. */
void jobs_member_gone(struct member *n, const char *why);
void jobs_client_gone(struct client *c);
void jobs_close(struct master *m);
/* Tell a client of every process. */
void jobs_list(struct client *to);
/* What a registered slave may say of its jobs. */
int job_take_started(void *slave, struct reader *r);
int job_take_failed(void *slave, struct reader *r);
int job_take_output(void *slave, struct reader *r);
int job_take_input_credit(void *slave, struct reader *r);
int job_take_input_closed(void *slave, struct reader *r);
int job_take_exit(void *slave, struct reader *r);
int job_take_stopped(void *slave, struct reader *r);
int job_take_continued(void *slave, struct reader *r);
int job_take_resumed(void *slave, struct reader *r);
int job_take_fork(void *slave, struct reader *r);
int job_take_child(void *slave, struct reader *r);
/* jobs_kept.c */
int job_take_kept(void *slave, struct reader *r);
void jobs_kept_clear(struct slave *s);
/* The same as jobs_kill(), for processes that nobody has asked for again. */
int jobs_kept_kill(struct client *c, uint32_t pid, uint8_t signal);
/* What a client may say of its jobs. */
int job_take_input(void *client, struct reader *r);
int job_take_signal(void *client, struct reader *r);
int job_take_output_credit(void *client, struct reader *r);
int job_take_abandon(void *client, struct reader *r);
int job_take_resize(void *client, struct reader *r);
int job_take_resume(void *client, struct reader *r);
int job_take_forked(void *client, struct reader *r);
int job_take_child_signal(void *client, struct reader *r);
/* Send a signal to the processes that a ghost stands for. Return: 0, STREAM_AGAIN, -ESRCH
 * when there is none, -EPERM when all are another user's. */
int jobs_kill(struct client *c, uint32_t pid, uint8_t signal);

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
	uint32_t n_jobs;
	uint32_t n_children; /* what its jobs have forked, as far as that is listed */
	size_t at;    /* how much of a message that came again is done */
	uint32_t *pids; /* ghosts of the jobs of its next run; owned */
	size_t n_pids;
	struct blob *apart; /* of its run that is under way, or NULL (apart.h) */
	uint32_t n_asks; /* nodes that have yet to answer what runs there */
	bool watches; /* is told of changes */
	bool stalled; /* waits for a node, or for its own program, to read */
};

enum { CLIENT_NEW = 1 << 0, CLIENT_OPEN = 1 << 1 };

/* door_takes.c: every message that a client may send */
extern const struct message_take client_takes[MESSAGE_TYPE_MAX_];

int client_answer(struct client *c, int error, const char *words);

/* asks.c: what runs on the nodes */
int ask_take_processes(void *client, struct reader *r);
int ask_take_proclist(void *slave, struct reader *r);
void asks_slave_lost(struct slave *s);
void asks_client_gone(struct client *c);

/* door.c */
_must_check_ int door_open(struct master *m);
void door_close(struct master *m);
bool client_is_owner(const struct client *c);
/* Take no more from the client until something has been read. Return: STREAM_AGAIN. */
int client_stall(struct client *c, size_t at);
/* Something was read: those who wait try again. */
void clients_resume(struct master *m);
/* Something about a node has changed: those who watch are told. */
void clients_changed(struct master *m);
/* What its user may still let wait. */
bool client_room(const struct client *c, size_t n);
/* The number of a process here for which the client may start something. */
uint32_t client_ghost(const struct client *c, uint32_t claimed);
/* Whether its user has as many jobs as one may have. */
bool client_full(const struct client *c);

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

/* Take a connection. Return: a descriptor, or negative errno; never leaves one waiting for want of
 * descriptors. */
int master_accept(struct master *m, int listen_fd, void *from, uint32_t *from_n);
