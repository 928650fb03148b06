/*
 * udp-relay.c - a bad network: TFTP through a relay that loses, repeats, swaps and delays datagrams
 *
 * usage: udp-relay LISTEN-ADDRESS:PORT SERVER-ADDRESS:PORT [--loss PER-MILLE] [--duplicate
 * PER-MILLE]
 *                  [--swap PER-MILLE] [--delay MICROSECONDS] [--rate BYTES-A-SECOND] [--seed N]
 *
 * Each client's request begins a session with two sockets: one towards the client, from a port of
 * its own as a server's transfer id is, and one towards the server, whose own transfer id is learnt
 * from its first answer. Prints "ready" and runs until killed. The same seed makes the same choices
 * in the same order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/lang.h"
#include "base/parse.h"

#define SESSIONS_MAX 512
#define PACKET_MAX   65536

struct session {
	int to_client, to_server;
	struct ev_io client_io, server_io;
	struct sockaddr_in client, server;
	int learnt; /* the server's transfer id is known */
};

/* A datagram on its way. */
struct flight {
	struct ev_timer timer;
	int fd;
	struct sockaddr_in to;
	size_t n;
	uint8_t data[];
};

static struct {
	struct ev_loop *loop;
	int listen;
	struct sockaddr_in listen_at, server;
	uint64_t loss, duplicate, swap, delay_us, rate;
	double busy_until; /* with a rate: when what is on its way to clients will be there */
	uint32_t seed;
	struct session sessions[SESSIONS_MAX];
	size_t next;
} relay;

static int chance(uint64_t per_mille)
{
	relay.seed = relay.seed * 1664525u + 1013904223u;
	return (relay.seed >> 8) % 1000 < per_mille;
}

static void on_arrival(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct flight *f = w->data;

	(void)sendto(f->fd, f->data, f->n, MSG_DONTWAIT, (struct sockaddr *)&f->to, sizeof(f->to));
	fd_close(f->fd);
	free(f);
}

/* @slow: over the part of the way that has a rate. */
static void forward(int fd, const struct sockaddr_in *to, const uint8_t *data, size_t n, int slow)
{
	int copies = 1 + chance(relay.duplicate);
	double after = (double)relay.delay_us / 1e6, now = ev_now(relay.loop);

	if (slow && relay.rate) {
		relay.busy_until = MAX(relay.busy_until, now) + (double)n / (double)relay.rate;
		after += relay.busy_until - now;
	}

	if (chance(relay.loss))
		return;
	if (chance(relay.swap))
		after += 0.001; /* others overtake it */
	for (; copies > 0; copies--) {
		struct flight *f;

		if (after == 0) {
			(void)sendto(fd, data, n, MSG_DONTWAIT, (const struct sockaddr *)to,
				     sizeof(*to));
			continue;
		}
		f = malloc(sizeof(*f) + n);
		if (!f)
			return;
		f->fd = dup(fd); /* the session may be replaced meanwhile */
		f->to = *to;
		f->n = n;
		memcpy(f->data, data, n);
		ev_timer_init(&f->timer, on_arrival, after, 0.);
		f->timer.data = f;
		ev_timer_start(relay.loop, &f->timer);
	}
}

static ssize_t take(int fd, uint8_t *buf, struct sockaddr_in *ret_from)
{
	socklen_t n = sizeof(*ret_from);

	return recvfrom(fd, buf, PACKET_MAX, MSG_DONTWAIT, (struct sockaddr *)ret_from, &n);
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct session *s = io->data;
	static uint8_t buf[PACKET_MAX];
	struct sockaddr_in from;
	ssize_t n;

	ev_now_update(loop);
	while ((n = take(s->to_client, buf, &from)) >= 0)
		forward(s->to_server, &s->server, buf, (size_t)n, 0);
}

static void on_server(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct session *s = io->data;
	static uint8_t buf[PACKET_MAX];
	struct sockaddr_in from;
	ssize_t n;

	ev_now_update(loop);
	while ((n = take(s->to_server, buf, &from)) >= 0) {
		if (!s->learnt)
			s->server = from;
		s->learnt = 1;
		forward(s->to_client, &s->client, buf, (size_t)n, 1);
	}
}

static int udp_socket(struct sockaddr_in at, in_port_t be_port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int room = 4 << 20;

	at.sin_port = be_port;
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		perror("udp-relay: bind");
		exit(1);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return fd;
}

static void on_request(struct ev_loop *loop, struct ev_io *io, int revents)
{
	static const struct sockaddr_in any = { .sin_family = AF_INET };
	static uint8_t buf[PACKET_MAX];
	struct sockaddr_in from;
	ssize_t n;

	ev_now_update(loop);
	while ((n = take(relay.listen, buf, &from)) >= 0) {
		struct session *s = &relay.sessions[relay.next++ % SESSIONS_MAX];

		if (s->to_client > 0) {
			ev_io_stop(loop, &s->client_io);
			ev_io_stop(loop, &s->server_io);
			close(s->to_client);
			close(s->to_server);
		}
		s->client = from;
		s->server = relay.server;
		s->learnt = 0;
		s->to_client = udp_socket(relay.listen_at, 0);
		s->to_server = udp_socket(any, 0);
		ev_io_init(&s->client_io, on_client, s->to_client, EV_READ);
		ev_io_init(&s->server_io, on_server, s->to_server, EV_READ);
		s->client_io.data = s->server_io.data = s;
		ev_io_start(loop, &s->client_io);
		ev_io_start(loop, &s->server_io);
		forward(s->to_server, &s->server, buf, (size_t)n, 0);
	}
}

static int parse_place(char *s, struct sockaddr_in *ret)
{
	char *colon = strchr(s, ':');
	uint32_t port;

	if (!colon)
		return -EINVAL;
	*colon = 0;
	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	if (parse_u32(colon + 1, 1, 65535, &port) < 0 || ipv4_parse(s, &ret->sin_addr) < 0)
		return -EINVAL;
	ret->sin_port = htons((in_port_t)port);
	return 0;
}

static int parse_args(int argc, char **argv)
{
	if (argc < 3 || parse_place(argv[1], &relay.listen_at) < 0 ||
	    parse_place(argv[2], &relay.server) < 0)
		return -EINVAL;
	for (int i = 3; i + 1 < argc; i += 2) {
		uint64_t v;

		if (parse_u64(argv[i + 1], 0, UINT32_MAX, &v) < 0)
			return -EINVAL;
		if (!strcmp(argv[i], "--loss"))
			relay.loss = v;
		else if (!strcmp(argv[i], "--duplicate"))
			relay.duplicate = v;
		else if (!strcmp(argv[i], "--swap"))
			relay.swap = v;
		else if (!strcmp(argv[i], "--delay"))
			relay.delay_us = v;
		else if (!strcmp(argv[i], "--rate"))
			relay.rate = v;
		else if (!strcmp(argv[i], "--seed"))
			relay.seed = (uint32_t)v;
		else
			return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct ev_io io;

	if (parse_args(argc, argv) < 0) {
		fprintf(stderr, "udp-relay: used wrongly, see the head of its source\n");
		return 2;
	}
	relay.loop = ev_default_loop(0);
	relay.listen = udp_socket(relay.listen_at, relay.listen_at.sin_port);
	ev_io_init(&io, on_request, relay.listen, EV_READ);
	ev_io_start(relay.loop, &io);
	puts("ready");
	fflush(stdout);
	ev_run(relay.loop, 0);
	return 0;
}
