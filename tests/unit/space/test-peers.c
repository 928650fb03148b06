/*
 * test-peers.c - a file goes from node to node over IPv4 and IPv6, hidden both ways, and nobody
 * without a ticket gets a byte
 *
 * Both nodes are this process, in one loop, each with a cache of its own; what they would tell
 * their master comes out of a socket. The whole runs once more as a processor without AES for
 * counter mode.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "space/aes_ctr.h"
#include "space/carry.h"

#define LIMIT	   (64u << 20)
#define PATIENCE   20000u /* ms, of a machine that is busy */
#define NO_ANSWER  UINT32_MAX
#define AS_ANOTHER "as-another"

struct node {
	struct carries carries;
	struct stream channel;
	int master; /* the other end of it */
	uint16_t port;
};

static char dir[] = "/tmp/test-peers-XXXXXX";
static struct ev_loop *loop;
static struct node sender, receiver;

static int no_message(struct stream *s, const uint8_t *p, size_t n)
{
	return -EPROTO;
}

static void closed(struct stream *s, int err, const char *why)
{
	fail_msg("a connection ended: %s", why ? why : "");
}

static const struct stream_calls calls = { .message = no_message, .close = closed };

static int node_open(struct node *n, const struct ipaddr *at)
{
	char words[MESSAGE_WORDS_MAX];
	int ends[2], r;

	*n = (struct node){ .carries = { .dir = dir, .limit = LIMIT } };
	n->carries.peers.carries = &n->carries;
	r = peers_open(&n->carries.peers, loop, at, &n->port);
	if (r < 0)
		return r;
	assert_int_equal(cache_open(dir, LIMIT, &n->carries.cache, words), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	stream_init(&n->channel, loop, ends[0], &calls, n, MESSAGE_BYTES_MAX);
	n->carries.channel = &n->channel;
	n->master = ends[1];
	return 0;
}

static void node_close(struct node *n)
{
	carries_close(&n->carries);
	stream_deinit(&n->channel);
	close(n->master);
}

/* Both, at @text. Return: false when this machine has no such address. */
static bool begin(const char *text, struct ipaddr *ret)
{
	assert_int_equal(ip_parse(text, ret), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(loop);
	if (node_open(&sender, ret) == 0) {
		assert_int_equal(node_open(&receiver, ret), 0);
		return true;
	}
	ev_loop_destroy(loop);
	return false;
}

static void end(void)
{
	node_close(&sender);
	node_close(&receiver);
	ev_loop_destroy(loop);
}

/* Bytes of their own for each @seed. */
static struct message_blob make_file(uint8_t seed, size_t n, uint8_t **ret)
{
	struct message_blob id = { .owner = MESSAGE_EVERYONE };
	uint8_t *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed + i * 7 + i / 251);
	file_hash(p, n, id.hash);
	*ret = p;
	return id;
}

static void put(struct node *n, const struct message_blob *id, const uint8_t *p, size_t bytes)
{
	struct cache_blob *b;
	int r = 0;

	assert_int_equal(cache_expect(n->carries.cache, id, bytes, &b), 0);
	for (size_t done = 0, room; r == 0; done += room) {
		uint8_t *to = cache_room(b, &room);

		memcpy(to, p + done, room);
		r = cache_filled(n->carries.cache, b, room);
	}
	assert_int_equal(r, 1);
}

static struct message_fetch fetch_of(const struct message_blob *id, const struct ipaddr *at)
{
	struct message_fetch f = { .blob = *id, .address = *at, .port = sender.port };

	randombytes_buf(f.key, sizeof(f.key));
	return f;
}

/* Wait for what the receiver tells its master. Return: the errno of it. */
static uint32_t answer(const struct message_blob *id, unsigned patience_ms)
{
	uint64_t until = clock_ms() + patience_ms;
	uint8_t text[128];
	size_t n = 0;

	while (clock_ms() < until) {
		struct reader r;
		struct message_blob of;
		uint32_t size, error;
		ssize_t got;

		ev_run(loop, EVRUN_NOWAIT);
		got = recv(receiver.master, text + n, sizeof(text) - n, MSG_DONTWAIT);
		n += got > 0 ? (size_t)got : 0;
		r = READER(text, n);
		size = reader_be32(&r);
		if (r.err || r.left < size)
			continue;
		assert_int_equal(reader_u8(&r), MESSAGE_FETCHED);
		assert_int_equal(message_fetched_read(&r, &of, &error), 0);
		assert_memory_equal(of.hash, id->hash, sizeof(of.hash));
		return error;
	}
	return NO_ANSWER;
}

static void check_whole(const struct message_blob *id, const uint8_t *want, size_t n)
{
	struct cache_blob *b = cache_find(receiver.carries.cache, id);
	_cleanup_close_ int fd =
		b && b->here ? cache_blob_open(receiver.carries.cache, b) : FD_NONE;
	_cleanup_free_ uint8_t *got = malloc(n + 1);
	size_t read;

	assert_true(fd >= 0 && got);
	assert_int_equal(fd_read_full(fd, got, n + 1, &read), 0);
	assert_int_equal(read, n);
	assert_memory_equal(got, want, n);
}

static void transfers(const char *text)
{
	static const size_t sizes[] = { 1, 65535, 65536, 65537, 524288, 3000001 };
	struct ipaddr at;

	if (!begin(text, &at)) {
		print_message("# no address %s on this machine\n", text);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ uint8_t *p = NULL;
		struct message_blob id = make_file((uint8_t)i, sizes[i], &p);
		struct message_fetch f = fetch_of(&id, &at);
		struct cache_blob *b;

		put(&sender, &id, p, sizes[i]);
		assert_int_equal(cache_expect(receiver.carries.cache, &id, sizes[i], &b), 0);
		/* either of them hears of it first */
		if (i % 2)
			assert_int_equal(peers_serve(&sender.carries.peers, &f), 0);
		assert_int_equal(peers_fetch(&receiver.carries.peers, &f), 0);
		for (int k = 0; k < 20; k++)
			ev_run(loop, EVRUN_NOWAIT);
		if (i % 2 == 0)
			assert_int_equal(peers_serve(&sender.carries.peers, &f), 0);
		assert_int_equal(answer(&id, PATIENCE), 0);
		check_whole(&id, p, sizes[i]);
		/* a ticket is good once */
		assert_int_equal(sender.carries.peers.n_tickets, 0);
	}
	end();
}

static void test_over_ip4(void **state)
{
	transfers("127.0.0.1");
}

static void test_over_ip6(void **state)
{
	transfers("::1");
}

/* Another key than the one that was announced: nothing comes, and the caller is told so. */
static void test_no_ticket_no_file(void **state)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct message_blob id = make_file(1, 300000, &p);
	struct message_fetch f, other;
	struct cache_blob *b;
	struct ipaddr at;

	assert_true(begin("127.0.0.1", &at));
	put(&sender, &id, p, 300000);
	assert_int_equal(cache_expect(receiver.carries.cache, &id, 300000, &b), 0);
	f = fetch_of(&id, &at), other = fetch_of(&id, &at);
	assert_int_equal(peers_serve(&sender.carries.peers, &f), 0);
	assert_int_equal(peers_fetch(&receiver.carries.peers, &other), 0);
	assert_int_not_equal(answer(&id, PATIENCE), 0);
	assert_false(b->here);
	assert_int_equal(b->filled, 0);
	assert_int_equal(sender.carries.peers.n_tickets, 1); /* it waits for its own */
	end();
}

/* The sender has other bytes under that name: they are not taken for the file. */
static void test_other_bytes_are_refused(void **state)
{
	_cleanup_free_ uint8_t *p = NULL, *q = NULL;
	struct message_blob id = make_file(2, 400000, &p), other = make_file(3, 400000, &q);
	struct message_fetch f;
	struct cache_blob *b, *theirs;
	struct ipaddr at;

	assert_true(begin("127.0.0.1", &at));
	put(&sender, &other, q, 400000);
	theirs = cache_find(sender.carries.cache, &other);
	assert_non_null(theirs);
	assert_int_equal(cache_expect(receiver.carries.cache, &id, 400000, &b), 0);
	f = fetch_of(&id, &at);
	f.blob = other; /* what the sender is told */
	assert_int_equal(peers_serve(&sender.carries.peers, &f), 0);
	f.blob = id;
	assert_int_equal(peers_fetch(&receiver.carries.peers, &f), 0);
	assert_int_equal(answer(&id, PATIENCE), EBADMSG);
	assert_false(b->here);
	assert_int_equal(b->filled, 0); /* and the next one begins at the beginning */
	end();
}

static void test_as_another_processor(void **state)
{
	int status = 0;
	pid_t pid;

	if (!aes_ctr_known())
		return;
	pid = fork();
	if (pid == 0) {
		(void)setenv("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-SSSE3,-AVX512F", 1);
		execl("/proc/self/exe", "test-peers", AS_ANOTHER, NULL);
		_exit(1);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
}

/* The same without a word to the runner of the tests. */
static int as_another(void)
{
	if (aes_ctr_known())
		return 2;
	transfers("127.0.0.1");
	transfers("::1");
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_ip4),
		cmocka_unit_test(test_over_ip6),
		cmocka_unit_test(test_no_ticket_no_file),
		cmocka_unit_test(test_other_bytes_are_refused),
		cmocka_unit_test(test_as_another_processor),
	};
	int r;

	if (sodium_init() < 0 || !mkdtemp(dir) || chmod(dir, 0711) < 0)
		return 1;
	r = argc > 1 && !strcmp(argv[1], AS_ANOTHER) ? as_another()
						     : cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(dir);
	return r;
}
