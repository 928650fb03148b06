/*
 * renewal.c - keep the node's DHCP lease
 *
 *   BOUND --T1--> RENEWING --T2--> REBINDING --end of lease--> EXPIRED
 *     ^-----------ACK-'----------------'---------------------------'
 *                  NAK: SEEKING (the client that init uses, from DISCOVER on) --new lease--> BOUND
 *
 * Before it is lost the node has its address, so the kernel's own UDP serves. Between two requests
 * half of what is left until the next state passes, and at least a second (RFC 2131 says a minute;
 * leases of a minute exist).
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "net/dhcp_client.h"
#include "net/lease.h"
#include "net/link.h"
#include "space/renewal.h"
#include "wire/leasefile.h"

#define RETRY_MIN_S   1.0
#define RETRY_MAX_S   3600.0
#define EXPIRED_S     10.0 /* between two requests then, doubled with each up to a minute */
#define EXPIRED_MAX_S 60.0
#define SEEK_MS	      3600000 /* of one search for a new address; then the next */
#define WAIT_MAX_S    86400.0 /* of one timer: a longer one is looked at again */

enum state { BOUND, RENEWING, REBINDING, EXPIRED, SEEKING };

struct renewal {
	struct ev_loop *loop;
	char *path;
	struct leasefile file;
	enum state state;
	struct ev_timer timer;
	struct ev_io io;
	int fd; /* FD_NONE: closed */
	uint32_t xid;
	double asked_at, expired_wait; /* seconds since kernel start; seconds */
	struct links *links;	       /* while SEEKING, as the client */
	struct dhcp_client *client;
};

static void step(struct renewal *r);

static double now_s(void)
{
	return (double)clock_boot_ms() / 1e3;
}

static void timer_set(struct renewal *r, double after)
{
	ev_timer_stop(r->loop, &r->timer);
	ev_now_update(r->loop);
	after = MAX(after, 0.01);
	ev_timer_set(&r->timer, MIN(after, WAIT_MAX_S), 0.);
	ev_timer_start(r->loop, &r->timer);
}

static void disconnect(struct renewal *r)
{
	ev_io_stop(r->loop, &r->io);
	r->fd = fd_close(r->fd);
}

/* --- asking --- */

/* The root may have given the interface another name. */
static void find_interface(struct renewal *r)
{
	struct links *links = NULL;
	const struct link *l;

	if (links_new(r->loop, &links) < 0)
		return;
	l = links_by_mac(links, &r->file.mac);
	if (l && !links_by_name(links, r->file.interface))
		memcpy(r->file.interface, l->name, sizeof(l->name));
	links_free(links);
}

static int connect_socket(struct renewal *r)
{
	const struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(DHCP_CLIENT_PORT) };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	find_interface(r);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, r->file.interface,
		       (socklen_t)strlen(r->file.interface)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	r->fd = TAKE_FD(fd);
	ev_io_set(&r->io, r->fd, EV_READ);
	ev_io_start(r->loop, &r->io);
	return 0;
}

/* What cannot be sent is asked again like what was lost; the reason is for who looks closely. */
static void ask(struct renewal *r)
{
	struct dhcp_request q = { .type = DHCP_REQUEST,
				  .mac = r->file.mac,
				  .ciaddr = r->file.lease.address,
				  .vendor_class = "bpboot:slave" };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(DHCP_SERVER_PORT),
				  .sin_addr.s_addr = htonl(INADDR_BROADCAST) };
	uint8_t buf[DHCP_MESSAGE_ASK];
	size_t n = 0;
	int e = r->fd < 0 ? connect_socket(r) : 0;

	if (r->state == RENEWING && r->file.lease.server_id.s_addr)
		to.sin_addr = r->file.lease.server_id;
	r->xid = q.xid = backoff_random(UINT32_MAX);
	r->asked_at = now_s();
	e = e ? e : dhcp_request_format(&q, buf, sizeof(buf), &n);
	if (e == 0 && sendto(r->fd, buf, n, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		e = -errno;
	if (e < 0)
		log_debug("cannot ask for the lease of %s: %s", r->file.interface, strerror(-e));
}

/* --- what comes of it --- */

static void write_file(struct renewal *r)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LEASEFILE_BYTES_MAX);
	int e = leasefile_format(&r->file, &text);

	if (e == 0)
		e = file_write(AT_FDCWD, r->path, text.data, text.len, 0644);
	if (e < 0)
		log_warn(e, "cannot write '%s', which keeps the lease as it was", r->path);
}

/* @l is in force from @at (seconds since kernel start) on. */
static void hold(struct renewal *r, const struct dhcp_lease *l, double at)
{
	struct dhcp_lease *own = &r->file.lease;

	own->lease_s = l->lease_s;
	own->renew_s = l->renew_s;
	own->rebind_s = l->rebind_s;
	own->server_id = l->server_id;
	r->file.obtained_ms = (uint64_t)(at * 1e3);
	r->expired_wait = EXPIRED_S;
	r->state = BOUND;
	disconnect(r);
	write_file(r);
	step(r);
}

static void on_bound(void *ctx, const struct link *link, const struct dhcp_lease *l)
{
	struct renewal *r = ctx;
	char address[INET_ADDRSTRLEN];
	struct leasefile f = r->file;
	int e = lease_apply(link->ifindex, l);

	dhcp_client_free(r->client);
	links_free(r->links);
	r->client = NULL;
	r->links = NULL;
	if (e < 0)
		log_err(e, "%s: cannot set the address %s", link->name,
			ipv4_format(l->address, address));
	else
		log_warn(0, "%s: its address is %s now", link->name,
			 ipv4_format(l->address, address));
	f.lease = *l;
	f.n_dns = l->n_dns;
	for (size_t i = 0; i < l->n_dns; i++)
		f.dns[i] = ip_from_v4(l->dns[i]);
	r->file = f;
	hold(r, l, now_s());
}

static void seek(struct renewal *r);

static void on_failed(void *ctx, int err, const char *why)
{
	struct renewal *r = ctx;

	log_warn(0, "no new address for this node: %s; asking again", why);
	dhcp_client_free(r->client);
	links_free(r->links);
	r->client = NULL;
	r->links = NULL;
	timer_set(r, RETRY_MIN_S);
}

/* The address is lost: begin where init began. */
static void seek(struct renewal *r)
{
	static const struct dhcp_client_ops ops = { .bound = on_bound, .failed = on_failed };
	const struct dhcp_client_config config = { .interface = r->file.interface,
						   .timeout_ms = SEEK_MS,
						   .vendor_class = "bpboot:slave" };
	int e;

	r->state = SEEKING;
	find_interface(r);
	disconnect(r);
	ev_timer_stop(r->loop, &r->timer);
	e = links_new(r->loop, &r->links);
	e = e ? e : dhcp_client_new(r->loop, r->links, &config, &ops, r, &r->client);
	if (e < 0)
		on_failed(r, e, strerror(-e));
}

static void take_back(struct renewal *r, const struct dhcp_reply *p)
{
	char address[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];
	struct links *links = NULL;
	const struct link *l;

	log_warn(0, "%s: DHCP server %s takes back the address %s%s%s", r->file.interface,
		 ipv4_format(p->lease.server_id, server),
		 ipv4_format(r->file.lease.address, address), *p->message ? ": " : "", p->message);
	if (links_new(r->loop, &links) == 0) {
		l = links_by_name(links, r->file.interface);
		if (l && link_flush(l->ifindex) < 0)
			log_warn(0, "%s: cannot remove the address", l->name);
	}
	links_free(links);
	seek(r);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct renewal *r = io->data;
	uint8_t buf[DHCP_MESSAGE_MAX];
	char address[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];
	struct dhcp_reply p;
	ssize_t n = recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 || dhcp_reply_parse(buf, (size_t)n, &p) < 0 || p.xid != r->xid ||
	    !mac_equal(&p.mac, &r->file.mac))
		return;
	if (p.type == DHCP_NAK) {
		take_back(r, &p);
		return;
	}
	if (p.type != DHCP_ACK || p.lease.address.s_addr != r->file.lease.address.s_addr)
		return;
	log_info("%s: %s leased for another %u s by %s", r->file.interface,
		 ipv4_format(p.lease.address, address), p.lease.lease_s,
		 ipv4_format(p.lease.server_id, server));
	hold(r, &p.lease, r->asked_at);
}

/* --- when --- */

static void say_state(struct renewal *r, enum state to)
{
	const struct dhcp_lease *l = &r->file.lease;
	char address[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];

	ipv4_format(l->address, address);
	if (to == REBINDING && r->state == RENEWING)
		log_warn(0, "%s: DHCP server %s does not renew %s, asking any server",
			 r->file.interface, ipv4_format(l->server_id, server), address);
	if (to == EXPIRED && r->state != EXPIRED)
		log_err(0,
			"%s: the lease of %s has run out and no DHCP server answers; keeping it "
			"in use and asking on",
			r->file.interface, address);
}

/* What is due, by the clock. */
static void step(struct renewal *r)
{
	const struct dhcp_lease *l = &r->file.lease;
	double age = now_s() - (double)r->file.obtained_ms / 1e3, until, half;
	enum state to = age < l->renew_s    ? BOUND
			: age < l->rebind_s ? RENEWING
			: age < l->lease_s  ? REBINDING
					    : EXPIRED;

	if (l->lease_s == UINT32_MAX)
		return;
	if (to == BOUND) {
		timer_set(r, l->renew_s - age);
		return;
	}
	say_state(r, to);
	r->state = to;
	ask(r);
	if (to == EXPIRED) {
		timer_set(r, r->expired_wait);
		r->expired_wait = MIN(r->expired_wait * 2, EXPIRED_MAX_S);
		return;
	}
	until = (to == RENEWING ? l->rebind_s : l->lease_s) - age;
	half = MAX(until / 2, RETRY_MIN_S);
	half = MIN(half, RETRY_MAX_S);
	timer_set(r, MIN(until, half));
}

static void on_timer(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct renewal *r = t->data;

	if (r->state == SEEKING)
		seek(r);
	else
		step(r);
}

static int load(const char *path, struct leasefile *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LEASEFILE_BYTES_MAX);
	const char *why = "no memory";
	int e = file_read(AT_FDCWD, path, &text);

	if (e == -ENOENT)
		return e;
	if (e < 0)
		return log_err(e, "cannot read '%s'", path);
	e = leasefile_parse(buffer_str(&text), text.len, ret, &why);
	if (e < 0)
		return log_err(0, "'%s': %s", path, why), e;
	return ret->leased && ret->lease.address.s_addr && ret->lease.lease_s != UINT32_MAX
		       ? 0
		       : -ENOENT;
}

int renewal_new(struct ev_loop *loop, const char *path, struct renewal **ret)
{
	struct renewal *r = calloc(1, sizeof(*r));
	int e = -ENOMEM;

	if (!r)
		return e;
	r->loop = loop;
	r->fd = FD_NONE;
	r->expired_wait = EXPIRED_S;
	ev_init(&r->timer, on_timer);
	ev_init(&r->io, on_readable);
	r->timer.data = r->io.data = r;
	r->path = strdup(path);
	if (r->path)
		e = load(path, &r->file);
	if (e < 0) {
		renewal_free(r);
		return e;
	}
	step(r);
	*ret = r;
	return 0;
}

void renewal_free(struct renewal *r)
{
	if (!r)
		return;
	disconnect(r);
	ev_timer_stop(r->loop, &r->timer);
	dhcp_client_free(r->client);
	links_free(r->links);
	free(r->path);
	free(r);
}
