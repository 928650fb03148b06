/*
 * console.c - this terminal as the console of a node
 *
 * QEMU offers the serial port as a unix socket to one client at a time. The last lines of the
 * capture are shown first, since what waits at the other end has often said so before we came.
 * Without a terminal the input is passed until it ends, and the output until the node has been
 * silent for a while.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "lab/lab.h"

enum {
	CTRL_BRACKET = 0x1d,
	CHUNK = 4096,
	TAIL_BYTES = 1024, /* of the capture, shown first */
	SILENCE_MS = 1000, /* after the end of an input that is no terminal */
};

static int connect_to(const struct place *p, uint32_t number, int *ret)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char log[32];

	if (fd < 0)
		return log_err(-errno, "cannot open a socket");
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/consoles/%u.sock", p->path, number);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		snprintf(log, sizeof(log), "consoles/%u.log", number);
		if (errno == ENOENT && faccessat(p->dir, log, F_OK, 0) == 0)
			return log_err(-ENOENT,
				       "node %u is light and has no console; its bpslave writes "
				       "to %s/%s",
				       number, p->path, log);
		if (errno == ENOENT)
			return log_err(-ENOENT, "lab '%s' has no node %u", p->name, number);
		if (errno == ECONNREFUSED)
			return log_err(-ECONNREFUSED, "node %u is powered off", number);
		return log_err(-errno, "cannot connect to the console of node %u", number);
	}
	*ret = TAKE_FD(fd);
	return 0;
}

static void show_tail(const struct place *p, uint32_t number)
{
	char name[64], text[TAIL_BYTES];
	_cleanup_close_ int fd = FD_NONE;
	struct stat st;
	size_t n = 0;

	snprintf(name, sizeof(name), "consoles/%u.log", number);
	fd = openat(p->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	(void)lseek(fd, st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0, SEEK_SET);
	if (fd_read_full(fd, text, sizeof(text), &n) == 0)
		(void)!fd_write_all(STDOUT_FILENO, text, n); /* only for the eye */
}

/* Return: 1 to go on, 0 at the end, or negative errno. */
static int pass_input(int sock, bool terminal)
{
	char buf[CHUNK];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
	char *leave;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (n == 0)
		return 0;
	leave = terminal ? memchr(buf, CTRL_BRACKET, (size_t)n) : NULL;
	if (leave)
		n = leave - buf;
	if (n > 0) {
		int r = fd_write_all(sock, buf, (size_t)n);

		if (r < 0)
			return r;
	}
	return leave ? 0 : 1;
}

static int relay(int sock, bool terminal)
{
	struct pollfd fds[] = { { .fd = sock, .events = POLLIN },
				{ .fd = STDIN_FILENO, .events = POLLIN } };
	int timeout = -1, r;
	char buf[CHUNK];

	for (;;) {
		int n = poll(fds, ARRAY_SIZE(fds), timeout);

		if (n == 0)
			return 0; /* silence */
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (fds[0].revents) {
			ssize_t got = read(sock, buf, sizeof(buf));

			if (got == 0 || (got < 0 && errno == ECONNRESET))
				return terminal ? log_err(0, "the node's machine ended") : 0;
			if (got < 0 && errno != EINTR)
				return -errno;
			r = got > 0 ? fd_write_all(STDOUT_FILENO, buf, (size_t)got) : 0;
			if (r < 0)
				return r;
		}
		if (fds[1].revents) {
			r = pass_input(sock, terminal);
			if (r < 0 || (r == 0 && terminal))
				return r;
			if (r == 0) {
				fds[1].fd = -1;
				timeout = SILENCE_MS;
			}
		}
	}
}

int lab_console(const char *name, uint32_t number)
{
	_cleanup_place_ struct place p = PLACE();
	_cleanup_close_ int sock = FD_NONE;
	struct termios before, raw;
	bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	int r = place_open(name, &p);

	if (r == 0)
		r = connect_to(&p, number, &sock);
	if (r < 0)
		return r;
	if (terminal) {
		fprintf(stderr, "console of node %u; Ctrl-] leaves\n", number);
		raw = before;
		cfmakeraw(&raw);
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN,
				&raw); /* a terminal that stays cooked still works */
	}
	show_tail(&p, number);
	r = relay(sock, terminal);
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
		fprintf(stderr, "\n");
	}
	return r < 0 ? log_err(r, "lost the console of node %u", number) : 0;
}
