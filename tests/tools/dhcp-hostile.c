/*
 * dhcp-hostile.c - a DHCP server that means no good
 *
 * usage: dhcp-hostile INTERFACE ADDRESS MODE
 *
 * Answers every client on INTERFACE, as the server ADDRESS, with an offer of the address behind its
 * own.
 *   nak      refuses each request, at once and for ever
 *   options  acknowledges, with options that a careless client would choke on, print or run
 *   malformed  offers, with the last of such options longer than the message
 * Prints "ready".
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/lang.h"

enum {
	HEAD_BYTES = 240,
	TYPE_DISCOVER = 1,
	TYPE_OFFER = 2,
	TYPE_REQUEST = 3,
	TYPE_ACK = 5,
	TYPE_NAK = 6,
};

struct message {
	unsigned char b[576];
	size_t n;
};

static void option(struct message *m, unsigned char code, const void *p, size_t n)
{
	m->b[m->n++] = code;
	m->b[m->n++] = (unsigned char)n;
	memcpy(m->b + m->n, p, n);
	m->n += n;
}

static void text_option(struct message *m, unsigned char code, const char *s)
{
	option(m, code, s, strlen(s));
}

/* The type of a client's message. Return: 0 when there is none. */
static unsigned type_of(const unsigned char *b, size_t n)
{
	for (size_t at = HEAD_BYTES; at + 2 < n && b[at] != 255;) {
		if (b[at] == 53)
			return b[at + 2];
		at += b[at] == 0 ? 1 : 2 + (size_t)b[at + 1];
	}
	return 0;
}

static void hostile_options(struct message *m)
{
	static const unsigned char mask[] = { 255, 0, 255, 0 }, mtu[] = { 0, 1 },
				   routes[] = { 33, 10, 77, 0 }, everything[] = { 0, 0, 0, 0 };

	option(m, 1, mask, sizeof(mask));
	option(m, 26, mtu, sizeof(mtu));
	option(m, 121, routes, sizeof(routes));
	option(m, 3, everything, sizeof(everything));
	text_option(m, 12, "n%n%s\033[2J;reboot\n$(reboot)/../..");
	text_option(m, 15, "\033]0;owned\007");
	text_option(m, 17, "tftp://10.77.0.1/../../etc/\033[31m%s%n.index");
	text_option(m, 66, "\n<0>kernel: panic");
}

/* Options go on in the file and server name, and in neither place end. */
static void run_off(struct message *m)
{
	option(m, 52, "\3", 1);
	memset(m->b + 44, 12, 192);
	m->b[m->n++] = 6;
	m->b[m->n++] = 250;
	m->b[m->n++] = 1;
}

static void answer(struct message *m, const unsigned char *q, struct in_addr own, unsigned type,
		   const char *mode)
{
	unsigned char kind = (unsigned char)type;
	struct in_addr offered = { htonl(ntohl(own.s_addr) + 1) };
	static const unsigned char lease[] = { 0, 0, 0, 60 };

	*m = (struct message){ .n = HEAD_BYTES };
	memcpy(m->b, q, 44);
	m->b[0] = 2; /* reply */
	if (type != TYPE_NAK)
		memcpy(m->b + 16, &offered, 4);
	memcpy(m->b + 20, &own, 4);
	memcpy(m->b + 236, "\x63\x82\x53\x63", 4);
	option(m, 53, &kind, 1);
	option(m, 54, &own, 4);
	option(m, 51, lease, sizeof(lease));
	if (strcmp(mode, "nak"))
		hostile_options(m);
	if (!strcmp(mode, "malformed"))
		run_off(m);
	else
		m->b[m->n++] = 255;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(67) },
			   to = { .sin_family = AF_INET,
				  .sin_port = htons(68),
				  .sin_addr.s_addr = htonl(INADDR_BROADCAST) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	struct in_addr own;

	if (argc != 4 || inet_pton(AF_INET, argv[2], &own) != 1) {
		fprintf(stderr, "usage: dhcp-hostile INTERFACE ADDRESS nak|options|malformed\n");
		return 2;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, argv[1], (socklen_t)strlen(argv[1])) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		perror("dhcp-hostile");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		unsigned char q[1500];
		ssize_t n = recv(fd, q, sizeof(q), 0);
		unsigned type = n > HEAD_BYTES ? type_of(q, (size_t)n) : 0;
		struct message m;

		if (type != TYPE_DISCOVER && type != TYPE_REQUEST)
			continue;
		answer(&m, q, own,
		       type == TYPE_DISCOVER	 ? TYPE_OFFER
		       : !strcmp(argv[3], "nak") ? TYPE_NAK
						 : TYPE_ACK,
		       argv[3]);
		if (sendto(fd, m.b, m.n, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			perror("dhcp-hostile");
	}
}
