/*
 * test-pairs.c - bpmaster pairs nodes that have a file with nodes that want it: senders double, one
 * that fails is dropped, its receivers are adopted, a lost node holds nobody up
 *
 * The nodes are played here, behind sockets: they answer when the test says so, and no time passes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "net/file_hash.h"
#include "space/blobs.h"
#include "space/jobs_internal.h"

#define NODES_MAX 64u
#define BYTES	  (600u << 10) /* above BLOBS_PEER_MIN */
#define PORT	  1000u	       /* node i gives files at PORT + i */
#define NOBODY	  (-1)
#define MASTER	  (-2)

/* A node as the test plays it. */
struct played {
	struct slave slave;
	struct member member;
	struct job job;
	int fd; /* its end of the connection */
	uint64_t got;
	int from;	  /* whose file is on its way here: a node, MASTER or NOBODY */
	unsigned serving; /* transfers that it was told of and that are not over */
	unsigned asked;	  /* of all */
	bool has, broken, deaf, lost, given_up;
};

static struct master m;
static struct client client;
static struct job *jobs[NODES_MAX];
static struct played *nodes;
static size_t n_nodes;
static int client_fd;
static uint8_t file[BYTES];
static struct message_blob id;
static struct manifest *manifest;
static unsigned n_wanted;

static int no_message(struct stream *s, const uint8_t *p, size_t n)
{
	return -EPROTO;
}

static void drained(struct stream *s)
{
	blobs_drained(s->owner);
}

static void closed(struct stream *s, int err, const char *why)
{
	fail_msg("a connection ended: %s", why ? why : "");
}

static const struct stream_calls slave_calls = { .message = no_message,
						 .drained = drained,
						 .close = closed };
static const struct stream_calls client_calls = { .message = no_message, .close = closed };

static int connect_to(struct stream *s, const struct stream_calls *calls, void *owner)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	stream_init(s, m.loop, ends[0], calls, owner, MESSAGE_BYTES_MAX);
	return ends[1];
}

/* Have @n nodes want the file of one job. */
static void begin(size_t n)
{
	struct message_file f = { .bytes = BYTES, .path = "/opt/program" };
	struct message_spec spec = { .files = &f, .n_files = 1 };

	for (size_t i = 0; i < BYTES; i++)
		file[i] = (uint8_t)(i * 13 + i / 4096);
	file_hash(file, BYTES, f.hash);
	memset(&m, 0, sizeof(m));
	m.loop = ev_loop_new(EVFLAG_AUTO);
	m.jobs = jobs;
	m.jobs_cap = NODES_MAX;
	manifest = manifest_new(&spec, 0);
	id = manifest->files[0].id;
	memset(&client, 0, sizeof(client));
	client.master = &m;
	client.jobs = jobs;
	client.jobs_cap = NODES_MAX;
	client_fd = connect_to(&client.stream, &client_calls, &client);
	n_nodes = n;
	n_wanted = 0;
	nodes = calloc(n, sizeof(*nodes));
	assert_non_null(nodes);
	for (size_t i = 0; i < n; i++) {
		struct played *p = &nodes[i];

		p->fd = connect_to(&p->slave.stream, &slave_calls, &p->slave);
		p->from = NOBODY;
		p->slave.master = &m;
		p->slave.member = &p->member;
		p->member.node.number = (uint32_t)i;
		p->slave.peer_port = (uint16_t)(PORT + i);
		p->slave.from = (struct ipaddr){ .family = AF_INET };
		p->job = (struct job){ .id = (uint32_t)i,
				       .number = (uint32_t)i,
				       .client = &client,
				       .slave = &p->slave,
				       .manifest = manifest };
		jobs[i] = &p->job;
	}
}

static void end(void)
{
	blobs_close(&m);
	for (size_t i = 0; i < n_nodes; i++) {
		stream_deinit(&nodes[i].slave.stream);
		close(nodes[i].fd);
		jobs[i] = NULL;
	}
	stream_deinit(&client.stream);
	close(client_fd);
	manifest_put(manifest);
	ev_loop_destroy(m.loop);
	free(nodes);
}

static void node_wants(size_t i)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_SMALL_MAX);
	const uint16_t number = 0;
	struct reader r;

	assert_int_equal(message_want_write(&b, nodes[i].job.id, &number, 1), 0);
	r = READER(b.data + 1, b.len - 1);
	assert_int_equal(blobs_take_want(&nodes[i].slave, &r), 0);
}

/* What node @i says of the transfer to it. */
static void node_says(size_t i, uint32_t error)
{
	struct message_small msg;
	struct reader r;

	if (nodes[i].from >= 0)
		nodes[nodes[i].from].serving--;
	nodes[i].from = NOBODY;
	nodes[i].has = error == 0;
	message_fetched_write(message_begin(&msg, MESSAGE_FETCHED), &id, error);
	r = READER(msg.bytes + 1, msg.w.len - 1);
	assert_int_equal(blobs_take_fetched(&nodes[i].slave, &r), 0);
}

/* The program gives the file. */
static void give(void)
{
	struct message_small msg;
	struct reader r;
	int fd = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0 && fd_write_all(fd, file, BYTES) == 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	client.stream.fds[client.stream.n_fds++] = fd;
	message_given_write(message_begin(&msg, MESSAGE_BLOB), 0, 0, 0);
	r = READER(msg.bytes + 1, msg.w.len - 1);
	assert_int_equal(blobs_take_blob(&client, &r), 0);
}

static void take_piece(size_t i, struct reader *r)
{
	struct message_blob which;
	uint64_t offset;

	assert_int_equal(message_piece_read(r, &which, &offset), 0);
	assert_memory_equal(which.hash, id.hash, sizeof(id.hash));
	assert_int_equal(offset, nodes[i].got);
	assert_memory_equal(r->p, file + offset, r->left);
	assert_true(nodes[i].from == NOBODY || nodes[i].from == MASTER);
	nodes[i].from = MASTER;
	nodes[i].got += r->left;
}

static void take(size_t i, const uint8_t *p, size_t n)
{
	struct reader r = READER(p + 1, n - 1);
	struct message_fetch f;

	switch (p[0]) {
	case MESSAGE_PIECE:
		take_piece(i, &r);
		break;
	case MESSAGE_SERVE:
		assert_int_equal(message_serve_read(&r, &f), 0);
		assert_true(nodes[i].has);
		assert_int_equal(nodes[i].serving, 0); /* one after the other */
		nodes[i].serving++;
		nodes[i].asked++;
		break;
	case MESSAGE_FETCH:
		assert_int_equal(message_fetch_read(&r, &f), 0);
		assert_true(f.port >= PORT && f.port < PORT + n_nodes);
		assert_int_equal(nodes[i].from, NOBODY);
		nodes[i].from = f.port - (int)PORT;
		assert_int_not_equal(nodes[i].from, i);
		break;
	case MESSAGE_MISSING:
		nodes[i].given_up = true;
		break;
	default:
		fail_msg("node %zu was sent a message of type %u", i, p[0]);
	}
}

/* Read what came by a connection, message by message. Return: whether anything did. */
static bool read_all(int fd, size_t node)
{
	static uint8_t held[4 << 20];
	static struct buffer rest[NODES_MAX + 1];
	struct buffer *b = &rest[node];
	ssize_t n = recv(fd, held, sizeof(held), MSG_DONTWAIT);

	if (n <= 0)
		return false;
	b->max = sizeof(held);
	assert_int_equal(buffer_append(b, held, (size_t)n), 0);
	for (;;) {
		struct reader r = READER(b->data, b->len);
		size_t size = reader_be32(&r);

		if (r.err || r.left < size)
			break;
		if (node < n_nodes) {
			take(node, b->data + 4, size);
		} else {
			assert_int_equal(b->data[4], MESSAGE_WANTED);
			n_wanted++;
		}
		buffer_consume(b, 4 + size);
	}
	if (b->len == 0)
		buffer_clear(b);
	return true;
}

/* All that is under way arrives. */
static void settle(void)
{
	bool any = true;

	ev_timer_stop(m.loop, &m.sweep); /* it looks at the clock */
	for (int quiet = 0; quiet < 2; quiet = any ? 0 : quiet + 1) {
		ev_run(m.loop, EVRUN_NOWAIT);
		any = read_all(client_fd, n_nodes);
		for (size_t i = 0; i < n_nodes; i++)
			any = (!nodes[i].lost && read_all(nodes[i].fd, i)) || any;
	}
}

/* Every transfer that has begun ends, for all at the same time. Return: how many nodes have it. */
static size_t round_of_transfers(void)
{
	bool ends[NODES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < n_nodes; i++)
		ends[i] = nodes[i].from >= 0 || (nodes[i].from == MASTER && nodes[i].got == BYTES);
	for (size_t i = 0; i < n_nodes; i++) {
		int from = nodes[i].from;

		if (!ends[i] || nodes[i].lost)
			continue;
		nodes[i].got = 0;
		if (nodes[i].deaf)
			node_says(i, EILSEQ);
		else
			node_says(i, from >= 0 && (nodes[from].broken || nodes[from].lost)
					     ? ETIMEDOUT
					     : 0);
	}
	settle();
	for (size_t i = 0; i < n_nodes; i++)
		n += nodes[i].has;
	return n;
}

static void start(size_t n)
{
	begin(n);
	for (size_t i = 0; i < n; i++)
		node_wants(i);
	settle();
	assert_int_equal(n_wanted, 1); /* however many want it */
	give();
	settle();
}

static void test_senders_double(void **state)
{
	static const size_t has[] = { 2, 6, 14, 30, 62, 64 };

	start(64);
	for (size_t i = 0; i < ARRAY_SIZE(has); i++)
		assert_int_equal(round_of_transfers(), has[i]);
	for (size_t i = 0; i < n_nodes; i++) {
		assert_int_equal(nodes[i].serving, 0);
		assert_false(nodes[i].given_up);
	}
	assert_int_equal(n_wanted, 1);
	end();
}

static void test_one_node_needs_no_other(void **state)
{
	start(1);
	assert_int_equal(nodes[0].from, MASTER);
	assert_int_equal(round_of_transfers(), 1);
	end();
}

static void test_a_node_that_gives_nothing_is_not_asked(void **state)
{
	begin(8);
	for (size_t i = 0; i < 8; i += 2)
		nodes[i].slave.peer_port = 0;
	for (size_t i = 0; i < 8; i++)
		node_wants(i);
	settle();
	give();
	settle();
	for (int i = 0; i < 8 && round_of_transfers() < 8; i++)
		;
	for (size_t i = 0; i < 8; i++) {
		assert_true(nodes[i].has);
		assert_true(i % 2 || nodes[i].asked == 0);
	}
	end();
}

/* Whoever gets it first gives nothing on: it is asked once, and the others get it elsewhere. */
static void test_a_sender_that_fails_is_dropped(void **state)
{
	size_t first = NODES_MAX, n = 0;

	start(32);
	for (size_t i = 0; i < n_nodes; i++) {
		if (nodes[i].from == MASTER && first == NODES_MAX)
			first = i;
	}
	assert_true(first < n_nodes);
	nodes[first].broken = true;
	for (int i = 0; i < 12 && n < n_nodes; i++)
		n = round_of_transfers();
	assert_int_equal(n, n_nodes);
	assert_int_equal(nodes[first].asked, 1);
	for (size_t i = 0; i < n_nodes; i++)
		assert_false(nodes[i].given_up);
	end();
}

/* Half of all fail as senders: every receiver has it in the end, from somebody or from the master.
 */
static void test_many_that_fail(void **state)
{
	size_t n = 0;

	start(48);
	for (size_t i = 0; i < n_nodes; i += 2)
		nodes[i].broken = true;
	for (int i = 0; i < 40 && n < n_nodes; i++)
		n = round_of_transfers();
	assert_int_equal(n, n_nodes);
	for (size_t i = 0; i < n_nodes; i += 2)
		assert_true(nodes[i].asked <= 1);
	end();
}

/* A node that never gets it right is given up, and nobody waits for it. */
static void test_a_receiver_that_fails_is_given_up(void **state)
{
	size_t n = 0;

	start(8);
	nodes[5].deaf = true;
	for (int i = 0; i < 40 && !(nodes[5].given_up && n == 7); i++)
		n = round_of_transfers();
	assert_true(nodes[5].given_up);
	assert_int_equal(n, 7);
	end();
}

static void lose(size_t i)
{
	nodes[i].lost = true;
	blobs_slave_lost(&nodes[i].slave);
	nodes[i].slave.stream.over = true;
}

/* Nodes are lost while they send and while they receive. */
static void test_lost_nodes(void **state)
{
	size_t n = 0, sender = NODES_MAX, receiver = NODES_MAX;
	unsigned asked;

	start(32);
	assert_int_equal(round_of_transfers(), 2);
	assert_int_equal(round_of_transfers(), 6);
	for (size_t i = 0; i < n_nodes; i++) {
		if (nodes[i].serving > 0 && sender == NODES_MAX)
			sender = i;
		else if (nodes[i].from >= 0 && (size_t)nodes[i].from != sender)
			receiver = i;
	}
	assert_true(sender < n_nodes && receiver < n_nodes);
	nodes[nodes[receiver].from].serving--; /* it sees the connection break */
	lose(sender);
	lose(receiver);
	asked = nodes[sender].asked;
	settle();
	for (int i = 0; i < 20 && n < n_nodes - 1; i++)
		n = round_of_transfers();
	for (size_t i = 0; i < n_nodes; i++)
		assert_true(nodes[i].has || i == receiver);
	assert_int_equal(nodes[sender].asked, asked);
	end();
}

/* A node that comes late gets it from one that has it, and the program is not asked again. */
static void test_a_late_node(void **state)
{
	begin(4);
	for (size_t i = 0; i < 3; i++)
		node_wants(i);
	settle();
	give();
	settle();
	while (round_of_transfers() < 3)
		;
	node_wants(3);
	settle();
	assert_true(nodes[3].from >= 0);
	assert_int_equal(round_of_transfers(), 4);
	assert_int_equal(n_wanted, 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders_double),
		cmocka_unit_test(test_one_node_needs_no_other),
		cmocka_unit_test(test_a_node_that_gives_nothing_is_not_asked),
		cmocka_unit_test(test_a_sender_that_fails_is_dropped),
		cmocka_unit_test(test_many_that_fail),
		cmocka_unit_test(test_a_receiver_that_fails_is_given_up),
		cmocka_unit_test(test_lost_nodes),
		cmocka_unit_test(test_a_late_node),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
