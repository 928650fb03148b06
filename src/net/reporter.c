/*
 * reporter.c - send a boot's events to the master by UDP syslog
 *
 * The socket is connected, so that an ICMP "port unreachable" comes back as an error of the next
 * send: then the event before it counts as unsent. That is as much of a receipt as UDP has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/reporter.h"

#define NONE SIZE_MAX

void reporter_init(struct reporter *r, uint32_t boot)
{
	*r = (struct reporter){ .fd = FD_NONE, .boot = boot, .last = NONE };
}

void reporter_deinit(struct reporter *r)
{
	r->fd = fd_close(r->fd);
}

void reporter_set_mac(struct reporter *r, const struct mac *mac)
{
	r->mac = *mac;
	for (size_t i = 0; i < r->n_kept; i++)
		r->kept[i].e.mac = *mac;
}

static int send_report(struct reporter *r, const struct report *e)
{
	char buf[REPORT_DATAGRAM_MAX];
	size_t n;
	int err = report_format(e, buf, sizeof(buf), &n);

	if (err < 0)
		return err;
	if (send(r->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno != ECONNREFUSED)
		return -errno;
	if (r->last != NONE)
		r->kept[r->last].sent = false;
	return send(r->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void send_kept(struct reporter *r)
{
	for (size_t i = 0; i < r->n_kept && r->fd >= 0; i++) {
		if (r->kept[i].sent)
			continue;
		if (send_report(r, &r->kept[i].e) < 0)
			return; /* another time */
		r->kept[i].sent = true;
		r->last = i;
	}
}

static void keep(struct reporter *r, const struct report *e)
{
	if (r->n_kept == REPORTER_KEPT_MAX) {
		memmove(r->kept, r->kept + 1, sizeof(r->kept) - sizeof(r->kept[0]));
		r->n_kept--;
		r->last = r->last == 0 || r->last == NONE ? NONE : r->last - 1;
	}
	r->kept[r->n_kept++] = (struct reporter_kept){ .e = *e };
}

bool reporter_add(struct reporter *r, struct report *e)
{
	if (e->state == REPORT_PROGRESS) {
		if (r->progress_ms && e->ms - r->progress_ms < REPORTER_PROGRESS_MS)
			return false;
		r->progress_ms = e->ms;
	}
	e->mac = r->mac;
	e->boot = r->boot;
	e->seq = ++r->seq;
	if (e->state == REPORT_PROGRESS) {
		if (r->fd >= 0)
			(void)!send_report(r, e); /* the next one comes soon */
		return true;
	}
	keep(r, e);
	send_kept(r);
	return true;
}

int reporter_connect(struct reporter *r, const struct ipaddr *to, uint16_t port)
{
	union ip_sock a = ip_sock(to, port);
	_cleanup_close_ int fd = socket(to->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, &a.sa, ip_sock_bytes(&a)) < 0)
		return -errno;
	fd_close(r->fd);
	r->fd = TAKE_FD(fd);
	r->last = NONE;
	send_kept(r);
	return 0;
}

void reporter_disconnect(struct reporter *r)
{
	r->fd = fd_close(r->fd);
}

void reporter_again(struct reporter *r)
{
	for (size_t i = 0; i < r->n_kept; i++)
		r->kept[i].sent = false;
	r->last = NONE;
	send_kept(r);
}
