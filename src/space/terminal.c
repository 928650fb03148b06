/*
 * terminal.c - the terminal that bpsh runs at, lent to a process on a node
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "space/terminal.h"

int terminal_open(struct terminal *t)
{
	_cleanup_close_ int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &t->saved) < 0)
		return -errno;
	t->fd = TAKE_FD(fd);
	t->raw = false;
	t->line_begins = true;
	t->tilde = false;
	return 0;
}

void terminal_close(struct terminal *t)
{
	terminal_restore(t);
	t->fd = fd_close(t->fd);
}

static void set(const struct terminal *t, const struct termios *to)
{
	while (tcsetattr(t->fd, TCSADRAIN, to) < 0 && errno == EINTR)
		;
}

void terminal_raw(struct terminal *t)
{
	struct termios raw = t->saved;

	if (t->fd < 0)
		return;
	cfmakeraw(&raw);
	set(t, &raw);
	t->raw = true;
}

void terminal_restore(struct terminal *t)
{
	if (t->fd < 0 || !t->raw)
		return;
	set(t, &t->saved);
	t->raw = false;
}

void terminal_size(const struct terminal *t, uint16_t *ret_rows, uint16_t *ret_columns)
{
	struct winsize size = { 0 };

	(void)ioctl(t->fd, TIOCGWINSZ, &size); /* 0 and 0 stand for not known */
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
}

ssize_t terminal_typed(struct terminal *t, const uint8_t *p, size_t n, uint8_t *to)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (t->tilde) {
			t->tilde = false;
			if (p[i] == '.')
				return -ECANCELED;
			to[len++] = '~';
			if (p[i] == '~')
				continue;
		} else if (t->line_begins && p[i] == '~') {
			t->line_begins = false;
			t->tilde = true;
			continue;
		}
		t->line_begins = p[i] == '\r' || p[i] == '\n';
		to[len++] = p[i];
	}
	return (ssize_t)len;
}
