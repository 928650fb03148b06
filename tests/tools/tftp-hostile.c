/*
 * tftp-hostile.c - a TFTP server that does one wrong thing, or one that stock servers never do
 *
 * usage: tftp-hostile ADDRESS:PORT
 *
 * What it does is the first part of the requested name: "short-oack/300" serves 300 bytes and does
 * what the row "short-oack" of the table says. The bytes are 0, 1, 2 ... 250, 0, 1 ... so that a
 * test knows them. A transfer is served to its end, one after another, with a timeout of one
 * second; at most one client at a time. Prints "ready", then "error CODE TEXT" for every error that
 * a client sends, and "acks N blocks N" at the end of a transfer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/lang.h"
#include "base/parse.h"
#include "wire/tftp.h"

enum quirk {
	GOOD,
	NO_OPTIONS,	 /* answers DATA 1 to a request with options */
	REFUSE_OPTIONS,	 /* error 8 to a request with options */
	BLKSIZE_LARGER,	 /* grants more than was asked for */
	BLKSIZE_ZERO,	 /* grants none: malformed */
	BLKSIZE_SMALLER, /* grants 300: fine */
	WINDOW_LARGER,	 /* grants more than was asked for */
	WINDOW_ONE,	 /* grants 1: fine */
	WINDOW_GAP,	 /* leaves the third block of a window out, once */
	NOT_ASKED,	 /* grants an option that nobody asked for */
	OACK_RUNS_OFF,	 /* the last option has no NUL */
	OACK_TWICE,	 /* says everything twice, the OACK too */
	DATA_TWICE,	 /* says every block twice */
	TSIZE_HUGE,	 /* says 2^62 bytes */
	TSIZE_WRONG,	 /* says 1 byte */
	OVERSIZE,	 /* no OACK, and a block of 1400 bytes */
	STRANGER_PORT,	 /* wrong bytes from another port in mid-transfer */
	STRANGER_FIRST,	 /* wrong bytes from another address before the right ones */
	ROLL_TO_ONE,	 /* counts 65535, 1 */
	ERROR_MIDWAY,	 /* error 3 after the second block */
	SILENT_MIDWAY,	 /* stops after the second block */
	THREE_BYTES,	 /* a DATA packet of three bytes, then all is well */
	ESCAPES,	 /* an error text full of control characters */
	FOREVER,	 /* never a short block */
	FUTURE_BLOCK,	 /* block 3 behind block 1, lock-step; then all is well */
	BLOCK_ZERO,	 /* a block 0 before block 1 */
	OACK_CAPITALS,	 /* names of options in capitals, another order, leading zeros: fine */
	OACK_LATE,	 /* the first answer after 0.7 s, when the client has asked again */
	WINDOW_LOST,	 /* all of the second window is lost, once */
	ERROR_STRANGER,	 /* an error from another port in mid-transfer */
	NONSENSE,	 /* requests, acknowledgements, no packets at all, between the blocks */
	ERROR_FIRST,	 /* the error whose code the size is */
	QUIRK_MAX_,
};

static const char *const quirk_names[] = {
	[GOOD] = "good",
	[NO_OPTIONS] = "no-options",
	[REFUSE_OPTIONS] = "refuse-options",
	[BLKSIZE_LARGER] = "blksize-larger",
	[BLKSIZE_ZERO] = "blksize-zero",
	[BLKSIZE_SMALLER] = "blksize-smaller",
	[WINDOW_LARGER] = "window-larger",
	[WINDOW_ONE] = "window-one",
	[WINDOW_GAP] = "window-gap",
	[NOT_ASKED] = "not-asked",
	[OACK_RUNS_OFF] = "oack-runs-off",
	[OACK_TWICE] = "oack-twice",
	[DATA_TWICE] = "data-twice",
	[TSIZE_HUGE] = "tsize-huge",
	[TSIZE_WRONG] = "tsize-wrong",
	[OVERSIZE] = "oversize",
	[STRANGER_PORT] = "stranger-port",
	[STRANGER_FIRST] = "stranger-first",
	[ROLL_TO_ONE] = "roll-to-one",
	[ERROR_MIDWAY] = "error-midway",
	[SILENT_MIDWAY] = "silent-midway",
	[THREE_BYTES] = "three-bytes",
	[ESCAPES] = "escapes",
	[FOREVER] = "forever",
	[FUTURE_BLOCK] = "future-block",
	[BLOCK_ZERO] = "block-zero",
	[OACK_CAPITALS] = "oack-capitals",
	[OACK_LATE] = "oack-late",
	[WINDOW_LOST] = "window-lost",
	[ERROR_STRANGER] = "error-stranger",
	[NONSENSE] = "nonsense",
	[ERROR_FIRST] = "error-first",
};

struct transfer {
	enum quirk quirk;
	int fd;
	struct sockaddr_in client;
	uint64_t bytes;
	size_t blksize, window;
	uint64_t acked; /* blocks */
	uint64_t acks;	/* heard */
	bool gap_made;
	bool ended;
};

#define WORDS_MAX 70000

static uint8_t packet[WORDS_MAX];

static int udp_socket(const char *address, in_port_t be_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = be_port };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ipv4_parse(address, &a.sin_addr) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		perror("tftp-hostile: bind");
		exit(1);
	}
	return fd;
}

static void say(int fd, const struct sockaddr_in *to, const void *p, size_t n)
{
	(void)sendto(fd, p, n, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void say_packet(const struct transfer *t, const struct tftp_packet *p)
{
	size_t n;

	if (tftp_packet_format(p, packet, sizeof(packet), &n) == 0)
		say(t->fd, &t->client, packet, n);
}

static void say_error(const struct transfer *t, uint16_t code, const char *text)
{
	struct tftp_packet p = { .op = TFTP_ERROR, .error = code };

	snprintf(p.message, sizeof(p.message), "%s", text);
	say_packet(t, &p);
}

static void say_block(struct transfer *t, uint64_t block)
{
	uint64_t from = (block - 1) * t->blksize;
	size_t n = from > t->bytes ? 0 : (size_t)MIN((uint64_t)t->blksize, t->bytes - from);
	uint64_t number = block;

	if (t->quirk == FOREVER)
		n = t->blksize;
	if (t->quirk == ROLL_TO_ONE && block > 65535)
		number = (block - 1) % 65535 + 1;
	packet[0] = 0;
	packet[1] = TFTP_DATA;
	packet[2] = (uint8_t)(number >> 8);
	packet[3] = (uint8_t)number;
	for (size_t i = 0; i < n; i++)
		packet[4 + i] = (uint8_t)((from + i) % 251);
	say(t->fd, &t->client, packet, 4 + n);
}

/* A DATA packet of wrong bytes, from elsewhere. */
static void say_lie(const struct transfer *t, int fd, uint16_t block, size_t n)
{
	uint8_t lie[4 + 2000] = { 0, TFTP_DATA, (uint8_t)(block >> 8), (uint8_t)block };

	memset(lie + 4, 'X', sizeof(lie) - 4);
	say(fd, &t->client, lie, 4 + MIN(n, (size_t)2000));
}

/* Wait for the client. Return: 1 with its packet, 0 when nothing came for a second. */
static int hear(int fd, struct tftp_packet *ret)
{
	static uint8_t buf[2048];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 1000) <= 0)
		return 0;
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0 || tftp_packet_parse(buf, (size_t)n, ret) < 0)
		ret->op = TFTP_OP_MAX_;
	return 1;
}

/*
 * Print the error that comes. Return: 1 if one came, 0 when nothing or something else did for a
 * second.
 */
static int hear_error(int fd)
{
	struct tftp_packet p;

	if (!hear(fd, &p) || p.op != TFTP_ERROR)
		return 0;
	printf("error %u %s\n", p.error, p.message);
	fflush(stdout);
	return 1;
}

/*
 * The acknowledgement of the options. Return: 1 if one was said that the client answers with ACK 0,
 * else 0.
 */
static int say_oack(struct transfer *t, const struct tftp_options *asked)
{
	static const char runs_off[] = "\0\6blksize\0"
				       "512\0tsize\0"
				       "12";
	static const char zero[] = "\0\6blksize\0"
				   "0";
	static const char not_asked[] = "\0\6blksize\0"
					"512\0multicast\0"
					"1";
	struct tftp_packet p = { .op = TFTP_OACK, .options = *asked };

	p.options.utimeout_us = 0;
	p.options.tsize = t->bytes;
	t->blksize = asked->blksize ? asked->blksize : 512;
	t->window = asked->windowsize ? asked->windowsize : 1;
	switch (t->quirk) {
	case BLKSIZE_LARGER:
		p.options.blksize = (uint16_t)(asked->blksize + 1);
		break;
	case BLKSIZE_SMALLER:
		t->blksize = p.options.blksize = 300;
		break;
	case WINDOW_LARGER:
		p.options.windowsize = (uint16_t)(asked->windowsize + 1);
		break;
	case WINDOW_ONE:
		t->window = p.options.windowsize = 1;
		break;
	case TSIZE_HUGE:
		p.options.tsize = UINT64_C(1) << 62;
		break;
	case TSIZE_WRONG:
		p.options.tsize = 1;
		break;
	case BLKSIZE_ZERO:
		say(t->fd, &t->client, zero, sizeof(zero));
		return 1;
	case NOT_ASKED:
		say(t->fd, &t->client, not_asked, sizeof(not_asked));
		return 1;
	case OACK_RUNS_OFF:
		say(t->fd, &t->client, runs_off, sizeof(runs_off) - 1);
		return 1;
	case OACK_TWICE:
		say_packet(t, &p);
		break;
	case OACK_CAPITALS: {
		int n = snprintf((char *)packet, sizeof(packet), "%c%cTSIZE%c%05u%cBlkSize%c%u", 0,
				 TFTP_OACK, 0, (unsigned)t->bytes, 0, 0, asked->blksize);

		t->window = 1;
		say(t->fd, &t->client, packet, (size_t)n + 1);
		return 1;
	}
	case OACK_LATE:
		usleep(700000);
		break;
	default:
		break;
	}
	say_packet(t, &p);
	return 1;
}

static void say_window(struct transfer *t)
{
	if (t->quirk == WINDOW_LOST && t->acked > 0 && !t->gap_made) {
		t->gap_made = true;
		return;
	}
	for (uint64_t b = t->acked + 1; b <= t->acked + t->window; b++) {
		bool last = t->quirk != FOREVER && b * t->blksize > t->bytes;

		if (t->quirk == WINDOW_GAP && b == 3 && !t->gap_made) {
			t->gap_made = true;
			continue;
		}
		if (t->quirk == STRANGER_PORT && b == 2) {
			int other = udp_socket("0.0.0.0", 0);

			say_lie(t, other, 2, t->blksize);
			hear_error(other);
			close(other);
		}
		if (t->quirk == ERROR_STRANGER && b == 2) {
			static const uint8_t error[] = { 0, TFTP_ERROR, 0, 3, 'n', 'o', 0 };
			int other = udp_socket("0.0.0.0", 0);

			say(other, &t->client, error, sizeof(error));
			close(other);
		}
		if (t->quirk == NONSENSE) {
			say(t->fd, &t->client, "", 0);
			say(t->fd, &t->client, "\0", 1);
			say(t->fd, &t->client, "\0\1x\0octet", 10);
			say(t->fd, &t->client, "\0\4\0\1", 4);
			say(t->fd, &t->client, "\0\11\0\1", 4);
			say(t->fd, &t->client, "\377\3\0\1", 4);
		}
		if (t->quirk == BLOCK_ZERO && b == 1)
			say_lie(t, t->fd, 0, t->blksize);
		if (t->quirk == THREE_BYTES && b == 2)
			say(t->fd, &t->client, "\0\3\0", 3);
		if (t->quirk == FUTURE_BLOCK && b == 2)
			say_lie(t, t->fd, 3, t->blksize);
		if (t->quirk == ERROR_MIDWAY && b == 3) {
			say_error(t, TFTP_ENOSPACE, "out of patience");
			t->ended = true;
			return;
		}
		if (t->quirk == SILENT_MIDWAY && b == 3) {
			for (time_t end = time(NULL) + 8; time(NULL) < end && !hear_error(t->fd);)
				; /* what it says meanwhile is not answered */
			t->ended = true;
			return;
		}
		say_block(t, b);
		if (t->quirk == DATA_TWICE || t->quirk == OACK_TWICE)
			say_block(t, b);
		if (last)
			return;
	}
}

/* The block that an acknowledgement means, counted without rollover. */
static uint64_t unroll(const struct transfer *t, uint16_t block)
{
	if (t->quirk == ROLL_TO_ONE && t->acked >= 65535)
		return t->acked + (uint64_t)(block + 65535 - (t->acked - 1) % 65535 - 1) % 65535;
	return t->acked + (uint16_t)(block - t->acked);
}

static void serve(struct transfer *t, int expects_ack)
{
	struct tftp_packet p;

	if (!expects_ack)
		say_window(t);
	while (!t->ended && hear(t->fd, &p)) {
		uint64_t blocks = t->quirk == FOREVER ? UINT64_MAX : t->bytes / t->blksize + 1;

		if (p.op == TFTP_ERROR) {
			printf("error %u %s\n", p.error, p.message);
			fflush(stdout);
			return;
		}
		if (p.op != TFTP_ACK)
			continue;
		t->acks++;
		t->acked = unroll(t, p.block);
		if (t->acked >= blocks) {
			printf("acks %llu blocks %llu\n", (unsigned long long)t->acks,
			       (unsigned long long)blocks);
			fflush(stdout);
			return;
		}
		say_window(t);
	}
}

static int quirk_parse(const char *path, struct transfer *t)
{
	const char *slash = strchr(path, '/');

	if (!slash || parse_u64(slash + 1, 0, UINT32_MAX, &t->bytes) < 0)
		return -ENOENT;
	for (size_t i = 0; i < QUIRK_MAX_; i++) {
		size_t n = strlen(quirk_names[i]);

		if ((size_t)(slash - path) == n && !strncmp(path, quirk_names[i], n)) {
			t->quirk = (enum quirk)i;
			return 0;
		}
	}
	return -ENOENT;
}

static void on_request(const struct tftp_packet *q, const struct sockaddr_in *client,
		       const char *address)
{
	struct transfer t = {
		.fd = udp_socket(address, 0), .client = *client, .blksize = 512, .window = 1
	};
	int expects_ack = 0;

	if (quirk_parse(q->path, &t) < 0) {
		say_error(&t, TFTP_ENOENT, "no such quirk");
	} else if (t.quirk == ESCAPES) {
		say(t.fd, client, "\0\5\0\1\33[2J\r\n\7gone", 15);
	} else if (t.quirk == ERROR_FIRST) {
		say_error(&t, (uint16_t)t.bytes, "as told");
	} else if (t.quirk == REFUSE_OPTIONS && q->options.blksize) {
		say_error(&t, TFTP_EBADOPT, "no options here");
	} else {
		if (t.quirk == STRANGER_FIRST) { /* from an address that was not asked */
			int other = udp_socket("127.0.0.9", 0);

			say_lie(&t, other, 1, 100);
			close(other);
			usleep(50000);
		}
		if (t.quirk == OVERSIZE)
			t.blksize = 1400;
		else if (t.quirk != NO_OPTIONS && q->options.blksize)
			expects_ack = say_oack(&t, &q->options);
		serve(&t, expects_ack);
	}
	close(t.fd);
}

int main(int argc, char **argv)
{
	char *colon = argc == 2 ? strchr(argv[1], ':') : NULL;
	uint8_t buf[2048];
	uint32_t port;
	int fd;

	if (!colon || parse_u32(colon + 1, 1, 65535, &port) < 0)
		return 2;
	*colon = 0;
	fd = udp_socket(argv[1], htons((in_port_t)port));
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct sockaddr_in client;
		socklen_t len = sizeof(client);
		struct tftp_packet q;
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&client, &len);

		if (n < 0)
			return 1;
		if (tftp_packet_parse(buf, (size_t)n, &q) == 0 && q.op == TFTP_RRQ)
			on_request(&q, &client, argv[1]);
	}
}
