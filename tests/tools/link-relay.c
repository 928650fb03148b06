/*
 * link-relay.c - a bad link: two network interfaces with a delay and losses between them
 *
 * usage: link-relay NAME-A NAME-B [--delay MICROSECONDS] [--loss PER-MILLE] [--seed N]
 *
 * Makes two TUN interfaces, each the other's far end, prints "ready" and carries packets until it
 * is killed. The caller sets them up and may move either to another network namespace. Both
 * directions are delayed by as much and lose as many; order is kept; the same seed makes the same
 * choices. It stands in for the kernel's netem where that is not built, and as it carries IP, TCP
 * suffers as UDP does. What the delay does not say is added by the machine: about 0.03 ms each way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/lang.h"
#include "base/parse.h"

#define PACKET_MAX 2048
#define QUEUE_MAX  4096 /* packets on their way; what comes to a full link is lost */

struct packet {
	uint64_t due_ns;
	size_t n;
	uint8_t data[PACKET_MAX];
};

struct direction {
	int from, to;
	size_t first, n;
	struct packet *queue; /* a ring of QUEUE_MAX */
};

static uint64_t delay_ns, loss;
static uint32_t seed = 1;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_lost(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % 1000 < loss;
}

static int tun_open(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
		fprintf(stderr, "link-relay: cannot make '%s': %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

static void take(struct direction *d)
{
	uint8_t dropped[PACKET_MAX];

	for (;;) {
		struct packet *p = &d->queue[(d->first + d->n) % QUEUE_MAX];
		bool full = d->n == QUEUE_MAX;
		ssize_t n = read(d->from, full ? dropped : p->data, PACKET_MAX);

		if (n <= 0)
			return;
		if (full || is_lost())
			continue;
		p->n = (size_t)n;
		p->due_ns = now_ns() + delay_ns;
		d->n++;
	}
}

/* Send what is due. Return: nanoseconds until the next is, or UINT64_MAX. */
static uint64_t give(struct direction *d)
{
	while (d->n > 0) {
		struct packet *p = &d->queue[d->first];
		uint64_t now = now_ns();

		if (p->due_ns > now)
			return p->due_ns - now;
		(void)!write(d->to, p->data, p->n); /* a link that is down loses it */
		d->first = (d->first + 1) % QUEUE_MAX;
		d->n--;
	}
	return UINT64_MAX;
}

static int parse_args(int argc, char **argv)
{
	uint64_t v;

	for (int i = 3; i < argc; i += 2) {
		if (i + 1 == argc || parse_u64(argv[i + 1], 0, UINT32_MAX, &v) < 0)
			return -EINVAL;
		if (!strcmp(argv[i], "--delay"))
			delay_ns = v * 1000;
		else if (!strcmp(argv[i], "--loss"))
			loss = v;
		else if (!strcmp(argv[i], "--seed"))
			seed = (uint32_t)v;
		else
			return -EINVAL;
	}
	return argc < 3 ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct direction d[2];
	struct pollfd fds[2];

	if (parse_args(argc, argv) < 0) {
		fprintf(stderr, "link-relay: used wrongly, see the head of its source\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	for (int i = 0; i < 2; i++) {
		fds[i] = (struct pollfd){ .fd = tun_open(argv[1 + i]), .events = POLLIN };
		d[i] = (struct direction){ .queue = malloc(QUEUE_MAX * sizeof(struct packet)) };
		if (!d[i].queue)
			return 1;
	}
	for (int i = 0; i < 2; i++) {
		d[i].from = fds[i].fd;
		d[i].to = fds[1 - i].fd;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		uint64_t a = give(&d[0]), b = give(&d[1]), wait = MIN(a, b);
		struct timespec t = { .tv_sec = (time_t)(wait / 1000000000u),
				      .tv_nsec = (long)(wait % 1000000000u) };

		if (ppoll(fds, 2, wait == UINT64_MAX ? NULL : &t, NULL) > 0) {
			take(&d[0]);
			take(&d[1]);
		}
	}
}
