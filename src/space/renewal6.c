/*
 * renewal6.c - keep the node's DHCPv6 lease
 *
 * REBIND from T1 on, to all servers: it is what any server may answer, so that the lease file need
 * not know which one it was. A quarter of what is left of the lease passes between two of them, at
 * least a second, and ten when nothing is left.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "net/link.h"
#include "space/renewal6.h"
#include "wire/dhcp6.h"
#include "wire/leasefile.h"

#define RETRY_MIN_S 1.0
#define RETRY_MAX_S 3600.0
#define EXPIRED_S   10.0
#define WAIT_MAX_S  86400.0 /* of one timer: a longer one is looked at again */

struct renewal6 {
	struct ev_loop *loop;
	char *path;
	struct leasefile file;
	struct ev_timer timer;
	struct ev_io io;
	int fd; /* FD_NONE: closed */
	uint32_t xid;
	double asked_at;    /* seconds since kernel start */
	bool said, refused; /* that it ran out; that a server does not know it */
};

static void step(struct renewal6 *r);

static double now_s(void)
{
	return (double)clock_boot_ms() / 1e3;
}

static void disconnect(struct renewal6 *r)
{
	ev_io_stop(r->loop, &r->io);
	r->fd = fd_close(r->fd);
}

/* Return: 0 with the interface's index, found by MAC when it has another name now. */
static int find_interface(struct renewal6 *r, int *ret)
{
	_cleanup_links_ struct links *links = NULL;
	const struct link *l;
	int e = links_new(r->loop, &links);

	if (e < 0)
		return e;
	l = links_by_name(links, r->file.interface);
	if (!l)
		l = links_by_mac(links, &r->file.mac);
	if (!l)
		return -ENODEV;
	memcpy(r->file.interface, l->name, sizeof(l->name));
	*ret = l->ifindex;
	return 0;
}

static int connect_socket(struct renewal6 *r)
{
	const struct sockaddr_in6 a = { .sin6_family = AF_INET6,
					.sin6_port = htons(DHCP6_CLIENT_PORT) };
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, r->file.interface,
		       (socklen_t)strlen(r->file.interface)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	r->fd = TAKE_FD(fd);
	ev_io_set(&r->io, r->fd, EV_READ);
	ev_io_start(r->loop, &r->io);
	return 0;
}

static void ask(struct renewal6 *r)
{
	static const uint8_t group[16] = { 0xff, 2, [13] = 1, [15] = 2 };
	struct dhcp6_request q = { .type = DHCP6_REBIND,
				   .mac = r->file.mac,
				   .address = r->file.address6 };
	struct ipaddr all = { .family = AF_INET6 };
	uint8_t buf[DHCP6_REQUEST_MAX];
	union ip_sock to;
	int ifindex = 0, e = find_interface(r, &ifindex);
	size_t n = 0;

	memcpy(&all.v6, group, sizeof(group));
	all.scope = (uint32_t)ifindex;
	to = ip_sock(&all, DHCP6_SERVER_PORT);
	r->xid = q.xid = backoff_random(1u << 24);
	r->asked_at = now_s();
	e = e || r->fd >= 0 ? e : connect_socket(r);
	e = e ? e : dhcp6_request_format(&q, buf, sizeof(buf), &n);
	if (e == 0 && sendto(r->fd, buf, n, 0, &to.sa, ip_sock_bytes(&to)) < 0)
		e = -errno;
	if (e < 0)
		log_debug("cannot ask for the lease of %s: %s", r->file.interface, strerror(-e));
}

static const char *address_text(const struct renewal6 *r, char ret[static IP_STR_MAX])
{
	struct ipaddr a = { .family = AF_INET6, .v6 = r->file.address6 };

	return ip_format(&a, ret);
}

static void hold(struct renewal6 *r, const struct dhcp6_reply *p)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LEASEFILE_BYTES_MAX);
	char address[IP_STR_MAX];
	int e;

	r->file.obtained_ms = (uint64_t)(r->asked_at * 1e3);
	r->file.valid6_s = p->valid_s;
	r->file.renew6_s = MIN(p->renew_s, p->valid_s);
	r->said = r->refused = false;
	disconnect(r);
	log_info("%s: %s leased for another %u s", r->file.interface, address_text(r, address),
		 p->valid_s);
	e = leasefile_format(&r->file, &text);
	if (e == 0)
		e = file_write(AT_FDCWD, r->path, text.data, text.len, 0644);
	if (e < 0)
		log_warn(e, "cannot write '%s', which keeps the lease as it was", r->path);
	step(r);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct renewal6 *r = io->data;
	uint8_t buf[DHCP6_MESSAGE_MAX];
	char address[IP_STR_MAX];
	struct dhcp6_reply p;
	struct dhcp6_duid own;
	ssize_t n = recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT);

	dhcp6_duid(&r->file.mac, &own);
	if (n < 0 || dhcp6_reply_parse(buf, (size_t)n, &r->file.mac, &p) < 0 || p.xid != r->xid ||
	    p.type != DHCP6_REPLY || p.client.n != own.n || memcmp(p.client.b, own.b, own.n) != 0)
		return;
	if (p.status == 0 && p.have_address &&
	    memcmp(&p.address, &r->file.address6, sizeof(p.address)) == 0) {
		hold(r, &p);
		return;
	}
	if (!r->refused)
		log_warn(0, "%s: a DHCPv6 server does not renew %s%s%s; keeping it in use",
			 r->file.interface, address_text(r, address), *p.words ? ": " : "",
			 p.words);
	r->refused = true;
}

static void timer_set(struct renewal6 *r, double after)
{
	ev_timer_stop(r->loop, &r->timer);
	ev_now_update(r->loop);
	after = MAX(after, 0.01);
	ev_timer_set(&r->timer, MIN(after, WAIT_MAX_S), 0.);
	ev_timer_start(r->loop, &r->timer);
}

/* What is due, by the clock. */
static void step(struct renewal6 *r)
{
	double age = now_s() - (double)r->file.obtained_ms / 1e3, left = r->file.valid6_s - age;
	char address[IP_STR_MAX];

	if (r->file.valid6_s == UINT32_MAX)
		return;
	if (age < r->file.renew6_s) {
		timer_set(r, r->file.renew6_s - age);
		return;
	}
	if (left <= 0 && !r->said)
		log_err(0,
			"%s: the lease of %s has run out and no DHCPv6 server answers; keeping it "
			"in use and asking on",
			r->file.interface, address_text(r, address));
	r->said = left <= 0;
	ask(r);
	left = left <= 0 ? EXPIRED_S : MAX(left / 4, RETRY_MIN_S);
	timer_set(r, MIN(left, RETRY_MAX_S));
}

static void on_timer(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	step(t->data);
}

static int load(const char *path, struct leasefile *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LEASEFILE_BYTES_MAX);
	const char *why = "no memory";
	int e = file_read(AT_FDCWD, path, &text);

	if (e == 0)
		e = leasefile_parse(buffer_str(&text), text.len, ret, &why);
	if (e < 0) /* renewal.c has said so */
		return e;
	return ret->have6 && ret->valid6_s ? 0 : -ENOENT;
}

int renewal6_new(struct ev_loop *loop, const char *path, struct renewal6 **ret)
{
	struct renewal6 *r = calloc(1, sizeof(*r));
	int e = -ENOMEM;

	if (!r)
		return e;
	r->loop = loop;
	r->fd = FD_NONE;
	ev_init(&r->timer, on_timer);
	ev_init(&r->io, on_readable);
	r->timer.data = r->io.data = r;
	r->path = strdup(path);
	if (r->path)
		e = load(path, &r->file);
	if (e < 0) {
		renewal6_free(r);
		return e;
	}
	step(r);
	*ret = r;
	return 0;
}

void renewal6_free(struct renewal6 *r)
{
	if (!r)
		return;
	disconnect(r);
	ev_timer_stop(r->loop, &r->timer);
	free(r->path);
	free(r);
}
