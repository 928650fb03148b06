/*
 * space-hostile.c - a peer that completes the handshake and then breaks the rules, one at a time
 *
 *   space-hostile slave PORT MASTER.PUB MAC MODE...     connects to bpmaster as a node, once a MODE
 *   space-hostile master PORT MASTER.KEY MODE...        lets bpslave connect, once a MODE
 *
 * Each mode prints one line: "MODE: cut off" when the other side ended the connection, "MODE:
 * alive" when it still answers a ping (as a master) or lets us be for a second (as a slave).
 * Blocking sockets with a deadline. A slave's key is made of its MAC, or of the word in
 * HOSTILE_KEY; HOSTILE_LASTING=1 says that it outlives a boot; HOSTILE_BOOT is the number of that
 * boot.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "space/cipher.h"
#include "wire/masterkey.h"
#include "wire/message.h"
#include "wire/message_children.h"
#include "wire/message_resume.h"

#define FRAME_MAX    (4u << 20)
#define WAIT_MS	     20000 /* until the other side must have closed */
#define QUIET_MS     1500  /* without a close, it lets us be */
#define FLOOD_MS     2000
#define OVERDRAWN    (64 * MESSAGE_WINDOW) /* more than bpsh can grant meanwhile */
#define KEPT_TRIED 4000u /* less than the processes that a node may have */
#define JOBS_TRIED   64u		   /* slots and generations of other nodes' jobs */
#define LENGTH_BYTES 4
#define STORM	     500

struct peer {
	int fd;
	struct cipher receive, send;
	uint8_t frame[FRAME_MAX]; /* last message read */
	size_t n;
	uint32_t job;	  /* of the last START */
	bool slave, mute; /* mute: answers no ping */
};

static struct peer peer;
static struct keypair own; /* of the node that we are */
static struct handshake handshake;

static void die(const char *what)
{
	fprintf(stderr, "space-hostile: %s: %s\n", what, strerror(errno));
	exit(1); /* a test tool: nothing is left behind */
}

/* Wait for bytes. Return: false when the time is over. */
static bool readable(uint64_t end)
{
	uint64_t now = clock_ms(), left = end > now ? end - now : 1;
	struct timeval tv = { .tv_sec = (time_t)(left / 1000),
			      .tv_usec = (suseconds_t)(left % 1000 * 1000 + 1) };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(peer.fd, &set);
	return select(peer.fd + 1, &set, NULL, NULL, &tv) > 0;
}

/* Seal @n bytes into a whole frame. Return: its length. */
static size_t seal(const void *p, size_t n, uint8_t *frame)
{
	struct writer w = WRITER(frame, LENGTH_BYTES);

	writer_be32(&w, (uint32_t)(n + CIPHER_TAG_BYTES));
	memcpy(frame + LENGTH_BYTES, p, n);
	cipher_seal(&peer.send, frame, LENGTH_BYTES, frame + LENGTH_BYTES, n,
		    frame + LENGTH_BYTES + n);
	return LENGTH_BYTES + n + CIPHER_TAG_BYTES;
}

/* Return: 0, or negative errno when the other side has gone. */
static int send_all(const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		ssize_t k = send(peer.fd, at, n, MSG_NOSIGNAL);

		if (k < 0)
			return -errno;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

static int say(const void *p, size_t n)
{
	static uint8_t frame[FRAME_MAX + 64];

	return send_all(frame, seal(p, n, frame));
}

static int say_small(const struct message_small *m)
{
	return say(m->bytes, m->w.len);
}

/* A message of @n zero bytes behind its type. */
static int say_type(uint8_t type, size_t n)
{
	static uint8_t text[FRAME_MAX];

	memset(text, 0, n + 1);
	text[0] = type;
	return say(text, n + 1);
}

static int receive_all(void *p, size_t n, uint64_t end)
{
	uint8_t *at = p;

	while (n > 0) {
		ssize_t k;

		if (!readable(end))
			return -ETIMEDOUT;
		k = recv(peer.fd, at, n, 0);
		if (k <= 0)
			return k < 0 ? -errno : -ECONNRESET;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

/* Read one message. Return: its type, or negative errno. */
static int hear(uint64_t end)
{
	uint8_t frame[LENGTH_BYTES];
	struct reader r = READER(frame, sizeof(frame));
	int e = receive_all(frame, sizeof(frame), end);

	if (e < 0)
		return e;
	peer.n = reader_be32(&r);
	if (peer.n < CIPHER_TAG_BYTES + 1 || peer.n > FRAME_MAX)
		return -EBADMSG;
	e = receive_all(peer.frame, peer.n, end + 1000);
	if (e < 0)
		return e;
	peer.n -= CIPHER_TAG_BYTES;
	e = cipher_open(&peer.receive, frame, sizeof(frame), peer.frame, peer.n,
			peer.frame + peer.n);
	return e < 0 ? e : peer.frame[0];
}

/* Read until a message of @type comes; answer pings. */
static int hear_for(int type, uint64_t ms)
{
	uint64_t end = clock_ms() + ms;
	int e;

	do {
		e = hear(end);
		if (e == MESSAGE_PING && peer.slave && !peer.mute) {
			peer.frame[0] = MESSAGE_PONG;
			(void)say(peer.frame, 9);
		}
		if (e == MESSAGE_START) {
			struct reader r = READER(peer.frame + 1, peer.n - 1);

			peer.job = reader_be32(&r);
		}
	} while (e >= 0 && e != type);
	return e;
}

/* Read until bpslave answers a ping that nothing came before. */
static int hear_answer(uint64_t ms)
{
	const uint64_t stamp = 77;
	uint64_t end = clock_ms() + ms;
	struct message_small m;
	int e;

	writer_be64(message_begin(&m, MESSAGE_PING), stamp);
	(void)say_small(&m);
	for (;;) { /* the mode may have pinged too */
		struct reader r;

		e = hear(end);
		if (e < 0)
			return e;
		r = READER(peer.frame + 1, peer.n - 1);
		if (e == MESSAGE_PONG && reader_be64(&r) == stamp)
			return e;
	}
}

/* Whether the other side ends the connection in time; bpslave instead of an answer. */
static void verdict(const char *mode, uint64_t ms)
{
	int e = peer.slave ? hear_for(MESSAGE_TYPE_MAX_, ms) : hear_answer(ms);

	printf("%s: %s\n", mode, e == -ETIMEDOUT || e >= 0 ? "alive" : "cut off");
	fflush(stdout);
}

static void say_job(enum message_type type, uint32_t job)
{
	struct message_small m;
	struct message_started st = { .job = job, .pid = 1 };
	struct message_exit x = { .job = job, .status = 77 };
	struct message_failed f = {
		.job = job, .error = 5, .how = MESSAGE_NOT_RUN, .words = "hostile"
	};
	struct message_resumed resumed = { .job = job, .flags = MESSAGE_HAS_STARTED };
	struct message_fork fork_ = { .job = job, .token = 1, .title = { "hostile", "" } };
	struct message_child child = {
		.job = job, .pid = 1, .what = MESSAGE_CHILD_ENDED, .title = { "", "" }
	};
	struct message_blob file = { .owner = job };
	struct message_proclist list = { .number = job, .how = MESSAGE_LAST };
	struct writer *w = message_begin(&m, type);

	switch (type) {
	case MESSAGE_WANT:
		writer_be32(w, job);
		writer_be16(w, 1);
		writer_be16(w, MESSAGE_FILES_MAX - 1);
		break;
	case MESSAGE_RESUMED:
		message_resumed_write(w, &resumed);
		break;
	case MESSAGE_STARTED:
		message_started_write(w, &st);
		break;
	case MESSAGE_EXIT:
		message_exit_write(w, &x);
		break;
	case MESSAGE_STOPPED:
		message_stopped_write(w, job, SIGSTOP);
		break;
	case MESSAGE_CONTINUED:
		message_continued_write(w, job, true);
		break;
	case MESSAGE_FAILED:
		message_failed_write(w, &f);
		break;
	case MESSAGE_OUTPUT:
		message_output_write(w, job, 1);
		break;
	case MESSAGE_INPUT_CLOSED:
		writer_be32(w, job);
		break;
	case MESSAGE_FORK:
		message_fork_write(w, &fork_);
		break;
	case MESSAGE_CHILD:
		message_child_write(w, &child);
		break;
	case MESSAGE_FETCHED:
		message_fetched_write(w, &file, 0);
		break;
	case MESSAGE_PROCLIST:
		message_proclist_write(w, &list);
		break;
	case MESSAGE_INPUT_CREDIT:
		message_credit_write(w, job, 0, MESSAGE_WINDOW);
		break;
	default:
		break;
	}
	(void)say_small(&m);
}

static void say_output(uint32_t job, size_t n)
{
	static uint8_t text[MESSAGE_DATA_MAX + 16];
	struct writer w = WRITER(text, sizeof(text));

	writer_u8(&w, MESSAGE_OUTPUT);
	message_output_write(&w, job, 1);
	memset(text + w.len, 'x', n);
	(void)say(text, w.len + n);
}

static void flood(uint8_t type, size_t n)
{
	uint64_t end = clock_ms() + FLOOD_MS;

	while (clock_ms() < end && say_type(type, n) == 0)
		while (readable(0) && hear(clock_ms() + 1000) >= 0)
			;
}

/* As many small messages as the other side takes. */
static void torrent(void)
{
	static uint8_t frames[64 * (LENGTH_BYTES + 9 + CIPHER_TAG_BYTES)];
	const uint8_t pong[9] = { MESSAGE_PONG };
	uint64_t end = clock_ms() + 2 * FLOOD_MS, n = 0;
	size_t at = 0;

	do {
		for (at = 0; at < sizeof(frames); n++)
			at += seal(pong, sizeof(pong), frames + at);
	} while (clock_ms() < end && send_all(frames, sizeof(frames)) == 0);
	printf("torrent: %llu messages\n", (unsigned long long)n);
}

/* A file of our job, which nobody gives, again and again. */
static void wants(void)
{
	static uint8_t text[7 + 2 * MESSAGE_FILES_MAX];
	struct writer w = WRITER(text, sizeof(text));
	uint64_t end = clock_ms() + FLOOD_MS;

	writer_u8(&w, MESSAGE_WANT);
	writer_be32(&w, peer.job);
	writer_be16(&w, MESSAGE_FILES_MAX);
	w.len = sizeof(text); /* all of them number 0 */
	while (clock_ms() < end && say(text, w.len) == 0)
		while (readable(0) && hear(clock_ms() + 1000) >= 0)
			;
}

/* One who comes for a file gets its way, and then a byte a second. */
static void trickle_to(int fd)
{
	uint8_t hello[17];

	if (recv(fd, hello, sizeof(hello), MSG_WAITALL) != (ssize_t)sizeof(hello))
		return;
	printf("trickle: somebody comes\n");
	fflush(stdout);
	for (uint8_t zero = 0; send(fd, &zero, 1, MSG_NOSIGNAL) == 1;)
		usleep(1000000);
	printf("trickle: he has gone\n");
	fflush(stdout);
}

/* Take a file, as a good node does, and say that we have it and give it to others. */
static void trickle(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	socklen_t n = sizeof(at);
	struct message_small m;
	struct message_blob id;
	struct reader r;

	if (door < 0 || bind(door, (struct sockaddr *)&at, n) < 0 || listen(door, 4) < 0 ||
	    getsockname(door, (struct sockaddr *)&at, &n) < 0 ||
	    fcntl(door, F_SETFL, O_NONBLOCK) < 0)
		die("listen");
	writer_be16(message_begin(&m, MESSAGE_PEER), ntohs(at.sin_port));
	(void)say_small(&m);
	if (hear_for(MESSAGE_START, WAIT_MS) < 0)
		die("no start");
	writer_be32(message_begin(&m, MESSAGE_WANT), peer.job);
	writer_be16(&m.w, 1);
	writer_be16(&m.w, 0);
	(void)say_small(&m);
	if (hear_for(MESSAGE_PIECE, WAIT_MS) < 0)
		die("no file");
	r = READER(peer.frame + 1, peer.n - 1);
	id.owner = reader_be32(&r);
	reader_copy(&r, id.hash, sizeof(id.hash));
	message_fetched_write(message_begin(&m, MESSAGE_FETCHED), &id, 0);
	(void)say_small(&m);
	say_job(MESSAGE_STARTED, peer.job);
	while (hear_for(MESSAGE_SERVE, WAIT_MS) >= 0) {
		for (int i = 0; (fd = accept(door, NULL, NULL)) < 0 && i < 100; i++)
			usleep(20000);
		if (fd >= 0 && fork() == 0) {
			trickle_to(fd);
			_exit(0);
		}
		close(fd);
	}
	close(door);
}

/* Messages about jobs of other nodes: each number that the master may have given. */
static void strays(void)
{
	static const enum message_type types[] = { MESSAGE_OUTPUT, MESSAGE_EXIT, MESSAGE_FAILED,
						   MESSAGE_STARTED, MESSAGE_INPUT_CLOSED,
						   MESSAGE_STOPPED, MESSAGE_CONTINUED,
						   MESSAGE_INPUT_CREDIT, MESSAGE_WANT,
						   MESSAGE_RESUMED,	 MESSAGE_FORK,
						   MESSAGE_CHILD,	 MESSAGE_FETCHED };

	for (uint32_t generation = 0; generation < JOBS_TRIED; generation++)
		for (uint32_t slot = 0; slot < JOBS_TRIED; slot++)
			for (size_t i = 0; i < ARRAY_SIZE(types); i++)
				say_job(types[i], generation << 16 | slot);
}

/* Processes that it has not: for who stands for others', each number there may be. */
static void kept(void)
{
	for (uint32_t pid = 1; pid < KEPT_TRIED; pid += MESSAGE_KEPT_MAX) {
		_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
		uint8_t head[2] = { MESSAGE_KEPT, pid == 1 };

		if (buffer_append(&b, head, sizeof(head)) < 0)
			die("memory");
		for (uint32_t i = 0; i < MESSAGE_KEPT_MAX; i++) {
			const struct message_kept k = { .pid = pid + i, .signals = i };
			uint8_t text[MESSAGE_KEPT_BYTES];
			struct writer w = WRITER(text, sizeof(text));

			message_kept_write(&w, &k);
			if (buffer_append(&b, text, w.len) < 0)
				die("memory");
		}
		(void)say(b.data, b.len);
	}
}

/* One rule broken by a registered node. Return: false when there is no such mode. */
static bool slave_mode(const char *mode)
{
	static uint8_t frame[FRAME_MAX + 64];
	uint8_t pong[9] = { MESSAGE_PONG };
	size_t n;

	if (!strcmp(mode, "twice"))
		say_type(MESSAGE_HELLO, 24);
	else if (!strcmp(mode, "client"))
		say_type(MESSAGE_LIST, 0);
	else if (!strcmp(mode, "master"))
		say_type(MESSAGE_POWER, 1);
	else if (!strcmp(mode, "unknown"))
		say_type(200, 8);
	else if (!strcmp(mode, "short"))
		say_type(MESSAGE_PONG, 7);
	else if (!strcmp(mode, "long"))
		say_type(MESSAGE_PONG, 9);
	else if (!strcmp(mode, "oversized"))
		say_type(MESSAGE_RECORD, MESSAGE_RECORD_MAX + 1);
	else if (!strcmp(mode, "huge"))
		(void)send_all("\x7f\xff\xff\xff", 4);
	else if (!strcmp(mode, "megabytes"))
		say_type(MESSAGE_RECORD, 3u << 20);
	else if (!strcmp(mode, "empty"))
		(void)say(pong, 0);
	else if (!strcmp(mode, "records"))
		say_type(MESSAGE_RECORD, 10), say_type(MESSAGE_RECORD, 10);
	else if (!strcmp(mode, "half")) {
		n = seal(pong, 9, frame);
		(void)send_all(frame, n / 2);
		peer.mute = true;
	} else if (!strcmp(mode, "half-closed")) {
		n = seal(pong, 9, frame);
		(void)send_all(frame, n / 2);
		(void)shutdown(peer.fd, SHUT_WR);
	} else if (!strcmp(mode, "forged")) {
		n = seal(pong, 9, frame);
		frame[n - 1] ^= 1;
		(void)send_all(frame, n);
	} else if (!strcmp(mode, "replayed")) {
		n = seal(pong, 9, frame);
		(void)send_all(frame, n);
		(void)send_all(frame, n);
	} else if (!strcmp(mode, "skipped")) {
		peer.send.counter++;
		(void)say(pong, 9);
	} else if (!strcmp(mode, "words"))
		(void)say("\x03\x1b[2Jhello\0", 11);
	else if (!strcmp(mode, "strays"))
		strays();
	else if (!strcmp(mode, "list"))
		say_job(MESSAGE_PROCLIST, 1);
	else if (!strcmp(mode, "kept"))
		kept();
	else if (!strcmp(mode, "pongs"))
		flood(MESSAGE_PONG, 8);
	else if (!strcmp(mode, "torrent"))
		torrent();
	else if (!strcmp(mode, "trickle"))
		trickle();
	else if (!strcmp(mode, "troubles"))
		flood(MESSAGE_TROUBLE, 1);
	else if (strncmp(mode, "job-", 4) != 0)
		return false;
	return true;
}

/* One rule broken about a job that we were given. */
static bool job_mode(const char *mode)
{
	if (hear_for(MESSAGE_START, WAIT_MS) < 0)
		return true;
	if (!strcmp(mode, "job-early"))
		say_output(peer.job, 1);
	else if (!strcmp(mode, "job-exit-early"))
		say_job(MESSAGE_EXIT, peer.job);
	else if (!strcmp(mode, "job-stopped-early"))
		say_job(MESSAGE_STOPPED, peer.job);
	else if (!strcmp(mode, "job-want"))
		say_job(MESSAGE_WANT, peer.job);
	else if (!strcmp(mode, "job-wants"))
		wants();
	else if (!strcmp(mode, "job-resumed"))
		say_job(MESSAGE_RESUMED, peer.job);
	else if (!strcmp(mode, "job-fork"))
		say_job(MESSAGE_FORK, peer.job);
	else if (!strcmp(mode, "job-child"))
		say_job(MESSAGE_CHILD, peer.job);
	else {
		say_job(MESSAGE_STARTED, peer.job);
		if (!strcmp(mode, "job-continued-unasked"))
			say_job(MESSAGE_CONTINUED, peer.job);
		else if (!strcmp(mode, "job-started-twice"))
			say_job(MESSAGE_STARTED, peer.job);
		else if (!strcmp(mode, "job-failed-late"))
			say_job(MESSAGE_FAILED, peer.job);
		else if (!strcmp(mode, "job-closed-twice"))
			say_job(MESSAGE_INPUT_CLOSED, peer.job),
				say_job(MESSAGE_INPUT_CLOSED, peer.job);
		else if (!strcmp(mode, "job-ended-twice"))
			say_output(peer.job, 0), say_output(peer.job, 0);
		else if (!strcmp(mode, "job-credit"))
			say_job(MESSAGE_INPUT_CREDIT, peer.job);
		else if (!strcmp(mode, "job-overdraw"))
			for (size_t sent = 0; sent <= OVERDRAWN; sent += MESSAGE_DATA_MAX)
				say_output(peer.job, MESSAGE_DATA_MAX);
		else
			return false;
	}
	return true;
}

static void load_key(enum masterkey_kind kind, const char *path,
		     uint8_t key[static CIPHER_KEY_BYTES])
{
	_cleanup_buffer_ struct buffer text = BUFFER(MASTERKEY_TEXT_MAX);

	if (file_read(AT_FDCWD, path, &text) < 0 ||
	    masterkey_parse(kind, buffer_str(&text), text.len, key) < 0)
		die(path);
}

static void say_hello(const char *mac)
{
	const char *boot = getenv("HOSTILE_BOOT");
	struct message_small m;
	struct message_hello h = { .version = MESSAGE_VERSION,
				   .boot = boot ? (uint32_t)strtoul(boot, NULL, 16) : 0x66,
				   .uptime_ms = 1000,
				   .release = "hostile",
				   .hostname = "hostile" };

	if (mac_parse(mac, &h.mac) < 0)
		die("MAC");
	message_hello_write(message_begin(&m, MESSAGE_HELLO), &h);
	(void)say_small(&m);
}

/* The key of the machine that we claim to be. */
static void make_key(const char *mac)
{
	const char *word = getenv("HOSTILE_KEY");
	uint8_t secret[CIPHER_KEY_BYTES];

	word = word ? word : mac;
	(void)crypto_generichash(secret, sizeof(secret), (const uint8_t *)word, strlen(word), NULL,
				 0);
	if (keypair_of(secret, &own) < 0)
		die("key");
}

static void slave_open(const struct sockaddr_in *to)
{
	peer.slave = true;
	peer.mute = false;
	peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer.fd < 0 || connect(peer.fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("connect");
}

/* What the last handshake sent. */
static uint8_t greeting[CIPHER_GREETING_BYTES], proof[CIPHER_PROOF_BYTES];

/* Connect and register. Return: type of the answer, or negative errno. */
static int slave_connect(const struct sockaddr_in *to, const uint8_t key[static CIPHER_KEY_BYTES],
			 const char *mac)
{
	uint8_t answer[CIPHER_ANSWER_BYTES];

	slave_open(to);
	if (handshake_greet(&handshake, key, greeting) < 0 ||
	    send_all(greeting, sizeof(greeting)) < 0 ||
	    receive_all(answer, sizeof(answer), clock_ms() + WAIT_MS) < 0 ||
	    handshake_prove(&handshake, &own, getenv("HOSTILE_LASTING") != NULL, answer, proof,
			    &peer.receive, &peer.send) < 0 ||
	    send_all(proof, sizeof(proof)) < 0)
		die("handshake");
	say_hello(mac);
	return hear(clock_ms() + WAIT_MS);
}

/* Who has listened to a handshake says the same again. */
static void replay(const struct sockaddr_in *to)
{
	uint8_t answer[CIPHER_ANSWER_BYTES];

	close(peer.fd);
	slave_open(to);
	if (send_all(greeting, sizeof(greeting)) < 0 ||
	    receive_all(answer, sizeof(answer), clock_ms() + WAIT_MS) < 0 ||
	    send_all(proof, sizeof(proof)) < 0)
		die("replay");
	verdict("replay", WAIT_MS);
}

/* Machines that register one after the other, each with a key of its own: all are refused. */
static void storm(const struct sockaddr_in *to, const uint8_t key[static CIPHER_KEY_BYTES],
		  const char *mac)
{
	unsigned refused = 0;

	for (int i = 0; i < STORM; i++) {
		keypair_make(&own);
		refused += slave_connect(to, key, mac) == MESSAGE_REFUSED;
		close(peer.fd);
	}
	printf("storm: %u of %d refused\n", refused, STORM);
}

static void as_slave(const struct sockaddr_in *to, const char *key_path, const char *mac,
		     const char *mode)
{
	uint8_t key[CIPHER_KEY_BYTES];
	int e;

	load_key(MASTERKEY_PUBLIC, key_path, key);
	make_key(mac);
	if (!strcmp(mode, "storm")) {
		storm(to, key, mac);
		return;
	}
	e = slave_connect(to, key, mac);
	if (!strcmp(mode, "replay")) {
		replay(to);
	} else if (e != MESSAGE_WELCOME) {
		printf("%s: %s\n", mode,
		       e == MESSAGE_REFUSED ? (const char *)peer.frame + 1 : "not welcome");
	} else if (!strcmp(mode, "deaf")) { /* reads nothing, and says that it lives */
		printf("%s: up\n", mode);
		fflush(stdout);
		while (say_type(MESSAGE_PONG, 8) == 0)
			usleep(200000);
		printf("%s: cut off\n", mode);
	} else if (!strcmp(mode, "sit")) { /* a good node, as long as it may be */
		printf("%s: up\n", mode);
		fflush(stdout);
		(void)hear_for(MESSAGE_TYPE_MAX_, 3600000);
	} else if (slave_mode(mode) && (strncmp(mode, "job-", 4) != 0 || job_mode(mode))) {
		bool spared = !strcmp(mode, "strays") || !strcmp(mode, "pongs") ||
			      !strcmp(mode, "troubles") || !strcmp(mode, "torrent") ||
			      !strcmp(mode, "job-wants") || !strcmp(mode, "kept");

		verdict(mode, spared ? QUIET_MS : WAIT_MS);
	} else {
		die(mode);
	}
	close(peer.fd);
}

/* START of `sleep 60` with its output to us, or a broken one. */
static void say_start(uint32_t job, size_t cut)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	char sleep_word[] = "sleep", time_word[] = "60", *argv[] = { sleep_word, time_word, NULL },
	     *env[] = { NULL };
	struct message_spec s = { .umask = 022,
				  .window = 1000,
				  .cwd = "/",
				  .io = { "", "", "" },
				  .argv = argv,
				  .env = env,
				  .n_argv = 2 };
	struct message_credentials who = { .uid = geteuid(), .gid = getegid() };
	uint8_t head[64];
	struct writer w = WRITER(head, sizeof(head));

	writer_u8(&w, MESSAGE_START);
	writer_be32(&w, job);
	writer_be32(&w, 0); /* no ghost */
	writer_be32(&w, 0); /* rank */
	message_key_write(&w, &(struct message_key){ .index = job });
	message_credentials_write(&w, &who);
	if (buffer_append(&b, head, w.len) < 0 || message_spec_write(&b, &s) < 0)
		die("start");
	(void)say(b.data, b.len - cut);
}

static void say_input(uint32_t job, size_t n)
{
	static uint8_t text[MESSAGE_DATA_MAX + 16];
	struct writer w = WRITER(text, sizeof(text));

	writer_u8(&w, MESSAGE_INPUT);
	message_input_write(&w, job, 1);
	(void)say(text, w.len + n);
}

static bool master_mode(const char *mode)
{
	static uint8_t frame[4096];
	struct message_small m;
	size_t n;

	writer_be64(message_begin(&m, MESSAGE_PING), 1);
	if (!strcmp(mode, "unknown"))
		say_type(200, 8);
	else if (!strcmp(mode, "hello"))
		say_type(MESSAGE_HELLO, 24);
	else if (!strcmp(mode, "welcome"))
		say_type(MESSAGE_WELCOME, 11);
	else if (!strcmp(mode, "short"))
		say_type(MESSAGE_PING, 3);
	else if (!strcmp(mode, "huge"))
		(void)send_all("\x7f\xff\xff\xff", 4);
	else if (!strcmp(mode, "power"))
		say_type(MESSAGE_POWER, 1);
	else if (!strcmp(mode, "power-unknown"))
		(void)say("\x09\x63", 2);
	else if (!strcmp(mode, "start-cut"))
		say_start(1, 5);
	else if (!strcmp(mode, "start-garbage"))
		say_type(MESSAGE_START, 1u << 20);
	else if (!strcmp(mode, "groups"))
		(void)say("\x08\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0\0\0", 27);
	else if (!strcmp(mode, "forged")) {
		n = seal(m.bytes, m.w.len, frame);
		frame[n - 1] ^= 1;
		(void)send_all(frame, n);
	} else if (!strcmp(mode, "replayed")) {
		n = seal(m.bytes, m.w.len, frame);
		(void)send_all(frame, n);
		(void)send_all(frame, n);
	} else if (!strcmp(mode, "strays")) {
		say_input(99, 1000);
		message_signal_write(message_begin(&m, MESSAGE_SIGNAL), 99, 1, 9);
		(void)say_small(&m);
		message_credit_write(message_begin(&m, MESSAGE_OUTPUT_CREDIT), 99, 1, 1000);
		(void)say_small(&m);
	} else if (!strcmp(mode, "signal-unknown")) {
		message_signal_write(message_begin(&m, MESSAGE_SIGNAL), 99, 1, 200);
		(void)say_small(&m);
	} else if (!strcmp(mode, "input-overdraw")) {
		say_start(1, 0);
		for (int i = 0; i < 8; i++)
			say_input(1, MESSAGE_DATA_MAX);
	} else if (!strcmp(mode, "credit-overdraw")) {
		say_start(1, 0);
		message_credit_write(message_begin(&m, MESSAGE_OUTPUT_CREDIT), 1, 1,
				     MESSAGE_WINDOW);
		(void)say_small(&m);
		(void)say_small(&m);
	} else if (!strcmp(mode, "pings")) {
		flood(MESSAGE_PING, 8);
		while (hear(clock_ms() + 300) >= 0) /* the answers that are still under way */
			;
	} else if (!strcmp(mode, "half")) {
		n = seal(m.bytes, m.w.len, frame);
		(void)send_all(frame, n / 2);
		(void)shutdown(peer.fd, SHUT_WR);
	} else {
		return false;
	}
	return true;
}

/* Answer the handshake of the next bpslave and hear its hello. */
static void master_accept(int listen_fd, const struct keypair *key)
{
	uint8_t answer[CIPHER_ANSWER_BYTES];
	struct identity node;

	alarm(60); /* it must come again */
	peer.fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer.fd < 0 || receive_all(greeting, sizeof(greeting), clock_ms() + WAIT_MS) < 0 ||
	    handshake_answer(&handshake, key, greeting, answer) < 0 ||
	    send_all(answer, sizeof(answer)) < 0 ||
	    receive_all(proof, sizeof(proof), clock_ms() + WAIT_MS) < 0 ||
	    handshake_check(&handshake, proof, &node, &peer.receive, &peer.send) < 0 ||
	    hear(clock_ms() + WAIT_MS) != MESSAGE_HELLO)
		die("no hello");
}

static void as_master(int listen_fd, const char *key_path, const char *mode)
{
	uint8_t secret[CIPHER_KEY_BYTES];
	struct message_small m;
	struct keypair key;
	struct message_welcome w = {
		.version = MESSAGE_VERSION, .number = 3, .keepalive_ms = 1000, .name = ""
	};

	load_key(MASTERKEY_SECRET, key_path, secret);
	if (keypair_of(secret, &key) < 0)
		die(key_path);
	master_accept(listen_fd, &key);
	if (!strcmp(mode, "version"))
		w.version = 99;
	message_welcome_write(message_begin(&m, MESSAGE_WELCOME), &w);
	if (!strcmp(mode, "before-welcome")) {
		say_start(1, 0);
		verdict(mode, WAIT_MS);
	} else if (!strcmp(mode, "refused-words")) {
		(void)say("\x06\x1b[2J\0", 6);
		verdict(mode, WAIT_MS);
	} else if (!strcmp(mode, "silent")) {
		verdict(mode, WAIT_MS);
	} else {
		(void)say_small(&m);
		if (strcmp(mode, "version") != 0 && !master_mode(mode))
			die(mode);
		verdict(mode, WAIT_MS);
	}
	close(peer.fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	uint32_t port;
	int fd;

	if (argc < 5 || sodium_init() < 0 || parse_u32(argv[2], 1, 65535, &port) < 0)
		return 2;
	at.sin_port = htons((uint16_t)port);
	if (!strcmp(argv[1], "slave")) {
		for (int i = 5; i < argc; i++)
			as_slave(&at, argv[3], argv[4], argv[i]);
		return 0;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0)
		die("listen");
	for (int i = 4; i < argc; i++)
		as_master(fd, argv[3], argv[i]);
	close(fd);
	return 0;
}
