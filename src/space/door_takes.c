/*
 * door_takes.c - what a local program may ask of bpmaster
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "space/apart.h"
#include "space/blobs.h"
#include "space/handover.h"
#include "space/keys.h"
#include "space/master_internal.h"

int client_answer(struct client *c, int error, const char *words)
{
	struct message_small msg;

	message_done_write(message_begin(&msg, MESSAGE_DONE), (uint32_t)error, words);
	return stream_send_writer(&c->stream, &msg.w);
}

static int take_open(void *owner, struct reader *r)
{
	struct client *c = owner;
	uint16_t version = reader_be16(r);
	char words[MESSAGE_WORDS_MAX];
	int e = reader_end(r);

	if (e < 0)
		return e;
	if (version != MESSAGE_VERSION) {
		snprintf(words, sizeof(words),
			 "bpmaster speaks version %u, this program %u: install them together",
			 MESSAGE_VERSION, version);
		e = client_answer(c, EPROTO, words);
		stream_flush(&c->stream); /* what it has sent behind ends the connection */
		return e;
	}
	c->state = CLIENT_OPEN;
	stream_frame_max(&c->stream, MESSAGE_BYTES_MAX);
	return client_answer(c, 0, "");
}

static int take_list(void *owner, struct reader *r)
{
	struct client *c = owner;
	struct master *m = c->master;
	uint8_t settled = r->left > 0 ? reader_u8(r) : 0;
	int e = settled > 1 ? -EBADMSG : reader_end(r);

	if (e == 0 && stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0); /* it has not read the last one */
	if (e == 0 && settled && m->expected.n > 0)
		return client_stall(c, 0); /* which nodes are up is not known yet */
	for (size_t i = 0; e == 0 && i < m->n_members; i++) {
		const struct member *n = m->members[i];
		struct message_small msg;
		struct message_node node = {
			.number = n->node.number,
			.mac = n->node.mac,
			.address = ip_is_set(&n->seen) ? n->seen : ip_from_v4(n->node.address),
			.mode = n->mode,
			.uid = n->uid,
			.gid = n->gid,
			.boot = n->boot,
			.jobs = (n->slave ? n->slave->n_jobs : 0) + n->n_waiting,
			.connected = n->slave != NULL,
			.since_ms = n->since_ms,
			.state = n->state,
			.name = n->node.name,
			.release = n->release,
			.words = n->words,
		};

		message_node_write(message_begin(&msg, MESSAGE_NODE), &node);
		e = stream_send_writer(&c->stream, &msg.w);
	}
	if (e == 0)
		e = groups_send(m, &c->stream);
	return e < 0 ? e : client_answer(c, 0, "");
}

static size_t jobs_of_user(const struct client *c)
{
	size_t n = 0;

	for (const struct client *o = c->master->clients; o; o = o->next)
		n += o->who.uid == c->who.uid ? o->n_jobs : 0;
	return n;
}

/*
 * Who a process is started for here: the caller itself, or a process of the same user. A caller in
 * another PID namespace has no number that we know; the master's own user and root are believed.
 */
uint32_t client_ghost(const struct client *c, uint32_t claimed)
{
	char path[32];
	struct stat st;

	if (claimed > INT32_MAX)
		return 0;
	if (claimed == 0 || client_is_owner(c) || claimed == (uint32_t)c->pid)
		return claimed;
	snprintf(path, sizeof(path), "/proc/%u", claimed);
	return c->pid != 0 && stat(path, &st) == 0 && st.st_uid == c->who.uid ? claimed : 0;
}

static int take_pids(void *owner, struct reader *r)
{
	struct client *c = owner;
	_cleanup_free_ uint32_t *pids = NULL;
	size_t n;
	int e = message_nodes_read(r, &pids, &n);

	if (e == 0)
		e = reader_end(r);
	if (e < 0)
		return e;
	for (size_t i = 0; i < n; i++)
		pids[i] = client_ghost(c, pids[i]);
	free(c->pids);
	c->pids = TAKE_PTR(pids);
	c->n_pids = n;
	return 0;
}

bool client_full(const struct client *c)
{
	return c->who.uid != 0 && jobs_of_user(c) >= MASTER_JOBS_USER;
}

static int take_run(void *owner, struct reader *r)
{
	struct client *c = owner;
	_cleanup_free_ uint32_t *nodes = NULL;
	_cleanup_manifest_ struct manifest *manifest = NULL;
	_cleanup_buffer_ struct buffer text = BUFFER(MESSAGE_SPEC_MAX + MESSAGE_SMALL_MAX);
	struct message_spec spec;
	struct job_order order;
	size_t n, user_jobs;
	uint32_t first = reader_be32(r), pid = reader_be32(r);
	int e;

	reader_copy(r, order.key.random, sizeof(order.key.random));
	e = message_nodes_read(r, &nodes, &n);
	if (e < 0)
		return e;
	order.pid = order.starter = client_ghost(c, pid);
	order.seen = pid != 0 && pid == (uint32_t)c->pid;
	order.spec = r->p;
	order.spec_n = r->left;
	e = message_spec_read(r, &spec); /* checked here once, so that no slave sees a bad one */
	if (e < 0)
		return e;
	if (spec.flags & MESSAGE_APART) {
		message_spec_clear(&spec);
		return -EBADMSG; /* only nodes are told so */
	}
	order.window = spec.window;
	order.follows = spec.flags & MESSAGE_FOLLOW;
	order.manifest = manifest = spec.n_files > 0 ? manifest_new(&spec, c->who.uid) : NULL;
	e = spec.n_files > 0 && !manifest ? -ENOMEM : n > UINT32_MAX - first ? -EBADMSG : 0;
	if (e == 0)
		e = apart_order(c, n, &spec, &text, &order);
	message_spec_clear(&spec);
	if (e < 0)
		return e;
	user_jobs = jobs_of_user(c);
	for (size_t i = c->at; i < n; i++) {
		char words[MESSAGE_WORDS_MAX];
		struct message_failed f = { .job = first + (uint32_t)i, .words = words };
		struct message_small msg;
		int why;

		if (user_jobs >= MASTER_JOBS_USER && c->who.uid != 0) {
			snprintf(words, sizeof(words), "user %u has %u jobs already", c->who.uid,
				 MASTER_JOBS_USER);
			why = EAGAIN;
		} else {
			order.rank = f.job;
			if (i < c->n_pids)
				order.pid = c->pids[i];
			order.key.index = f.job;
			why = job_start(c, f.job, nodes[i], &order, words);
		}
		if (why == -EAGAIN)
			return client_stall(c, i);
		user_jobs += why == 0;
		if (why == 0)
			continue;
		f.error = (uint32_t)why;
		message_failed_write(message_begin(&msg, MESSAGE_FAILED), &f);
		e = stream_send_writer(&c->stream, &msg.w);
		if (e < 0)
			return e;
	}
	apart_done(c);
	free(c->pids);
	c->pids = NULL;
	c->n_pids = 0;
	return 0;
}

/* Apply one setting to one node. Return: 0, or a positive errno with words. */
static int set_one(struct member *n, enum message_set what, uint32_t value, const char *word,
		   char *words)
{
	struct message_small msg;
	int r;

	switch (what) {
	case MESSAGE_SET_STATE:
		settings_state(n, word);
		return 0;
	case MESSAGE_SET_ATTRIBUTE:
		r = -settings_attribute(n, word);
		if (r > 0)
			snprintf(words, MESSAGE_WORDS_MAX, "node %u: attribute '%.300s': %s",
				 n->node.number, word,
				 r == EINVAL  ? "expected NAME=VALUE, or NAME of one that it has"
				 : r == E2BIG ? "at most 32 attributes of together 1 KiB"
					      : strerror(r));
		return r;
	case MESSAGE_SET_MODE:
		n->mode = value & 0111;
		return 0;
	case MESSAGE_SET_USER:
		n->uid = value;
		return 0;
	case MESSAGE_SET_GROUP:
		n->gid = value;
		return 0;
	default:
		break;
	}
	if (!n->slave) {
		snprintf(words, MESSAGE_WORDS_MAX, "node %u is %s", n->node.number, n->state);
		return EHOSTDOWN;
	}
	if (what != MESSAGE_SET_POWER) {
		log_info("node %u is told to %s %s", n->node.number,
			 what == MESSAGE_SET_CHROOT ? "start in" : "connect to", word);
		message_word_write(message_begin(&msg, what == MESSAGE_SET_CHROOT
							       ? MESSAGE_CHROOT
							       : MESSAGE_RECONNECT),
				   word);
		(void)stream_send_writer(&n->slave->stream, &msg.w);
		return 0;
	}
	n->slave->going = value == MESSAGE_REBOOT ? "told to reboot"
			  : value == MESSAGE_HALT ? "told to halt"
						  : "told to power off";
	log_info("node %u is %s", n->node.number, n->slave->going);
	writer_u8(message_begin(&msg, MESSAGE_POWER), (uint8_t)value);
	(void)stream_send_writer(&n->slave->stream, &msg.w);
	return 0;
}

/* What a node would not understand is not sent there. */
static bool word_valid(enum message_set what, const char *word)
{
	struct ipaddr address;
	uint16_t port;

	if (what == MESSAGE_SET_RECONNECT)
		return handover_endpoint(word, &address, &port) == 0;
	if (what != MESSAGE_SET_CHROOT)
		return true;
	for (const char *p = word; *p; p++) {
		if (*p < ' ' || *p > '~')
			return false;
	}
	return *word == '/';
}

static int take_set(void *owner, struct reader *r)
{
	struct client *c = owner;
	_cleanup_free_ uint32_t *nodes = NULL;
	char words[MESSAGE_WORDS_MAX] = "";
	const char *word;
	uint8_t what = reader_u8(r);
	uint32_t value = reader_be32(r);
	int error = 0, e;
	size_t n;

	word = reader_cstr(r);
	if (!word || strnlen(word, MESSAGE_ATTRIBUTE_MAX) == MESSAGE_ATTRIBUTE_MAX)
		return -EBADMSG;
	e = message_nodes_read(r, &nodes, &n);
	if (e == 0)
		e = reader_end(r);
	if (e < 0 || what >= MESSAGE_SET_MAX_)
		return e < 0 ? e : -EBADMSG;
	if ((what == MESSAGE_SET_STATE && !message_state_valid(word)) ||
	    (what == MESSAGE_SET_POWER && value >= MESSAGE_POWER_MAX_))
		return -EBADMSG;
	if (!client_is_owner(c))
		return client_answer(c, EPERM,
				     "only root and the user that bpmaster runs as may do this");
	if (!word_valid(what, word))
		return client_answer(c, EINVAL,
				     what == MESSAGE_SET_CHROOT
					     ? "expected an absolute path of printable ASCII"
					     : "expected the other master as ADDRESS[:PORT]");
	for (size_t i = 0; i < n; i++) {
		struct member *node = member_by_number(c->master, nodes[i]);
		int one = ENODEV;

		if (node)
			one = set_one(node, what, value, word, words);
		else
			snprintf(words, sizeof(words), "there is no node %u", nodes[i]);
		error = error ? error : one;
	}
	if (what != MESSAGE_SET_POWER && what != MESSAGE_SET_RECONNECT &&
	    what != MESSAGE_SET_CHROOT) {
		clients_changed(c->master);
		e = settings_save(c->master);
		if (e < 0 && error == 0) {
			error = -e;
			snprintf(words, sizeof(words),
				 "the change is made, but bpmaster cannot keep it over a restart: "
				 "%s",
				 strerror(error));
		}
	}
	return client_answer(c, error, words);
}

static int take_attributes(void *owner, struct reader *r)
{
	struct client *c = owner;
	struct master *m = c->master;
	int e = reader_end(r);

	if (e == 0 && stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0); /* it has not read the last ones */
	for (size_t i = 0; e == 0 && i < m->n_members; i++) {
		struct message_attribute a = { .number = m->members[i]->node.number,
					       .text = m->members[i]->attributes };
		struct message_small msg;

		if (!a.text)
			continue;
		message_attribute_write(message_begin(&msg, MESSAGE_ATTRIBUTE), &a);
		e = stream_send_writer(&c->stream, &msg.w);
	}
	return e < 0 ? e : client_answer(c, 0, "");
}

static int take_ghosts(void *owner, struct reader *r)
{
	struct client *c = owner;
	int e = reader_end(r);

	if (e < 0)
		return e;
	if (stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0);
	jobs_list(c);
	return client_answer(c, 0, "");
}

static int take_watch(void *owner, struct reader *r)
{
	struct client *c = owner;
	int e = reader_end(r);

	if (e < 0)
		return e;
	c->watches = true;
	return client_answer(c, 0, "");
}

static int take_kill(void *owner, struct reader *r)
{
	struct client *c = owner;
	char words[MESSAGE_WORDS_MAX] = "";
	uint32_t pid;
	uint8_t signal;
	int e = message_stopped_read(r, &pid, &signal), error;

	if (e < 0)
		return e;
	error = pid == 0 ? -ESRCH : jobs_kill(c, pid, signal);
	if (error == STREAM_AGAIN)
		return STREAM_AGAIN;
	if (error < 0)
		snprintf(words, sizeof(words),
			 error == -EPERM ? "the process of %u is another user's"
					 : "%u is nobody's ghost",
			 pid);
	return client_answer(c, -error, words);
}

static int take_keys(void *owner, struct reader *r)
{
	struct client *c = owner;
	int e = reader_end(r);

	if (e == 0 && stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0); /* it has not read the last ones */
	if (e == 0)
		e = keys_send(c->master, &c->stream);
	return e < 0 ? e : client_answer(c, 0, "");
}

static int take_enrol(void *owner, struct reader *r)
{
	struct client *c = owner;
	char words[MESSAGE_WORDS_MAX] = "";
	struct message_enrol m;
	int e = message_enrol_read(r, &m);

	if (e < 0)
		return e;
	if (!client_is_owner(c))
		return client_answer(c, EPERM,
				     "only root and the user that bpmaster runs as may do this");
	e = m.what == MESSAGE_ENROL_ACCEPT ? keys_accept(c->master, &m.mac, m.fingerprint, words)
					   : keys_forget(c->master, &m.mac, words);
	return client_answer(c, e, words);
}

/* Every message that a client may send. */
const struct message_take client_takes[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_OPEN] = { CLIENT_NEW, take_open },
	[MESSAGE_LIST] = { CLIENT_OPEN, take_list },
	[MESSAGE_RUN] = { CLIENT_OPEN, take_run },
	[MESSAGE_SET] = { CLIENT_OPEN, take_set },
	[MESSAGE_ATTRIBUTES] = { CLIENT_OPEN, take_attributes },
	[MESSAGE_GHOSTS] = { CLIENT_OPEN, take_ghosts },
	[MESSAGE_WATCH] = { CLIENT_OPEN, take_watch },
	[MESSAGE_PINS] = { CLIENT_OPEN, take_keys },
	[MESSAGE_ENROL] = { CLIENT_OPEN, take_enrol },
	[MESSAGE_KILL] = { CLIENT_OPEN, take_kill },
	[MESSAGE_PIDS] = { CLIENT_OPEN, take_pids },
	[MESSAGE_PROCESSES] = { CLIENT_OPEN, ask_take_processes },
	[MESSAGE_INPUT] = { CLIENT_OPEN, job_take_input },
	[MESSAGE_SIGNAL] = { CLIENT_OPEN, job_take_signal },
	[MESSAGE_OUTPUT_CREDIT] = { CLIENT_OPEN, job_take_output_credit },
	[MESSAGE_ABANDON] = { CLIENT_OPEN, job_take_abandon },
	[MESSAGE_BLOB] = { CLIENT_OPEN, blobs_take_blob },
	[MESSAGE_RESIZE] = { CLIENT_OPEN, job_take_resize },
	[MESSAGE_RESUME] = { CLIENT_OPEN, job_take_resume },
	[MESSAGE_FORKED] = { CLIENT_OPEN, job_take_forked },
	[MESSAGE_CHILD_SIGNAL] = { CLIENT_OPEN, job_take_child_signal },
};
