/*
 * fuzz-master.c - a master, a hostile node that holds valid keys, and a hostile program at its door
 *
 * The input is a sequence of messages, each of which one of the two says, behind the cipher and in
 * frames, as they come: the first byte says whether they have introduced themselves before. Nothing
 * of that ends the master; when both are gone, no job, no queue and no connection of theirs is
 * left. Without a network: sockets of this process, and one turn of the loop a message.
 */
#include <ev.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "space/blobs.h"
#include "space/expected.h"
#include "space/keys.h"
#include "space/master_internal.h"

#define INPUT_MAX 65536
#define TURNS	  3 /* of the loop, for one message: taken, passed on, sent */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The end that is ours. */
struct peer {
	int fd;
	bool sealed;
	struct cipher send;
};

static const struct mac own = { { 0x52, 0x54, 0, 0, 0, 1 } };
static struct ev_loop *loop;
static char dir[64], door[96];

static void quiet(enum log_level level, const char *line)
{
}

static void turn(struct peer peers[static 2])
{
	uint8_t rest[65536];

	for (int i = 0; i < TURNS; i++) {
		ev_run(loop, EVRUN_NOWAIT);
		for (int k = 0; k < 2; k++) {
			while (peers[k].fd >= 0 &&
			       recv(peers[k].fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
				;
		}
	}
}

static void say(struct peer *p, const uint8_t *text, size_t n)
{
	uint8_t frame[4 + 65536 + CIPHER_TAG_BYTES];
	struct writer w = WRITER(frame, 4);
	size_t tag = p->sealed ? CIPHER_TAG_BYTES : 0;

	writer_be32(&w, (uint32_t)(n + tag));
	memcpy(frame + 4, text, n);
	if (p->sealed)
		cipher_seal(&p->send, frame, 4, frame + 4, n, frame + 4 + n);
	if (p->fd >= 0)
		(void)send(p->fd, frame, 4 + n + tag, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Connect to a socket that the master listens on. */
static int join(int listen_fd)
{
	struct sockaddr_storage at = { 0 };
	socklen_t n = sizeof(at);
	int fd;

	if (getsockname(listen_fd, (struct sockaddr *)&at, &n) < 0)
		abort();
	fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, n) < 0)
		abort();
	return fd;
}

static ssize_t hear(int fd, void *to, size_t n)
{
	for (int i = 0; i < 100; i++) {
		ssize_t r;

		ev_run(loop, EVRUN_NOWAIT);
		r = recv(fd, to, n, MSG_DONTWAIT);
		if (r > 0)
			return r;
	}
	return -1;
}

static void shake(struct peer *p, const struct master *m)
{
	static const uint8_t secret[CIPHER_KEY_BYTES] = { 9 };
	uint8_t greeting[CIPHER_GREETING_BYTES], answer[CIPHER_ANSWER_BYTES],
		proof[CIPHER_PROOF_BYTES];
	struct handshake h;
	struct keypair key;
	struct cipher receive;

	if (keypair_of(secret, &key) < 0 || handshake_greet(&h, m->key.public, greeting) < 0 ||
	    send(p->fd, greeting, sizeof(greeting), MSG_NOSIGNAL) < 0 ||
	    hear(p->fd, answer, sizeof(answer)) != sizeof(answer) ||
	    handshake_prove(&h, &key, true, answer, proof, &receive, &p->send) < 0 ||
	    send(p->fd, proof, sizeof(proof), MSG_NOSIGNAL) < 0)
		abort();
	p->sealed = true;
}

static void introduce(struct peer peers[static 2])
{
	struct message_small m;
	const struct message_hello h = {
		.version = MESSAGE_VERSION, .mac = own, .boot = 7, .release = "r", .hostname = "h"
	};

	message_hello_write(message_begin(&m, MESSAGE_HELLO), &h);
	say(&peers[0], m.bytes, m.w.len);
	writer_be16(message_begin(&m, MESSAGE_OPEN), MESSAGE_VERSION);
	say(&peers[1], m.bytes, m.w.len);
	turn(peers);
}

/* Of each message: who says it and how long it is (2 bytes), and its bytes. */
static void play(struct peer peers[static 2], const uint8_t *data, size_t size)
{
	struct reader r = READER(data, size);

	while (r.left >= 3) {
		size_t who = reader_u8(&r) & 1, n = MIN((size_t)reader_be16(&r), r.left);
		const uint8_t *text = reader_bytes(&r, n);

		if (n > 0)
			say(&peers[who], text, n);
		turn(peers);
	}
}

static void prepare(void)
{
	snprintf(dir, sizeof(dir), "/tmp/fuzz-master-%d", getpid());
	snprintf(door, sizeof(door), "%s/sock", dir);
	if (path_mkdirs(AT_FDCWD, dir, 0700) < 0)
		abort();
	loop = ev_loop_new(EVBACKEND_POLL);
	log_set_sink(quiet);
	signal(SIGPIPE, SIG_IGN);
	if (!loop || sodium_init() < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct master_node listed[2] = { { .number = 0, .mac = own },
					 { .number = 1, .mac = { { 0x52, 0x54, 0, 0, 0, 2 } } } };
	struct in_addr here = { htonl(INADDR_LOOPBACK) };
	const struct master_config c = { .address = ip_from_v4(here),
					 .state = dir,
					 .socket = door,
					 .enrol = MASTER_ENROL_FIRST,
					 .keepalive_ms = 3600000,
					 .nodes = { .list = listed, .n = 2 } };
	struct master m = { .config = &c,
			    .listen_fd = FD_NONE,
			    .watch_fd = FD_NONE,
			    .lock_fd = FD_NONE,
			    .door_fd = FD_NONE,
			    .log_fd = FD_NONE,
			    .boots_dirfd = FD_NONE,
			    .spare_fd = FD_NONE };
	struct peer peers[2] = { { FD_NONE }, { FD_NONE } };
	static const uint8_t secret[CIPHER_KEY_BYTES] = { 1 };

	if (size < 2 || size > INPUT_MAX)
		return 0;
	if (!loop)
		prepare();
	m.loop = loop;
	(void)unlink(door);
	if (keypair_of(secret, &m.key) < 0 || door_open(&m) < 0 || keys_load(&m) < 0 ||
	    members_load(&m, &c.nodes) < 0 || expected_load(&m) < 0 || slaves_open(&m) < 0)
		abort();
	jobs_open(&m);
	peers[0].fd = join(m.listen_fd);
	peers[1].fd = join(m.door_fd);
	shake(&peers[0], &m);
	if (data[0] & 1)
		introduce(peers);
	play(peers, data + 1, size - 1);
	for (int k = 0; k < 2; k++)
		fd_close(TAKE_FD(peers[k].fd));
	for (int i = 0; i < 64 && (m.n_clients || m.n_pending || m.n_jobs || m.slaves_queued); i++)
		ev_run(loop, EVRUN_NOWAIT);
	ev_invoke(loop, &m.patience, EV_TIMER); /* the time is over for nodes to come back */
	if (m.n_clients || m.n_pending || m.n_jobs || m.slaves_queued)
		abort();
	ev_timer_stop(loop, &m.patience);
	ev_timer_stop(loop, &m.keys.saving); /* nothing is kept */
	ev_timer_stop(loop, &m.expected.saving);
	ev_timer_stop(loop, &m.expected.patience);
	ev_timer_stop(loop, &m.expected.resume);
	blobs_close(&m);
	jobs_close(&m);
	door_close(&m);
	slaves_close(&m);
	members_close(&m);
	groups_close(&m);
	events_close(&m);
	settings_close(&m);
	keys_close(&m);
	return 0;
}
