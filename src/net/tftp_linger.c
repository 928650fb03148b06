/*
 * tftp_linger.c - the socket of a TFTP transfer after its end
 */
#include <ev.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/ip.h"
#include "net/tftp_linger.h"
#include "wire/tftp.h"

#define LINGER_S    2.
#define LINGER_MAX  64 /* sockets */
#define ANSWERS_MAX 8  /* of one socket */

struct lingerer {
	struct ev_io io;
	struct ev_timer timer;
	int fd; /* 0: this place is free */
	unsigned answers;
};

/* Nobody's memory: transfers and their owners are gone by now. */
static struct lingerer lingering[LINGER_MAX];

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct lingerer *l = io->data;
	struct tftp_packet heard,
		p = { .op = TFTP_ERROR, .error = TFTP_EBADID, .message = "stopped" };
	uint8_t buf[TFTP_MESSAGE_MAX + TFTP_HEADER_BYTES];
	union ip_sock from = { .in6 = { 0 } };
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(l->fd, buf, sizeof(buf), MSG_DONTWAIT, &from.sa, &from_len);
	size_t used;

	if (n < 0) { /* nothing, or what our answer earned */
		(void)recv(l->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_ERRQUEUE);
		return;
	}
	if (tftp_packet_parse(buf, (size_t)n, &heard) == 0 && heard.op == TFTP_ERROR)
		return;
	if (l->answers++ < ANSWERS_MAX && tftp_packet_format(&p, buf, sizeof(buf), &used) == 0)
		(void)sendto(l->fd, buf, used, MSG_DONTWAIT, &from.sa, from_len);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct lingerer *l = timer->data;

	ev_ref(loop);
	ev_ref(loop);
	ev_io_stop(loop, &l->io);
	ev_timer_stop(loop, &l->timer);
	fd_close(l->fd);
	l->fd = 0;
}

void tftp_linger(struct ev_loop *loop, int fd)
{
	struct lingerer *l = NULL;

	for (size_t i = 0; i < LINGER_MAX && !l; i++) {
		if (lingering[i].fd == 0)
			l = &lingering[i];
	}
	if (!l) {
		fd_close(fd);
		return;
	}
	l->fd = fd;
	l->answers = 0;
	ev_io_init(&l->io, on_readable, fd, EV_READ);
	ev_timer_init(&l->timer, on_timer, LINGER_S, 0.);
	l->io.data = l->timer.data = l;
	ev_io_start(loop, &l->io);
	ev_timer_start(loop, &l->timer);
	ev_unref(loop);
	ev_unref(loop);
}
