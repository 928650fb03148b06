/*
 * http-hostile.c - an HTTP server that breaks one rule at a time
 *
 * usage: http-hostile ADDRESS:PORT
 *
 * GET /QUIRK/N answers with N bytes of a pattern (byte i is i modulo 251), in the way that QUIRK
 * names: see quirks[] below. One connection at a time, a process each. Prints "ready" and runs
 * until killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/parse.h"

#define BODY_MAX 1000000

struct ask {
	int fd;
	size_t n;     /* bytes of the file */
	size_t first; /* from the Range field */
	bool ranged;
	unsigned asked; /* requests that were made of this server so far */
};

static unsigned *requests; /* shared by all processes */
static uint8_t body[BODY_MAX + 1000];

static void say(const struct ask *a, const void *p, size_t n)
{
	const uint8_t *d = p;

	while (n > 0) {
		ssize_t w = send(a->fd, d, n, MSG_NOSIGNAL);

		if (w <= 0)
			_exit(0);
		d += w;
		n -= (size_t)w;
	}
}

static void head(const struct ask *a, const char *status, const char *rest)
{
	char text[4096];

	say(a, text, (size_t)snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%s\r\n", status, rest));
}

/* An answer as it should be, with @etag, of which @give bytes come. */
static void answer(const struct ask *a, const char *etag, size_t give)
{
	char rest[512];
	size_t left = a->n - a->first;

	snprintf(rest, sizeof(rest), "Content-Length: %zu\r\nETag: \"%s\"\r\n", left, etag);
	if (a->ranged)
		snprintf(rest + strlen(rest), sizeof(rest) - strlen(rest),
			 "Content-Range: bytes %zu-%zu/%zu\r\n", a->first, a->n - 1, a->n);
	head(a, a->ranged ? "206 Partial Content" : "200 OK", rest);
	say(a, body + a->first, MIN(give, left));
}

static void good(const struct ask *a)
{
	answer(a, "x", a->n);
}
/* closes after some bytes; what is left may be asked for */
static void breaks(const struct ask *a)
{
	answer(a, "x", 30000);
	_exit(0);
}
static void breaks_no_ranges(const struct ask *a)
{
	struct ask whole = *a;

	whole.ranged = false;
	whole.first = 0;
	answer(&whole, "x", a->ranged ? a->n : 30000);
	_exit(0);
}
static void short_body(const struct ask *a)
{
	answer(a, "x", a->ranged ? 0 : a->n / 2);
	_exit(0);
}
static void changes(const struct ask *a)
{
	answer(a, a->ranged ? "y" : "x", a->ranged ? a->n : a->n / 2);
	_exit(0);
}
static void wrong_range(const struct ask *a)
{
	struct ask other = *a;

	other.first = a->ranged ? 1 : 0;
	answer(&other, "x", a->n / 2);
	_exit(0);
}
static void long_body(const struct ask *a)
{
	char rest[128];
	char *all = malloc(a->n + 200);
	size_t n;

	snprintf(rest, sizeof(rest), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", a->n);
	n = strlen(rest);
	memcpy(all, rest, n);
	memcpy(all + n, body, a->n + 10); /* in one piece */
	say(a, all, n + a->n + 10);
	_exit(0);
}
static void no_length(const struct ask *a)
{
	head(a, "200 OK", "");
	say(a, body, a->n);
	_exit(0);
}
static void chunked(const struct ask *a)
{
	head(a, "200 OK", "Transfer-Encoding: chunked\r\n");
	say(a, "5\r\nabcde\r\n0\r\n\r\n", 15);
}
static void gzip(const struct ask *a)
{
	head(a, "200 OK", "Content-Encoding: gzip\r\nContent-Length: 5\r\n");
	say(a, body, 5);
}
static void two_lengths(const struct ask *a)
{
	head(a, "200 OK", "Content-Length: 5\r\nContent-Length: 6\r\n");
	say(a, body, 6);
}
static void endless_head(const struct ask *a)
{
	say(a, "HTTP/1.1 200 OK\r\n", 17);
	for (;;)
		say(a, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 36 - 1);
}
static void garbage(const struct ask *a)
{
	say(a, "\033[2Jnonsense\r\n\r\n", 16);
}
static void huge(const struct ask *a)
{
	head(a, "200 OK", "Content-Length: 9223372036854775807\r\n");
	say(a, body, a->n);
	_exit(0);
}
static void partial_unasked(const struct ask *a)
{
	head(a, "206 Partial Content", "Content-Length: 5\r\nContent-Range: bytes 0-4/10\r\n");
	say(a, body, 5);
}
static void ring(const struct ask *a)
{
	head(a, "302 Found", "Location: /ring/1\r\nContent-Length: 0\r\n");
}
static void moved(const struct ask *a)
{
	char rest[128];

	snprintf(rest, sizeof(rest), "Location: /good/%zu\r\nContent-Length: 0\r\n", a->n);
	head(a, "301 Moved Permanently", rest);
}
static void elsewhere(const struct ask *a)
{
	head(a, "302 Found", "Location: file:///etc/passwd\r\nContent-Length: 0\r\n");
}
static void silent(const struct ask *a)
{
	answer(a, "x", a->n / 2);
	pause();
}
/* 500 bytes, five times a second */
static void drips(const struct ask *a)
{
	answer(a, "x", 0);
	for (size_t i = 0; i < a->n; i += 500) {
		usleep(200000);
		say(a, body + i, a->n - i < 500 ? a->n - i : 500);
	}
}
static void says_nothing(const struct ask *a)
{
	_exit(0);
}
static void error_503(const struct ask *a)
{
	head(a, "503 Busy", "Content-Length: 0\r\n");
}
/* answers the first request of a connection and closes at the second, as an idle time-out would */
static void one_each(const struct ask *a)
{
	static unsigned n;

	if (n++ > 0)
		_exit(0);
	good(a);
}

static const struct {
	const char *name;
	void (*act)(const struct ask *a);
} quirks[] = {
	{ "good", good },
	{ "breaks", breaks },
	{ "breaks-no-ranges", breaks_no_ranges },
	{ "short", short_body },
	{ "changes", changes },
	{ "wrong-range", wrong_range },
	{ "long", long_body },
	{ "no-length", no_length },
	{ "chunked", chunked },
	{ "gzip", gzip },
	{ "two-lengths", two_lengths },
	{ "endless-head", endless_head },
	{ "garbage", garbage },
	{ "huge", huge },
	{ "partial-unasked", partial_unasked },
	{ "ring", ring },
	{ "moved", moved },
	{ "elsewhere", elsewhere },
	{ "silent", silent },
	{ "drips", drips },
	{ "says-nothing", says_nothing },
	{ "error-503", error_503 },
	{ "one-each", one_each },
};

/* One request, from its complete head. */
static void serve(struct ask *a, char *text)
{
	char *slash, *end, *range = strstr(text, "Range: bytes=");
	uint64_t v = 0;

	if (strncmp(text, "GET /", 5) != 0 || !(slash = strchr(text + 5, '/')) ||
	    !(end = strchr(slash, ' ')))
		_exit(1);
	*slash = *end = 0;
	if (parse_u64(slash + 1, 0, BODY_MAX, &v) < 0)
		_exit(1);
	a->n = (size_t)v;
	a->ranged = range != NULL;
	a->first = 0;
	if (range && (end = strchr(range, '-'))) {
		*end = 0;
		if (parse_u64(range + 13, 0, a->n, &v) < 0)
			_exit(1);
		a->first = (size_t)v;
	}
	a->asked = __atomic_add_fetch(requests, 1, __ATOMIC_SEQ_CST);
	for (size_t i = 0; i < ARRAY_SIZE(quirks); i++) {
		if (!strcmp(quirks[i].name, text + 5)) {
			quirks[i].act(a);
			return;
		}
	}
	head(a, "404 Not Found", "Content-Length: 0\r\n");
}

static void connection(int fd)
{
	struct ask a = { .fd = fd };
	char text[8192];
	size_t n = 0;

	for (;;) {
		ssize_t r = recv(fd, text + n, sizeof(text) - 1 - n, 0);

		if (r <= 0)
			_exit(0);
		n += (size_t)r;
		text[n] = 0;
		if (strstr(text, "\r\n\r\n")) {
			serve(&a, text);
			n = 0;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	char *colon = argc == 2 ? strchr(argv[1], ':') : NULL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	uint32_t port;

	if (!colon)
		return 2;
	*colon = 0;
	if (parse_u32(colon + 1, 1, 65535, &port) < 0 || ipv4_parse(argv[1], &at.sin_addr) < 0)
		return 2;
	at.sin_port = htons((uint16_t)port);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i % 251);
	requests = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGCHLD, SIG_IGN);
	if (requests == MAP_FAILED ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0) {
		perror("http-hostile");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			continue;
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also a silent one */
			connection(c);
		}
		close(c);
	}
}
