/*
 * message.h - the messages of the process space (docs/protocol.md)
 *
 * One byte of type, then the body. The same messages travel over the encrypted channel between
 * bpmaster and bpslave and over the local door between bpmaster and its clients; only the way of
 * delivery differs. What is legal when is not said here but in the table of each party (struct
 * message_take), which message_dispatch() applies.
 *
 * A job is one process on one node. It has a number on each of the two links: a client counts its
 * own from 0, the master gives one for the channel, and maps between them. Streams carry credit:
 * nobody sends bytes of a stream that the receiver has not granted, so that every queue has a
 * bound.
 *
 * A pure codec: parsed strings and arrays are borrowed from the message.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/ip.h"
#include "base/lang.h"
#include "base/reader.h"
#include "base/writer.h"

#define MESSAGE_VERSION	    5
#define MESSAGE_BYTES_MAX   (2u << 20) /* of any message */
#define MESSAGE_SPEC_MAX    (1u << 20) /* arguments, environment and the rest of one start */
#define MESSAGE_DATA_MAX    32768u     /* stream bytes in one message */
#define MESSAGE_WINDOW	    131072u /* bytes of a stream without a grant: the first credit */
#define MESSAGE_WORDS_MAX   400u    /* words for a person, with NUL */
#define MESSAGE_NAME_MAX    65u	    /* host name or kernel release, with NUL */
#define MESSAGE_STATE_MAX   16u	    /* a node's state, with NUL */
#define MESSAGE_ARGS_MAX    1024u  /* of a process's arguments that are shown, with NUL */
#define MESSAGE_PROCESS_MAX (75u + MESSAGE_NAME_MAX + MESSAGE_ARGS_MAX) /* one in a PROCLIST */
#define MESSAGE_RECORD_MAX  65536u /* the node's own record of its boot */
#define MESSAGE_NODES_MAX   65535u /* nodes named in one message */
#define MESSAGE_KEY_BYTES   16u	   /* of a RUN */
#define MESSAGE_GROUPS_MAX  256u   /* supplementary groups */
#define MESSAGE_LIMITS_MAX  16u	   /* resource limits */
#define MESSAGE_STRINGS_MAX 65535u /* arguments, or variables */
#define MESSAGE_ATTRIBUTE_MAX 320u /* "name=value", with NUL (wire/attributes.h) */
#define MESSAGE_WORD_MAX    MESSAGE_ATTRIBUTE_MAX
#define MESSAGE_SMALL_MAX   2048u  /* any message whose size does not depend on what a user gave */
#define MESSAGE_HASH_BYTES  32u	   /* of a file's bytes (net/file_hash.h) */
#define MESSAGE_FILES_MAX   1024u  /* that travel with one program */
#define MESSAGE_FILE_MAX    (1u << 30)	/* bytes of one of them */
#define MESSAGE_PIECE_MAX   65536u	/* bytes of a file in one message */
#define MESSAGE_EVERYONE    UINT32_MAX	/* owner of a file that all may read */
#define MESSAGE_KEPT_MAX    1024u	/* processes in one KEPT */
#define MESSAGE_KEPT_BYTES  32u		/* of each */
#define MESSAGE_SEEN	    (1u << 31) /* of a ghost in START: the master sees it by that pid */

enum message_type {
	/* slave to master */
	MESSAGE_HELLO = 1, /* who I am */
	MESSAGE_RECORD,	   /* the events of my boot, as text */
	MESSAGE_TROUBLE,   /* I am not well: words */
	MESSAGE_PONG,
	/* master to slave */
	MESSAGE_WELCOME, /* you are node N */
	MESSAGE_REFUSED, /* you are not: words */
	MESSAGE_PING,
	MESSAGE_START, /* job, pid of its ghost, rank, key, credentials, spec */
	MESSAGE_POWER, /* reboot, halt, power off */
	/* client to master */
	MESSAGE_OPEN, /* first: version */
	MESSAGE_LIST, /* whether to wait; answered by NODE... GROUP... DONE */
	MESSAGE_RUN,  /* first job, pid of the ghost, key, nodes, spec */
	MESSAGE_SET,  /* nodes, what, value; answered by DONE */
	/* master to client */
	MESSAGE_NODE,
	MESSAGE_DONE, /* 0 or errno, words */
	/* towards the process: client to master to slave */
	MESSAGE_INPUT,	       /* first job, count, bytes of standard input; none: it ended */
	MESSAGE_SIGNAL,	       /* first job, count, signal */
	MESSAGE_OUTPUT_CREDIT, /* job, stream, bytes more */
	MESSAGE_ABANDON,       /* first job, count: nobody waits for it any more, end it */
	/* from the process: slave to master to client */
	MESSAGE_STARTED,
	MESSAGE_FAILED,	      /* the job never ran, or was lost: errno, words */
	MESSAGE_OUTPUT,	      /* bytes of standard output or error; none: it ended */
	MESSAGE_INPUT_CREDIT, /* job, bytes more */
	MESSAGE_INPUT_CLOSED, /* the process reads no more */
	MESSAGE_EXIT,	      /* last of a job that ran */
	/* master to client */
	MESSAGE_GROUP, /* behind the NODEs of a list: name, numbers of its nodes */
	/* client to master, and its answers */
	MESSAGE_ATTRIBUTES, /* answered by ATTRIBUTE... DONE */
	MESSAGE_ATTRIBUTE,  /* a node's attributes */
	MESSAGE_GHOSTS,	    /* answered by GHOST... DONE */
	MESSAGE_GHOST,	    /* a process, and who stands for it here */
	MESSAGE_WATCH,	    /* answered by DONE; CHANGED follows whenever something does */
	MESSAGE_CHANGED,
	/* ghosts */
	MESSAGE_STOPPED,   /* from the process: job, signal */
	MESSAGE_CONTINUED, /* from the process: job, 1 in answer to SIGCONT */
	MESSAGE_KILL,	   /* client to master: pid of a ghost, signal; answered by DONE */
	/* ghosts of several, and what runs where */
	MESSAGE_PIDS,	   /* client to master: ghosts of the jobs of the next RUN */
	MESSAGE_PROCESSES, /* client to master: nodes; answered by PROCLIST... DONE */
	MESSAGE_PROCLIST,  /* slave to master to client: number, how it goes on, processes */
	MESSAGE_LOOK,	   /* master to slave: token; answered by PROCLIST... */
	/* files of programs */
	MESSAGE_WANT = 40, /* slave to master: files of a job that the node has not */
	MESSAGE_WANTED,	   /* master to client: a file that a node has not */
	MESSAGE_BLOB,	   /* client to master: here it is (a descriptor comes with it), or errno */
	MESSAGE_PIECE,	   /* master to slave: bytes of a file */
	MESSAGE_MISSING,   /* master to slave: it cannot be had */
	MESSAGE_PEER,	   /* slave to master: where other nodes get files of this one */
	MESSAGE_SERVE,	   /* master to slave: somebody comes for a file */
	MESSAGE_FETCH,	   /* master to slave: get a file there */
	MESSAGE_FETCHED,   /* slave to master: it is here, or errno */
	/* terminals */
	MESSAGE_RESIZE = 50, /* towards the process: job, rows, columns of its terminal */
	/* what bpctl says to nodes */
	MESSAGE_RECONNECT, /* master to slave: endpoint of another master */
	MESSAGE_CHROOT,	   /* master to slave: the folder that is / for what is started */
	/* a job goes on over a new connection (wire/message_resume.h) */
	MESSAGE_SUSPENDED = 55, /* master to client: the job's node is cut off, ask for it again */
	MESSAGE_RESUME,		/* client to master: the job, and how far its streams have come */
	MESSAGE_CLAIM,		/* master to slave: the same, and for whom */
	MESSAGE_RESUMED,	/* slave to master to client: how far its input has come */
	/* keys of nodes */
	MESSAGE_PINS = 65, /* client to master: answered by PIN... DONE */
	MESSAGE_PIN,	   /* a machine and its key */
	MESSAGE_ENROL,	   /* client to master: accept or forget a key; answered by DONE */
	/* ghosts of what a process forks (wire/message_children.h) */
	MESSAGE_FORK = 68,    /* from the process: it is about to, and waits for a number */
	MESSAGE_FORKED,	      /* towards the process: pid of the ghost */
	MESSAGE_CHILD,	      /* from the process: what became of one of them */
	MESSAGE_CHILD_SIGNAL, /* towards the process: a signal for one of them */
	/* processes that nobody has asked for again yet (wire/message_resume.h) */
	MESSAGE_KEPT = 78, /* slave to master: which, and who stands for them */
	MESSAGE_NUDGE,	   /* master to slave: key of one, signal; 0: end it */
	MESSAGE_TYPE_MAX_,
};

struct message_kind {
	const char *name;
	uint32_t min, max; /* bytes of the body */
};

/* Name and size of each type; the entry has no name where there is no such type: some numbers
 * are not in use. */
extern const struct message_kind message_kinds[MESSAGE_TYPE_MAX_];

/* What a party does with a type: the states (bits) in which it may come, and who takes it. */
struct message_take {
	unsigned states;
	int (*take)(void *owner, struct reader *body);
};

/*
 * Check @p against the tables and have it taken; @takes has MESSAGE_TYPE_MAX_ entries.
 * Return: what the taker returned; -EBADMSG (no such type, or size), -EPROTO (not legal from this
 * party or in this state), both with *ret_why set.
 */
_must_check_ int message_dispatch(const struct message_take *takes, unsigned state, void *owner,
				  const void *p, size_t n, const char **ret_why);

/* A message of at most MESSAGE_SMALL_MAX bytes under construction. */
struct message_small {
	struct writer w;
	uint8_t bytes[MESSAGE_SMALL_MAX];
};
struct writer *message_begin(struct message_small *m, enum message_type type);

/* Each _write appends type and body; each _read takes the body. Return: 0 or -EBADMSG; writers are
 * sticky. */

struct message_hello {
	uint16_t version;
	struct mac mac;
	uint32_t boot;	     /* number of this boot, 0 when not known */
	uint64_t uptime_ms;  /* since its kernel started */
	const char *release; /* of the kernel */
	const char *hostname;
};
void message_hello_write(struct writer *w, const struct message_hello *m);
_must_check_ int message_hello_read(struct reader *r, struct message_hello *ret);

struct message_welcome {
	uint16_t version;
	uint32_t number;
	uint32_t keepalive_ms; /* the master pings this often */
	uint32_t orphan_s;     /* processes that nobody asks for are kept so long */
	const char *name;
};
void message_welcome_write(struct writer *w, const struct message_welcome *m);
_must_check_ int message_welcome_read(struct reader *r, struct message_welcome *ret);

/* REFUSED and TROUBLE: printable words. */
void message_words_write(struct writer *w, enum message_type type, const char *words);
_must_check_ int message_words_read(struct reader *r, const char **ret);

enum message_power { MESSAGE_REBOOT, MESSAGE_HALT, MESSAGE_POWEROFF, MESSAGE_POWER_MAX_ };

/* Who a process runs as. */
struct message_credentials {
	uint32_t uid, gid;
	uint32_t n_groups;
	uint32_t groups[MESSAGE_GROUPS_MAX];
};
void message_credentials_write(struct writer *w, const struct message_credentials *c);
_must_check_ int message_credentials_read(struct reader *r, struct message_credentials *ret);

/* What knows a job over all connections: chosen by the program that asked for it. */
struct message_key {
	uint8_t random[MESSAGE_KEY_BYTES]; /* of RUN */
	uint32_t index;			   /* the program's number of the job */
};
void message_key_write(struct writer *w, const struct message_key *k);
void message_key_read(struct reader *r, struct message_key *ret); /* an error stays in @r */
bool message_key_equal(const struct message_key *a, const struct message_key *b);

enum {
	MESSAGE_STDIN_NULL = 1 << 0,  /* standard input is /dev/null */
	MESSAGE_OUTPUT_NULL = 1 << 1, /* standard output and error are /dev/null */
	MESSAGE_FILE_FIRST = 1 << 2,  /* the first argument is the file to run, the rest its own */
	MESSAGE_PTY = 1 << 3,	      /* all three are a terminal of its own; no io[] then */
	MESSAGE_RANKED = 1 << 4,      /* its rank goes into its environment */
	MESSAGE_AGENT = 1 << 5,	      /* bpslave's own executable, whatever the node has */
	MESSAGE_APART = 1 << 6,	      /* arguments and variables come as a blob (of START only) */
	MESSAGE_FOLLOW = 1 << 7,      /* what it forks has ghosts of its own */
	MESSAGE_FLAGS_ALL_ = (1 << 8) - 1,
};

/* A blob that holds the arguments and variables of a spec, behind bytes that nobody can guess. */
struct message_apart {
	uint32_t bytes; /* of all of it */
	uint8_t hash[MESSAGE_HASH_BYTES];
};
#define MESSAGE_SALT_BYTES 16u
#define MESSAGE_APART_MAX  (MESSAGE_SALT_BYTES + MESSAGE_SPEC_MAX)

/* A file that a program needs, as it is on the front end. */
enum message_file_kind {
	MESSAGE_PROGRAM,
	MESSAGE_LOADER, /* or interpreter of a script */
	MESSAGE_LIBRARY,
	MESSAGE_BESIDE, /* a library that is found by where the program lies ($ORIGIN) */
	MESSAGE_KIND_MAX_
};
struct message_file {
	uint8_t kind;
	bool is_private; /* not everybody may read it */
	uint64_t bytes;
	uint8_t hash[MESSAGE_HASH_BYTES];
	const char *path; /* absolute; borrowed */
};

/* What is to run. io[i] is a path on the node for descriptor i, or "" to carry the stream. */
struct message_spec {
	uint16_t flags;
	uint16_t umask;
	uint32_t
		window; /* bytes of each output stream that may be under way: 1 to MESSAGE_WINDOW */
	uint32_t n_limits; /* of resources 0, 1, ... */
	struct {
		uint64_t current, maximum;
	} limits[MESSAGE_LIMITS_MAX];
	uint16_t rows, columns; /* of its terminal */
	uint32_t rank;		/* from START, beside the spec: which of its start's processes */
	const char *cwd;
	const char *io[3];
	char **argv, **env; /* NULL-terminated arrays, owned; the strings are borrowed */
	size_t n_argv, n_env;
	struct message_apart apart; /* MESSAGE_APART: in place of them */
	const uint8_t *strings;	    /* read: where they stand; borrowed */
	size_t strings_n;
	struct message_file *files; /* owned; the first one is run. None: what the node has */
	size_t n_files;
};
void message_spec_clear(struct message_spec *s);

/* Append the spec; it stands last in a message. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int message_spec_write(struct buffer *to, const struct message_spec *s);

/* Takes all that is left. Return: 0, -EBADMSG, -ENOMEM. message_spec_clear() frees the arrays. */
_must_check_ int message_spec_read(struct reader *r, struct message_spec *ret);

/* What stood apart, behind its salt: arguments and variables of @s, to the end. They are borrowed.
 * Return: 0, -EBADMSG, -ENOMEM; @s is to be cleared in any case. */
_must_check_ int message_spec_join(struct reader *r, struct message_spec *s);

/* Count and numbers of nodes. The array read is owned by the caller. */
_must_check_ int message_nodes_write(struct buffer *to, const uint32_t *nodes, size_t n);
_must_check_ int message_nodes_read(struct reader *r, uint32_t **ret, size_t *ret_n);

/* GROUP: its name and all of its nodes; type and body. The array read is owned by the caller, NULL
 * for none. */
_must_check_ int message_group_write(struct buffer *to, const char *name, const uint32_t *nodes,
				     size_t n);
_must_check_ int message_group_read(struct reader *r, const char **ret_name, uint32_t **ret_nodes,
				    size_t *ret_n);

enum message_set {
	MESSAGE_SET_STATE,
	MESSAGE_SET_MODE,
	MESSAGE_SET_USER,
	MESSAGE_SET_GROUP,
	MESSAGE_SET_POWER,
	MESSAGE_SET_ATTRIBUTE, /* word: "name=value", or "name" to take it away */
	MESSAGE_SET_RECONNECT, /* word: endpoint of another master */
	MESSAGE_SET_CHROOT,    /* word: a folder on the nodes */
	MESSAGE_SET_MAX_
};

struct message_node {
	uint32_t number;
	struct mac mac;
	struct ipaddr address; /* last known; not set when none */
	uint32_t mode, uid, gid;
	uint32_t boot;
	uint32_t jobs;
	uint8_t connected;
	uint64_t since_ms; /* wall clock of the last change of state */
	const char *state;
	const char *name;    /* or "" */
	const char *release; /* kernel; "" while not known */
	const char *words;   /* why it is in error, or "" */
};
void message_node_write(struct writer *w, const struct message_node *m);
_must_check_ int message_node_read(struct reader *r, struct message_node *ret);

/* DONE: 0 or a positive errno, with words for a person. */
void message_done_write(struct writer *w, uint32_t error, const char *words);
_must_check_ int message_done_read(struct reader *r, uint32_t *ret_error, const char **ret_words);

struct message_started {
	uint32_t job;
	uint32_t pid;
	uint8_t cwd_missing; /* runs in / for want of its directory */
};
void message_started_write(struct writer *w, const struct message_started *m);
_must_check_ int message_started_read(struct reader *r, struct message_started *ret);

enum message_how {
	MESSAGE_REFUSED_BY_MASTER, /* not sent to the node */
	MESSAGE_NOT_RUN,	   /* the node could not run it */
	MESSAGE_NO_COMMAND,	   /* the node has no such command */
	MESSAGE_LOST,		   /* the node was lost: nobody knows how it ended */
	MESSAGE_HOW_MAX_,
};

struct message_failed {
	uint32_t job;
	uint32_t error; /* errno */
	uint8_t how;	/* enum message_how */
	const char *words;
};
void message_failed_write(struct writer *w, const struct message_failed *m);
_must_check_ int message_failed_read(struct reader *r, struct message_failed *ret);

enum message_exit_flag {
	MESSAGE_EXIT_CORE = 1 << 0,	 /* left a core */
	MESSAGE_EXIT_NO_MEMORY = 1 << 1, /* was ended by the node's kernel for want of memory */
	MESSAGE_EXIT_ALL = MESSAGE_EXIT_CORE | MESSAGE_EXIT_NO_MEMORY,
};

struct message_exit {
	uint32_t job;
	uint8_t status; /* exit status, when signal is 0 */
	uint8_t signal; /* that ended it, or 0 */
	uint8_t flags;	/* enum message_exit_flag */
	uint64_t real_us, user_us, system_us;
	uint64_t maxrss_kib;
};
void message_exit_write(struct writer *w, const struct message_exit *m);
_must_check_ int message_exit_read(struct reader *r, struct message_exit *ret);

/* STOPPED: job and signal. CONTINUED: job, and whether it answers a SIGCONT that was sent. KILL: a
 * pid and a signal, as STOPPED. */
void message_stopped_write(struct writer *w, uint32_t job, uint8_t signal);
_must_check_ int message_stopped_read(struct reader *r, uint32_t *ret_job, uint8_t *ret_signal);
void message_continued_write(struct writer *w, uint32_t job, bool asked);
_must_check_ int message_continued_read(struct reader *r, uint32_t *ret_job, bool *ret_asked);

struct message_resize {
	uint32_t job;
	uint16_t rows, columns;
};
void message_resize_write(struct writer *w, const struct message_resize *m);
_must_check_ int message_resize_read(struct reader *r, struct message_resize *ret);

/* RECONNECT and CHROOT: a string of MESSAGE_WORD_MAX bytes at most, with NUL. */
void message_word_write(struct writer *w, const char *word);
_must_check_ int message_word_read(struct reader *r, const char **ret);

/* Heads of OUTPUT (job, stream 1 or 2) and INPUT (first job, count); the bytes follow: all that is
 * left. */
void message_output_write(struct writer *w, uint32_t job, uint8_t stream);
_must_check_ int message_output_read(struct reader *r, uint32_t *ret_job, uint8_t *ret_stream);
void message_input_write(struct writer *w, uint32_t job, uint32_t count);
_must_check_ int message_input_read(struct reader *r, uint32_t *ret_job, uint32_t *ret_count);

void message_signal_write(struct writer *w, uint32_t job, uint32_t count, uint8_t signal);
_must_check_ int message_signal_read(struct reader *r, uint32_t *ret_job, uint32_t *ret_count,
				     uint8_t *ret_signal);

/* Stream 0 stands for INPUT_CREDIT, 1 and 2 for OUTPUT_CREDIT: the type follows from it. */
void message_credit_write(struct writer *w, uint32_t job, uint8_t stream, uint32_t bytes);
_must_check_ int message_output_credit_read(struct reader *r, uint32_t *ret_job,
					    uint8_t *ret_stream, uint32_t *ret_bytes);
_must_check_ int message_input_credit_read(struct reader *r, uint32_t *ret_job,
					   uint32_t *ret_bytes);

/* A node's attributes: lines of "name=value" (wire/attributes.h). */
struct message_attribute {
	uint32_t number;
	const char *text;
};
void message_attribute_write(struct writer *w, const struct message_attribute *m);
_must_check_ int message_attribute_read(struct reader *r, struct message_attribute *ret);

/* A process of the space. */
struct message_ghost {
	uint32_t pid;	 /* of the program on the front end that asked for it */
	uint32_t node;	 /* where it runs */
	uint32_t uid;	 /* as whom */
	uint32_t remote; /* its pid there; 0: it has not started yet */
};
void message_ghost_write(struct writer *w, const struct message_ghost *m);
_must_check_ int message_ghost_read(struct reader *r, struct message_ghost *ret);

/* Bytes of a file, and who may have them of a node: MESSAGE_EVERYONE, or one user. */
struct message_blob {
	uint32_t owner;
	uint8_t hash[MESSAGE_HASH_BYTES];
};

/* WANT: a job, and which files of its spec. At most MESSAGE_FILES_MAX; @ret_files has that many
 * places. */
_must_check_ int message_want_write(struct buffer *to, uint32_t job, const uint16_t *files,
				    size_t n);
_must_check_ int message_want_read(struct reader *r, uint32_t *ret_job, uint16_t *ret_files,
				   size_t *ret_n);

/* WANTED and BLOB: a file of a job; BLOB with a positive errno when it cannot be had. */
void message_wanted_write(struct writer *w, uint32_t job, uint16_t file);
_must_check_ int message_wanted_read(struct reader *r, uint32_t *ret_job, uint16_t *ret_file);
void message_given_write(struct writer *w, uint32_t job, uint16_t file, uint32_t error);
_must_check_ int message_given_read(struct reader *r, uint32_t *ret_job, uint16_t *ret_file,
				    uint32_t *ret_error);

/* Head of PIECE; the bytes follow: all that is left. */
void message_piece_write(struct writer *w, const struct message_blob *b, uint64_t offset);
_must_check_ int message_piece_read(struct reader *r, struct message_blob *ret,
				    uint64_t *ret_offset);

/* MISSING, FETCHED: a positive errno; for FETCHED, 0 says that it is here. */
void message_fetched_write(struct writer *w, const struct message_blob *b, uint32_t error);
_must_check_ int message_fetched_read(struct reader *r, struct message_blob *ret,
				      uint32_t *ret_error);

#define MESSAGE_PEER_KEY 32u /* bytes of the key of one transfer */
struct message_fetch {
	struct message_blob blob;
	uint8_t key[MESSAGE_PEER_KEY];
	struct ipaddr address; /* of FETCH alone, as the port */
	uint16_t port;
};
/* SERVE is a FETCH without its address. */
void message_serve_write(struct writer *w, const struct message_fetch *m);
_must_check_ int message_serve_read(struct reader *r, struct message_fetch *ret);
void message_fetch_write(struct writer *w, const struct message_fetch *m);
_must_check_ int message_fetch_read(struct reader *r, struct message_fetch *ret);

/* A process on a node, as ps would show it. */
struct message_process {
	uint32_t pid, parent, group, session; /* the space's numbers */
	uint32_t uid, real_uid, gid; /* uid and gid: effective */
	uint32_t tty;		     /* device number of its terminal, as proc(5) has it; 0: none */
	uint32_t foreground;	     /* process group that has the terminal, or 0 */
	uint32_t threads;
	char state; /* as ps says it: R, S, D, T, Z, ... */
	int8_t nice;
	uint64_t cpu_ms, elapsed_ms;
	uint64_t rss_kib, vsz_kib;
	const char *name;
	const char *args; /* printable; "": it has none */
};
void message_process_write(struct writer *w, const struct message_process *m);
_must_check_ int message_process_read(struct reader *r, struct message_process *ret);

enum message_going_on { MESSAGE_MORE, MESSAGE_LAST, MESSAGE_NODE_LOST, MESSAGE_GOING_ON_MAX_ };
#define MESSAGE_PROCLIST_BYTES 13u /* of its head */
/* Head of PROCLIST; the processes follow. */
struct message_proclist {
	uint32_t number; /* the master's token; for a client the node */
	enum message_going_on how;
	uint64_t memory_kib; /* that the node has; 0: not known */
};
void message_proclist_write(struct writer *w, const struct message_proclist *m);
_must_check_ int message_proclist_read(struct reader *r, struct message_proclist *ret);

/* A machine's key, and what bpmaster makes of it. */
enum message_pin_state {
	MESSAGE_PIN_PINNED,
	MESSAGE_PIN_WAITS,   /* to be accepted */
	MESSAGE_PIN_CHANGED, /* refused: another one is pinned */
	MESSAGE_PIN_STATE_MAX_,
};
#define MESSAGE_PIN_BYTES 32u
#define MESSAGE_FINGERPRINT_MAX	 33u /* characters of it, with NUL */
struct message_pin {
	struct mac mac;
	uint8_t state;	 /* enum message_pin_state */
	uint8_t lasting; /* it outlives a boot */
	uint32_t boot;	 /* in which it was shown */
	uint8_t key[MESSAGE_PIN_BYTES];
	const char *words; /* where a machine is that waits or was refused, or "" */
};
void message_pin_write(struct writer *w, const struct message_pin *m);
_must_check_ int message_pin_read(struct reader *r, struct message_pin *ret);

struct message_enrol {
	enum { MESSAGE_ENROL_ACCEPT, MESSAGE_ENROL_FORGET, MESSAGE_ENROL_MAX_ } what;
	struct mac mac;
	const char *fingerprint; /* of the key to accept; "": of the only one that waits */
};
void message_enrol_write(struct writer *w, const struct message_enrol *m);
_must_check_ int message_enrol_read(struct reader *r, struct message_enrol *ret);

/* A state's name: 1 to 15 letters, digits, '-', '_', '.'. */
bool message_state_valid(const char *s);
