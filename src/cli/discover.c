/*
 * discover.c - bpboot node discover: machines that ask for DHCP and are not in the node table
 *
 * Listens only, beside whatever DHCP server there is: a machine that asks is told of once, in the
 * order in which they came, and becomes the next node on a key press, or at once with --accept. So
 * a rack is numbered by switching it on from top to bottom.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/node.h"
#include "net/packet.h"
#include "wire/dhcp_ask.h"

#define SEEN_MAX 4096 /* machines that are told of; a hostile one may send any MAC */

struct discover {
	const struct node_options *o;
	const struct cluster *cluster;
	bool keys;	       /* somebody sits there */
	struct termios cooked; /* as the terminal was */
	struct dhcp_ask seen[SEEN_MAX];
	size_t n_seen, n_settled; /* those before were added or passed over */
	uint64_t added;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

/* A key is read when it is pressed; undone by keys_end(). */
static void keys_begin(struct discover *d)
{
	struct termios raw;

	d->keys = !d->o->accept && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
		  tcgetattr(STDIN_FILENO, &d->cooked) == 0;
	if (!d->keys)
		return;
	raw = d->cooked;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw); /* else Enter is needed behind the key */
}

static void keys_end(struct discover *d)
{
	if (d->keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &d->cooked);
}

static uint32_t next_number(const struct node_options *o, const struct nodes *t)
{
	uint32_t number = o->first == UINT64_MAX ? 0 : (uint32_t)o->first;

	if (o->first == UINT64_MAX && t->n > 0)
		number = t->list[t->n - 1].number + 1;
	while (nodes_by_number(t, number))
		number++;
	return number;
}

/* Into the table, unless another command was faster. */
static int accept_machine(struct discover *d, const struct dhcp_ask *a)
{
	_cleanup_nodes_edit_ struct nodes_edit e = NODES_EDIT();
	_cleanup_nodes_ struct nodes after = { 0 };
	struct node n = { .mac = a->mac };
	int r = nodes_edit_open(d->cluster->nodes, &e);

	if (r < 0 || nodes_by_mac(&e.nodes, &a->mac))
		return r;
	n.number = next_number(d->o, &e.nodes);
	r = node_take_options(d->o, d->cluster, (uint32_t)d->added, &n);
	if (r == 0)
		r = nodes_edit_put(&e, NULL, &n);
	if (r == 0)
		r = nodes_edit_commit(&e, &after);
	if (r < 0)
		return r;
	d->added++;
	node_say(&n, "added");
	return 0;
}

static void say_machine(const struct discover *d, const struct dhcp_ask *a)
{
	char mac[MAC_STR_MAX], arch[24];
	const char *what = a->arch == DHCP_ASK_NO_ARCH ? "" : dhcp_arch_name(a->arch, arch);

	printf("%s asks for an address: %s%s%s%s%s\n", mac_format(&a->mac, mac),
	       *a->vendor_class ? a->vendor_class : "no vendor class", *what ? ", " : "", what,
	       *a->user_class ? ", " : "", a->user_class);
	if (d->keys)
		printf("  a: add it as a node, s: skip it, q: end\n");
}

/* The oldest machine that is not settled is shown, one at a time when keys decide. */
static int show_next(struct discover *d)
{
	int r = 0;

	while (r == 0 && d->n_settled < d->n_seen) {
		const struct dhcp_ask *a = &d->seen[d->n_settled];

		say_machine(d, a);
		if (d->keys)
			break;
		d->n_settled++;
		if (d->o->accept)
			r = accept_machine(d, a);
		if (d->o->count && d->added >= d->o->count)
			break;
	}
	fflush(stdout);
	return r;
}

static int take_packet(struct discover *d, int fd)
{
	uint8_t buf[PACKET_BYTES_MAX];
	_cleanup_nodes_ struct nodes t = { 0 };
	struct udp_datagram u;
	struct dhcp_ask a;
	int r = packet_receive(fd, buf, NULL, &u);

	if (r == -EAGAIN || r == -EBADMSG)
		return 0;
	if (r < 0)
		return log_err(r, "cannot listen on %s", d->cluster->interface);
	if (dhcp_ask_parse(u.data, u.bytes, &a) < 0 || a.type != DHCP_DISCOVER ||
	    d->n_seen == SEEN_MAX)
		return 0;
	for (size_t i = 0; i < d->n_seen; i++) {
		if (mac_equal(&d->seen[i].mac, &a.mac))
			return 0;
	}
	r = nodes_load(d->cluster->nodes, &t);
	if (r < 0 || nodes_by_mac(&t, &a.mac))
		return r;
	d->seen[d->n_seen++] = a;
	return !d->keys || d->n_seen == d->n_settled + 1 ? show_next(d) : 0;
}

/* Return: 1 to end. */
static int take_key(struct discover *d)
{
	char key;
	int r = 0;

	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')
		return 1;
	if ((key != 'a' && key != 's') || d->n_settled == d->n_seen)
		return 0;
	if (key == 'a')
		r = accept_machine(d, &d->seen[d->n_settled]);
	d->n_settled++;
	return r < 0 ? r : show_next(d);
}

static int watch(struct discover *d, int fd)
{
	const uint64_t until = clock_ms() + d->o->timeout_s * 1000;
	struct pollfd p[] = { { .fd = fd, .events = POLLIN },
			      { .fd = d->keys ? STDIN_FILENO : -1, .events = POLLIN } };

	while (!interrupted &&
	       !(d->o->count && MAX(d->added, d->keys ? 0 : d->n_settled) >= d->o->count)) {
		uint64_t now = clock_ms();
		int r;

		if (d->o->timeout_s && now >= until)
			break;
		r = poll(p, ARRAY_SIZE(p), d->o->timeout_s ? (int)MIN(until - now, 1000u) : -1);
		if (r < 0 && errno != EINTR)
			return log_err(-errno, "cannot wait for machines");
		r = r > 0 && p[0].revents ? take_packet(d, fd) : 0;
		if (r == 0 && p[1].revents)
			r = take_key(d);
		p[1].revents = 0;
		if (r != 0)
			return MIN(r, 0);
	}
	return 0;
}

int node_discover(const struct node_options *o, const struct cluster *c)
{
	_cleanup_free_ struct discover *d = calloc(1, sizeof(*d));
	const struct sigaction sa = { .sa_handler = on_signal };
	_cleanup_close_ int fd = FD_NONE;
	unsigned index = if_nametoindex(c->interface);
	int r;

	if (!d)
		return log_err(-ENOMEM, "cannot watch %s", c->interface);
	if (!index)
		return log_err(-errno, "no interface '%s' on this machine ([cluster] interface=)",
			       c->interface);
	fd = packet_open((int)index, DHCP_SERVER_PORT);
	if (fd == -EPERM)
		return log_err(0, "cannot listen on %s without root (or CAP_NET_RAW)",
			       c->interface),
		       fd;
	if (fd < 0)
		return log_err(fd, "cannot listen on %s", c->interface);
	*d = (struct discover){ .o = o, .cluster = c };
	interrupted = 0;
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	keys_begin(d);
	log_info("listening on %s for machines that are not in '%s'; %s ends it", c->interface,
		 c->nodes, d->keys ? "q" : "Ctrl-C");
	r = watch(d, fd);
	keys_end(d);
	printf("%zu machines seen, %llu added\n", d->n_seen, (unsigned long long)d->added);
	return r;
}
