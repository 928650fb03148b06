/*
 * shell_input.c - our standard input, to every process at once
 *
 * No more is read than the slowest process takes, so nothing is kept here. A terminal is read only
 * while we are its foreground job: from the background the read would stop us.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "space/shell_internal.h"

#define KEYS_MAX     4096 /* taken from a lent terminal at once */
#define BACKGROUND_S 0.5  /* between two looks at a terminal that is not ours */

/* Bytes that every process takes that still reads. Return: 0 when one is full, or when nobody reads
 * (*ret_readers 0). */
static uint32_t room(const struct shell *s, size_t *ret_readers)
{
	uint32_t least = MESSAGE_DATA_MAX;

	*ret_readers = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct remote *r = &s->remotes[i];

		if (r->over || r->input_closed)
			continue;
		least = MIN(least, r->credit);
		(*ret_readers)++;
	}
	return *ret_readers ? least : 0;
}

/* Everybody who reads has read what comes before this place. */
static uint64_t all_eaten(const struct shell *s)
{
	uint64_t least = journal_end(&s->sent);

	for (size_t i = 0; i < s->n; i++) {
		if (!s->remotes[i].over && !s->remotes[i].input_closed)
			least = MIN(least, s->remotes[i].eaten);
	}
	return least;
}

void shell_input_eaten(struct shell *s, struct remote *r, uint64_t eaten)
{
	r->eaten = eaten;
	r->credit = (uint32_t)(eaten + MESSAGE_WINDOW - journal_end(&s->sent));
}

int shell_input_again(struct shell *s, size_t i, uint64_t place, bool end_known)
{
	struct message_small head;
	const uint8_t *bytes;
	ssize_t n;

	message_input_write(message_begin(&head, MESSAGE_INPUT), (uint32_t)i, 1);
	if (s->remotes[i].input_closed) { /* by us: it was to have none, or no more */
		if (!end_known)
			(void)stream_send(&s->door, head.bytes, head.w.len);
		return 0;
	}
	for (; (n = journal_at(&s->sent, place, MESSAGE_DATA_MAX, &bytes)) > 0;
	     place += (uint64_t)n)
		(void)stream_send2(&s->door, head.bytes, head.w.len, bytes, (size_t)n);
	if (n == 0 && s->input_ended && !end_known)
		(void)stream_send(&s->door, head.bytes, head.w.len);
	if (n == 0)
		shell_input_eaten(s, &s->remotes[i], s->remotes[i].eaten);
	return (int)n;
}

static void send_input(struct shell *s, const void *p, size_t n)
{
	struct message_small head;

	journal_forget(&s->sent, all_eaten(s));
	if (journal_append(&s->sent, p, n) < 0)
		log_warn(0, "no memory for input: it is lost should a connection break");
	message_input_write(message_begin(&head, MESSAGE_INPUT), 0, (uint32_t)s->n);
	(void)stream_send2(&s->door, head.bytes, head.w.len, p,
			   n); /* a door that fails ends the shell */
	for (size_t i = 0; i < s->n; i++)
		s->remotes[i].credit -= MIN((uint32_t)n, s->remotes[i].credit);
}

/* Keys for a process that has our terminal. One that is gone takes the process with it. */
static void on_keys(struct shell *s, uint32_t most)
{
	uint8_t keys[KEYS_MAX], data[KEYS_MAX + 1];
	ssize_t n;

	if (most < 2) { /* a '~' that was held back may come with the next key */
		ev_io_stop(s->loop, &s->input);
		return;
	}
	n = read(STDIN_FILENO, keys, MIN(most - 1, (uint32_t)sizeof(keys)));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		n = terminal_typed(&s->terminal, keys, (size_t)n, data);
	else
		n = -EIO;
	if (n > 0)
		send_input(s, data, (size_t)n);
	if (n >= 0)
		return;
	terminal_restore(&s->terminal);
	log_err(0, "%s: ending the process on node %u",
		n == -ECANCELED ? "told so by ~." : "the terminal is gone", s->remotes[0].node);
	shell_raise(s, SHELL_ABNORMAL);
	ev_break(s->loop, EVBREAK_ALL);
}

static void on_input(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct shell *s = w->data;
	uint8_t data[MESSAGE_DATA_MAX];
	size_t readers;
	uint32_t most = room(s, &readers);
	ssize_t n;

	if (most == 0) {
		shell_input_update(s);
		return;
	}
	if (s->terminal.fd >= 0) {
		on_keys(s, most);
		return;
	}
	if (s->input_terminal && tcgetpgrp(STDIN_FILENO) != getpgrp()) {
		ev_io_stop(loop, w);
		ev_timer_again(loop, &s->input_later);
		return;
	}
	n = read(STDIN_FILENO, data, most);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && errno != EIO)
		log_warn(-errno, "cannot read standard input: taking it as ended");
	n = MAX(n, (ssize_t)0);
	send_input(s, data, (size_t)n);
	s->input_ended = n == 0;
	shell_input_update(s);
}

static void on_later(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct shell *s = w->data;

	ev_timer_stop(loop, w);
	shell_input_update(s);
}

void shell_input_update(struct shell *s)
{
	size_t readers;
	uint32_t most = room(s, &readers);

	if (!s->input_watched)
		return;
	if (s->input_ended || most == 0)
		ev_io_stop(s->loop, &s->input);
	else if (!ev_is_active(&s->input_later))
		ev_io_start(s->loop, &s->input);
}

void shell_input_start(struct shell *s)
{
	if (s->options->no_input)
		return;
	s->input_watched = true;
	s->input_terminal = isatty(STDIN_FILENO);
	ev_io_init(&s->input, on_input, STDIN_FILENO, EV_READ);
	ev_timer_init(&s->input_later, on_later, 0., BACKGROUND_S);
	s->input.data = s->input_later.data = s;
	shell_input_update(s);
}

void shell_input_stop(struct shell *s)
{
	if (!s->input_watched)
		return;
	ev_io_stop(s->loop, &s->input);
	ev_timer_stop(s->loop, &s->input_later);
}
