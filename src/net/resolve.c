/*
 * resolve.c - the addresses of a host name, by DNS
 *
 * One socket and one question a kind of address, to one server at a time. The sockets are
 * connected, so the kernel takes answers of that server alone; their ports and the question's
 * number are the kernel's random ones. After a second without an answer, or at an error, the next
 * server is asked; each round over all of them doubles the wait.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/fd.h"
#include "net/resolve.h"

#define RETRY_MS     1000
#define RETRY_MAX_MS 8000
#define KINDS	     2

struct kind {
	struct resolve *r;
	enum dns_type type;
	struct ev_io io;
	int fd;
	uint16_t id;
	bool wanted, answered; /* answered: for the name that is tried now */
};

struct resolve {
	struct ev_loop *loop;
	const struct resolve_ops *ops;
	void *ctx;
	struct ev_timer timer;
	struct ipaddr servers[RESOLVE_SERVERS_MAX];
	size_t n_servers, server; /* the one that is asked now */
	uint32_t wait_ms;
	ev_tstamp until;
	char names[RESOLVE_SEARCH_MAX][DNS_NAME_MAX];
	size_t n_names, name; /* the one that is tried now */
	struct kind kinds[KINDS];
	struct dns_answer answer;
	enum dns_code trouble; /* of the last answer that was an error; DNS_OK: none */
};

static void forget(struct resolve *r)
{
	for (size_t i = 0; i < KINDS; i++) {
		ev_io_stop(r->loop, &r->kinds[i].io);
		r->kinds[i].fd = fd_close(r->kinds[i].fd);
	}
}

static void finish(struct resolve *r, int err)
{
	char why[RESOLVE_WHY_MAX] = "", server[IP_STR_MAX];

	forget(r);
	ev_timer_stop(r->loop, &r->timer);
	ip_format(&r->servers[r->server], server);
	if (err == -ENOENT)
		snprintf(why, sizeof(why), "the name server %s knows no address of '%.100s'",
			 server, r->names[0]);
	else if (err == -EREMOTEIO)
		snprintf(why, sizeof(why),
			 "the name server %s answers for '%.100s' with error %u%s", server,
			 r->names[0], r->trouble,
			 r->trouble == DNS_REFUSED    ? " (refused)"
			 : r->trouble == DNS_SERVFAIL ? " (server failure)"
						      : "");
	else if (err < 0)
		snprintf(why, sizeof(why), "no answer from the name server%s %s%s for '%.100s'",
			 r->n_servers > 1 ? "s," : "", server,
			 r->n_servers > 1 ? " the last of them," : "", r->names[0]);
	r->ops->done(r->ctx, err, why, &r->answer);
}

static void timer_arm(struct resolve *r, double after)
{
	ev_timer_stop(r->loop, &r->timer);
	ev_timer_set(&r->timer, MAX(after, 0.), 0.);
	ev_timer_start(r->loop, &r->timer);
}

/* Ask for one kind. What cannot be sent is asked again with the timer, like what was lost. */
static void ask_kind(struct resolve *r, struct kind *k)
{
	union ip_sock to = ip_sock(&r->servers[r->server], DNS_PORT);
	uint8_t buf[DNS_QUESTION_MAX];
	size_t n;

	ev_io_stop(r->loop, &k->io);
	fd_close(k->fd);
	k->id = (uint16_t)backoff_random(UINT16_MAX + 1u);
	k->fd = socket(to.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0 || connect(k->fd, &to.sa, ip_sock_bytes(&to)) < 0 ||
	    dns_question_format(k->id, r->names[r->name], k->type, buf, sizeof(buf), &n) < 0 ||
	    send(k->fd, buf, n, MSG_NOSIGNAL) < 0) {
		k->fd = fd_close(k->fd);
		return;
	}
	ev_io_set(&k->io, k->fd, EV_READ);
	ev_io_start(r->loop, &k->io);
}

static void ask(struct resolve *r)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (r->kinds[i].wanted && !r->kinds[i].answered)
			ask_kind(r, &r->kinds[i]);
	}
	timer_arm(r, MIN(r->wait_ms / 1e3, r->until - ev_now(r->loop)));
}

static void ask_next_server(struct resolve *r)
{
	r->server = (r->server + 1) % r->n_servers;
	if (r->server == 0)
		r->wait_ms = MIN(r->wait_ms * 2, (uint32_t)RETRY_MAX_MS);
	ask(r);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct resolve *r = w->data;

	if (r->answer.n_addresses > 0) /* the other kind has had its time */
		finish(r, 0);
	else if (ev_now(loop) >= r->until - 0.001)
		finish(r, r->trouble ? -EREMOTEIO : -ETIMEDOUT);
	else
		ask_next_server(r);
}

/* Every kind that is wanted was answered for this name. */
static void name_is_done(struct resolve *r)
{
	if (r->answer.n_addresses > 0) {
		finish(r, 0);
		return;
	}
	if (++r->name == r->n_names) {
		finish(r, -ENOENT);
		return;
	}
	for (size_t i = 0; i < KINDS; i++)
		r->kinds[i].answered = false;
	ask(r);
}

static void merge(struct dns_answer *to, const struct dns_answer *a, bool in_front)
{
	struct dns_answer all = in_front ? *a : *to;
	const struct dns_answer *rest = in_front ? to : a;

	for (size_t i = 0; i < rest->n_addresses && all.n_addresses < DNS_ADDRESSES_MAX; i++)
		all.addresses[all.n_addresses++] = rest->addresses[i];
	*to = all;
}

static void on_answer(struct resolve *r, struct kind *k, const struct dns_answer *a)
{
	bool all = true;

	if (a->code != DNS_OK && a->code != DNS_NXDOMAIN) {
		r->trouble = a->code;
		ev_io_stop(r->loop, &k->io);
		k->fd = fd_close(k->fd);
		if (r->server + 1 < r->n_servers) /* in the last one's place the timer asks again */
			ask_next_server(r);
		return;
	}
	ev_io_stop(r->loop, &k->io);
	k->fd = fd_close(k->fd);
	k->answered = true;
	merge(&r->answer, a, k->type == DNS_A);
	for (size_t i = 0; i < KINDS; i++)
		all = all && (!r->kinds[i].wanted || r->kinds[i].answered);
	if (all)
		name_is_done(r);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct kind *k = io->data;
	struct resolve *r = k->r;
	uint8_t buf[DNS_MESSAGE_MAX];
	struct dns_answer a;
	ssize_t n = recv(k->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* nobody listens there */
		ev_io_stop(loop, io);
		k->fd = fd_close(k->fd);
		if (r->server + 1 < r->n_servers)
			ask_next_server(r);
		return;
	}
	if (dns_answer_parse(buf, (size_t)n, k->id, r->names[r->name], k->type, &a) == 0)
		on_answer(r, k, &a);
}

static void add_name(struct resolve *r, const char *name, const char *domain, size_t n)
{
	char *to = r->names[r->n_names];

	if (r->n_names < RESOLVE_SEARCH_MAX &&
	    (size_t)snprintf(to, DNS_NAME_MAX, n ? "%s.%.*s" : "%s", name, (int)n, domain) <
		    DNS_NAME_MAX)
		r->n_names++;
}

static void list_names(struct resolve *r, const char *name, const char *search)
{
	bool dotted = strchr(name, '.') != NULL;

	if (dotted)
		add_name(r, name, "", 0);
	while (search && *search) {
		size_t n = strcspn(search, " ");

		if (n > 0)
			add_name(r, name, search, n);
		search += n + (search[n] == ' ');
	}
	if (!dotted)
		add_name(r, name, "", 0);
}

int resolve_new(struct ev_loop *loop, const char *name, const struct resolve_config *config,
		const struct resolve_ops *ops, void *ctx, struct resolve **ret)
{
	struct resolve *r;
	size_t n;

	if (config->n_servers == 0 || strlen(name) >= DNS_NAME_MAX)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->ops = ops;
	r->ctx = ctx;
	n = r->n_servers = MIN(config->n_servers, (size_t)RESOLVE_SERVERS_MAX);
	memcpy(r->servers, config->servers, n * sizeof(r->servers[0]));
	r->wait_ms = RETRY_MS;
	list_names(r, name, config->search);
	for (size_t i = 0; i < KINDS; i++) {
		struct kind *k = &r->kinds[i];

		*k = (struct kind){ .r = r,
				    .fd = FD_NONE,
				    .type = i ? DNS_AAAA : DNS_A,
				    .wanted = i ? config->v6 : config->v4 };
		ev_init(&k->io, on_readable);
		k->io.data = k;
	}
	ev_init(&r->timer, on_timer);
	r->timer.data = r;
	ev_now_update(loop);
	r->until = ev_now(loop) + config->timeout_ms / 1e3;
	ask(r);
	*ret = r;
	return 0;
}

void resolve_free(struct resolve *r)
{
	if (!r)
		return;
	forget(r);
	ev_timer_stop(r->loop, &r->timer);
	free(r);
}
