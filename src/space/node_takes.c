/*
 * node_takes.c - what a node is told by its master
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "space/follow.h"
#include "space/node_internal.h"
#include "space/pid1.h"
#include "space/spawn.h"

#define PARTING_MS 1000 /* bpmaster has to close its end of the connection, too */

/* The record of the boot: the last part of it, when it is long. */
static void say_record(struct node *n)
{
	_cleanup_buffer_ struct buffer text = BUFFER(4 * MESSAGE_RECORD_MAX);
	const uint8_t type = MESSAGE_RECORD;
	size_t skip;

	if (file_read(AT_FDCWD, n->config->events, &text) < 0)
		log_debug("no record of the boot at '%s'", n->config->events);
	skip = text.len > MESSAGE_RECORD_MAX ? text.len - MESSAGE_RECORD_MAX : 0;
	(void)stream_send2(&n->stream, &type, 1, text.data ? text.data + skip : NULL,
			   text.len - skip);
}

/* Other nodes may get files here, at the address that leads to the master. */
static void listen_for_peers(struct node *n)
{
	union ip_sock own = { .in6 = { 0 } };
	socklen_t size = sizeof(own);
	struct carries *cs = &n->processes.carries;
	struct message_small m;
	struct ipaddr at;
	uint16_t port;
	int r = getsockname(n->stream.fd, &own.sa, &size) < 0 ? -errno : 0;

	at = ip_sock_host(&own);
	if (r == 0)
		r = peers_open(&cs->peers, n->loop, &at, &port);
	if (r < 0) {
		log_warn(r, "this node gives no files to others");
		return;
	}
	writer_be16(message_begin(&m, MESSAGE_PEER), port);
	node_say(n, &m);
}

static int take_welcome(void *owner, struct reader *r)
{
	struct node *n = owner;
	struct message_small m;
	struct message_welcome w;
	char number[12];
	int e = message_welcome_read(r, &w);

	if (e < 0)
		return e;
	if (w.version != MESSAGE_VERSION) {
		snprintf(n->refusal, sizeof(n->refusal),
			 "bpmaster speaks version %u, this bpslave %u", w.version, MESSAGE_VERSION);
		stream_fail(&n->stream, -EPROTO, n->refusal);
		return -EPROTO;
	}
	snprintf(number, sizeof(number), "%u", w.number);
	if (setenv(SPAWN_NODE, number, 1) < 0)
		return -ENOMEM;
	n->state = NODE_UP;
	n->silence_ms = MIN(MAX(w.keepalive_ms, 1000u), 3600000u) * NODE_SILENCE;
	processes_join(&n->processes, &n->stream, w.orphan_s);
	n->processes.carries.channel = &n->stream;
	stream_frame_max(&n->stream, MESSAGE_BYTES_MAX);
	backoff_reset(&n->backoff);
	n->complaint[0] = 0;
	n->other_until_ms = 0;
	node_timer_set(n, n->silence_ms);
	log_info("up as node %u", w.number);
	say_record(n);
	listen_for_peers(n);
	if (*n->trouble) {
		message_words_write(message_begin(&m, MESSAGE_TROUBLE), MESSAGE_TROUBLE,
				    n->trouble);
		node_say(n, &m);
	}
	return 0;
}

static int take_refused(void *owner, struct reader *r)
{
	struct node *n = owner;
	const char *words;
	int e = message_words_read(r, &words);

	if (e < 0)
		return e;
	snprintf(n->refusal, sizeof(n->refusal), "bpmaster refuses this node: %.200s", words);
	n->backoff.cur_ms = NODE_RETRY_MAX_MS; /* a person has to change something */
	stream_fail(&n->stream, -EACCES, n->refusal);
	return -EACCES;
}

static int take_ping(void *owner, struct reader *r)
{
	struct node *n = owner;
	struct message_small m;
	uint64_t token = reader_be64(r);
	int e = reader_end(r);

	if (e < 0)
		return e;
	writer_be64(message_begin(&m, MESSAGE_PONG), token);
	node_say(n, &m);
	return 0;
}

/* A kernel that goes down closes nothing: do that, and wait until bpmaster knows. */
static void part(struct node *n)
{
	uint64_t now = clock_ms(), end = now + PARTING_MS;
	struct pollfd it;
	uint8_t scrap[512];

	stream_flush(&n->stream);
	it = (struct pollfd){ .fd = n->stream.fd, .events = POLLIN };
	if (shutdown(it.fd, SHUT_WR) < 0)
		return; /* it is closed */
	for (; now < end; now = clock_ms()) {
		ssize_t got = poll(&it, 1, (int)(end - now));

		if (got >= 0)
			got = read(it.fd, scrap, sizeof(scrap));
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}

static int take_power(void *owner, struct reader *r)
{
	struct node *n = owner;
	uint8_t how = reader_u8(r);
	int e = reader_end(r);

	if (e < 0 || how >= MESSAGE_POWER_MAX_)
		return -EBADMSG;
	if (!n->config->first) {
		struct message_small m;

		log_warn(0, "told to reboot, halt or power off, but this bpslave is not the node's "
			    "init: ignoring it");
		message_words_write(
			message_begin(&m, MESSAGE_TROUBLE), MESSAGE_TROUBLE,
			"bpslave is not the node's init and obeys no orders to go down");
		node_say(n, &m);
		return 0;
	}
	log_info("going down: bpmaster says so");
	pid1_end_all();
	part(n);
	return pid1_power(how);
}

static int take_start(void *owner, struct reader *r)
{
	return processes_take_start(&((struct node *)owner)->processes, r);
}

static int take_input(void *owner, struct reader *r)
{
	return processes_take_input(&((struct node *)owner)->processes, r);
}

static int take_signal(void *owner, struct reader *r)
{
	return processes_take_signal(&((struct node *)owner)->processes, r);
}

static int take_credit(void *owner, struct reader *r)
{
	return processes_take_credit(&((struct node *)owner)->processes, r);
}

static int take_abandon(void *owner, struct reader *r)
{
	return processes_take_abandon(&((struct node *)owner)->processes, r);
}

static int take_piece(void *owner, struct reader *r)
{
	return carries_take_piece(&((struct node *)owner)->processes.carries, r);
}

static int take_missing(void *owner, struct reader *r)
{
	return carries_take_missing(&((struct node *)owner)->processes.carries, r);
}

static int take_resize(void *owner, struct reader *r)
{
	return processes_take_resize(&((struct node *)owner)->processes, r);
}

static int take_look(void *owner, struct reader *r)
{
	return processes_take_look(&((struct node *)owner)->processes, r);
}

static int take_nudge(void *owner, struct reader *r)
{
	return processes_take_nudge(&((struct node *)owner)->processes, r);
}

static int take_serve(void *owner, struct reader *r)
{
	struct message_fetch f;
	int e = message_serve_read(r, &f);

	return e < 0 ? e : peers_serve(&((struct node *)owner)->processes.carries.peers, &f);
}

static int take_fetch(void *owner, struct reader *r)
{
	struct message_fetch f;
	int e = message_fetch_read(r, &f);

	return e < 0 ? e : peers_fetch(&((struct node *)owner)->processes.carries.peers, &f);
}

static int take_forked(void *owner, struct reader *r)
{
	return processes_take_forked(&((struct node *)owner)->processes, r);
}

static int take_child_signal(void *owner, struct reader *r)
{
	return processes_take_child_signal(&((struct node *)owner)->processes, r);
}

static int take_claim(void *owner, struct reader *r)
{
	return processes_take_claim(&((struct node *)owner)->processes, r);
}

/* Every message that the master may send. */
const struct message_take node_takes[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_WELCOME] = { NODE_NEW, take_welcome },
	[MESSAGE_REFUSED] = { NODE_NEW, take_refused },
	[MESSAGE_PING] = { NODE_UP, take_ping },
	[MESSAGE_LOOK] = { NODE_UP, take_look },
	[MESSAGE_START] = { NODE_UP, take_start },
	[MESSAGE_POWER] = { NODE_UP, take_power },
	[MESSAGE_INPUT] = { NODE_UP, take_input },
	[MESSAGE_SIGNAL] = { NODE_UP, take_signal },
	[MESSAGE_OUTPUT_CREDIT] = { NODE_UP, take_credit },
	[MESSAGE_ABANDON] = { NODE_UP, take_abandon },
	[MESSAGE_PIECE] = { NODE_UP, take_piece },
	[MESSAGE_MISSING] = { NODE_UP, take_missing },
	[MESSAGE_RECONNECT] = { NODE_UP, node_take_reconnect },
	[MESSAGE_CHROOT] = { NODE_UP, node_take_chroot },
	[MESSAGE_RESIZE] = { NODE_UP, take_resize },
	[MESSAGE_SERVE] = { NODE_UP, take_serve },
	[MESSAGE_FETCH] = { NODE_UP, take_fetch },
	[MESSAGE_CLAIM] = { NODE_UP, take_claim },
	[MESSAGE_NUDGE] = { NODE_UP, take_nudge },
	[MESSAGE_FORKED] = { NODE_UP, take_forked },
	[MESSAGE_CHILD_SIGNAL] = { NODE_UP, take_child_signal },
};
