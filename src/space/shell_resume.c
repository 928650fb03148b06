/*
 * shell_resume.c - bpsh when bpmaster goes, or a node is cut off: its processes go on, and so do we
 *
 * bpmaster keeps nothing of us over a restart. We knock at its door until it is there again, and
 * ask for each process that is not over: by its key, with how far its output has come. The node
 * sends what is missing; of our input it says how far that has come, and we send what is missing.
 * Signals that come meanwhile wait as in a process that is stopped (pending.h).
 *
 * One that was killed leaves its socket behind. One that was ended takes it away: it is being
 * restarted, or it does not come again, and then we do not wait for long.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "space/shell_internal.h"
#include "wire/message_resume.h"

#define RETRY_S	    0.1
#define RETRY_MAX_S 1.0

static void leave(struct shell *s, struct remote *r)
{
	r->here = false;
	r->credit = 0;
	ghost_left(&s->ghost);
	ghosts_left(&s->ghosts, (uint32_t)(r - s->remotes));
}

static void on_retry(struct ev_loop *loop, struct ev_timer *w, int events);

static void try_later(struct shell *s)
{
	double in = MIN(2 * s->retry.repeat, RETRY_MAX_S);

	ev_timer_stop(s->loop, &s->retry);
	ev_timer_init(&s->retry, on_retry, in, in);
	s->retry.data = s;
	ev_timer_start(s->loop, &s->retry);
}

static int knock(struct shell *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct message_small m;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", s->options->socket);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	stream_init(&s->door, s->loop, TAKE_FD(fd), &shell_door_calls, s, MESSAGE_BYTES_MAX);
	s->state = SHELL_OPENING;
	writer_be16(message_begin(&m, MESSAGE_OPEN), MESSAGE_VERSION);
	return stream_send_writer(&s->door, &m.w);
}

static void give_up(struct shell *s)
{
	shell_raise(s, SHELL_ABNORMAL);
	ev_break(s->loop, EVBREAK_ALL);
}

static void say_away(struct shell *s, bool ended)
{
	if (s->away_said)
		return;
	terminal_restore(&s->terminal);
	if (ended)
		log_warn(0, "bpmaster has ended: waiting %u s for another one", SHELL_ENDED_S);
	else
		log_warn(0, "bpmaster is away: waiting for it, up to %u s", SHELL_AWAY_S);
	s->away_said = true;
}

static void on_retry(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct shell *s = w->data;
	uint64_t now = clock_ms();
	int r = s->state == SHELL_AWAY ? knock(s) : 0;

	if (r == 0) {
		s->ended_ms = 0;
		ev_timer_stop(loop, w); /* its answer, or its end, comes by the door */
		return;
	}
	if (r == -ENOENT && s->ended_ms == 0)
		s->ended_ms = now;
	else if (r != -ENOENT)
		s->ended_ms = 0;
	if (now - s->away_ms > SHELL_AWAY_S * 1000u) {
		log_err(0, "lost bpmaster: it was away for %u s", SHELL_AWAY_S);
		give_up(s);
	} else if (s->ended_ms != 0 && now - s->ended_ms > SHELL_ENDED_S * 1000u) {
		log_err(0, "lost bpmaster: it was ended, and none has come in %u s",
			SHELL_ENDED_S);
		give_up(s);
	} else {
		if (now - s->away_ms > SHELL_AWAY_SAY_S * 1000u)
			say_away(s, s->ended_ms != 0);
		try_later(s);
	}
}

bool shell_away(struct shell *s, const char *why)
{
	if (s->n_over == s->n)
		return false;
	if (s->away_ms == 0) {
		s->away_ms = clock_ms();
		s->retry.repeat = RETRY_S / 2;
	}
	s->state = SHELL_AWAY;
	for (size_t i = 0; i < s->n; i++)
		leave(s, &s->remotes[i]);
	shell_input_update(s);
	stream_deinit(&s->door);
	for (size_t i = 0; s->wanted && i < s->spec->n_files; i++)
		s->wanted[i].yes = false; /* it is asked for anew */
	try_later(s);
	return true;
}

void shell_resume_stop(struct shell *s)
{
	ev_timer_stop(s->loop, &s->retry);
	journal_clear(&s->sent);
}

static void ask_for(struct shell *s, size_t i)
{
	const struct remote *r = &s->remotes[i];
	struct message_small m;
	struct message_resume x = {
		.job = (uint32_t)i,
		.node = r->node,
		.pid = ghosts_pid(&s->ghosts, (uint32_t)i),
		.window = s->spec->window,
		.at.key.index = (uint32_t)i,
	};

	if (x.pid == 0)
		x.pid = (uint32_t)getpid();
	memcpy(x.at.key.random, s->key, sizeof(s->key));
	for (int k = 0; k < 2; k++) {
		x.at.received[k] = r->received[k];
		x.at.granted[k] = r->granted[k];
	}
	x.at.flags = (uint8_t)((r->source[0].ended ? MESSAGE_OUTPUT_ENDED : 0) |
			       (r->source[1].ended ? MESSAGE_ERROR_ENDED : 0));
	message_resume_write(message_begin(&m, MESSAGE_RESUME), &x);
	(void)stream_send_writer(&s->door, &m.w); /* a door that fails is knocked at again */
}

/* Signals that came for one process alone. */
static void send_away(struct shell *s, size_t i)
{
	struct remote *r = &s->remotes[i];
	struct message_small m;

	for (uint8_t signal = 1; signal <= PENDING_SIGNALS && !r->over; signal++) {
		if (!pending_has(r->away_signals, signal))
			continue;
		message_signal_write(message_begin(&m, MESSAGE_SIGNAL), (uint32_t)i, 1, signal);
		(void)stream_send_writer(&s->door, &m.w); /* it is knocked at again */
	}
	r->away_signals = 0;
}

/* bpmaster is there again. */
int shell_take_done(void *shell, struct reader *r)
{
	struct shell *s = shell;
	const char *words;
	uint32_t error;
	int e = message_done_read(r, &error, &words);

	if (e < 0)
		return e;
	if (error != 0) {
		log_err(0, "%s", words);
		return -EACCES;
	}
	s->state = SHELL_UP;
	if (s->away_said)
		terminal_raw(&s->terminal);
	s->away_ms = 0;
	s->away_said = false;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->remotes[i].over)
			ask_for(s, i);
	}
	for (int signal = 1; signal <= PENDING_SIGNALS; signal++) {
		if (pending_has(s->away_signals, signal))
			shell_signal(s, signal);
	}
	s->away_signals = 0;
	for (size_t i = 0; i < s->n; i++)
		send_away(s, i);
	return 0;
}

int shell_take_suspended(void *shell, struct reader *r)
{
	struct shell *s = shell;
	uint32_t job = reader_be32(r);
	int e = reader_end(r);

	if (e < 0 || job >= s->n)
		return -EPROTO;
	if (s->remotes[job].over)
		return 0;
	leave(s, &s->remotes[job]);
	shell_input_update(s);
	ask_for(s, job);
	return 0;
}

int shell_take_resumed(void *shell, struct reader *r)
{
	struct shell *s = shell;
	struct message_resumed x;
	struct remote *re;
	int e = message_resumed_read(r, &x);

	if (e < 0)
		return e;
	if (x.job >= s->n || s->remotes[x.job].here)
		return -EPROTO;
	if (s->remotes[x.job].over)
		return 0;
	re = &s->remotes[x.job];
	re->here = true;
	if (s->n > 1)
		ghosts_back(&s->ghosts, x.job);
	shell_children_again(s, x.job);
	if (x.flags & MESSAGE_HAS_STARTED) {
		if (x.flags & MESSAGE_LACKS_CWD && !re->settled &&
		    nodeset_add(&s->lacking, re->node) < 0)
			return -ENOMEM;
		shell_settled(s, re);
	}
	re->eaten = x.granted;
	if (x.flags & MESSAGE_INPUT_SHUT)
		re->input_closed = true;
	else if (shell_input_again(s, x.job, x.received, x.flags & MESSAGE_INPUT_ENDED) < 0)
		return -EPROTO;
	for (int k = 0; k < 2; k++)
		shell_grant(s, x.job, k, re->source[k].let_out);
	shell_input_update(s);
	if (s->terminal.fd >= 0)
		shell_send_size(s);
	if (s->ghost.loop && ghost_goes_on(&s->ghost))
		shell_signal(s, SIGCONT);
	else if (x.flags & MESSAGE_IS_STOPPED && s->ghost.loop)
		ghost_stopped(&s->ghost);
	if (x.flags & MESSAGE_IS_STOPPED && s->n > 1)
		ghosts_stopped(&s->ghosts, x.job);
	return 0;
}

bool shell_run_again(struct shell *s, size_t i, const struct message_failed *f)
{
	struct remote *r = &s->remotes[i];

	if (f->how != MESSAGE_LOST || f->error != ESTALE || r->settled ||
	    r->again == SHELL_AGAIN_MAX)
		return false;
	r->again++;
	r->here = true;
	return shell_send_run(s, (uint32_t)i, &r->node, 1) == 0 &&
	       shell_input_again(s, i, 0, false) == 0;
}
