/*
 * shell.c - run a command on many nodes and stand for it here
 *
 * All processes are asked for in one message. For a single one we are its ghost (ghost.h), and end
 * as it does. Of several, our exit status is the largest of theirs; what has none (killed by a
 * signal, lost with its node) counts as 255 and is said. Signals that would end us are passed on to
 * all, and we end when the processes have.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "space/shell_internal.h"

#define DIVIDER "---------------------------------------------------------------------"

bool shell_door_takes(struct shell *s, const struct message_small *m)
{
	int r = stream_send_writer(&s->door, &m->w);

	if (r == 0)
		stream_flush(&s->door);
	return r == 0 && !s->door.over;
}

/* It waits for bpmaster, and comes behind what waits for one process alone. */
static void wait_for_master(struct shell *s, int signal)
{
	pending_add(&s->away_signals, signal);
	for (size_t i = 0; i < s->n; i++)
		s->remotes[i].away_signals &= ~pending_undone(signal);
}

void shell_signal(struct shell *s, int signal)
{
	struct message_small m;

	if (s->state != SHELL_UP && s->away_said && signal == SIGINT) {
		log_err(0, "interrupted while bpmaster is away: what runs on the nodes ends later");
		shell_raise(s, SHELL_ABNORMAL);
		ev_break(s->loop, EVBREAK_ALL);
		return;
	}
	if (s->state != SHELL_UP) {
		wait_for_master(s, signal);
		return;
	}
	message_signal_write(message_begin(&m, MESSAGE_SIGNAL), 0, (uint32_t)s->n, (uint8_t)signal);
	if (!shell_door_takes(s, &m))
		wait_for_master(s, signal);
}

/* The nodes whose processes still run, as text. */
static const char *still_running(const struct shell *s, struct buffer *text)
{
	_cleanup_nodeset_ struct nodeset set = NODESET();

	for (size_t i = 0; i < s->n; i++) {
		if (!s->remotes[i].over && nodeset_add(&set, s->remotes[i].node) < 0)
			return "some nodes";
	}
	return nodeset_format(&set, text) < 0 ? "some nodes" : buffer_str(text);
}

void shell_send_size(struct shell *s)
{
	struct message_resize m = { .job = 0 };
	struct message_small msg;

	terminal_size(&s->terminal, &m.rows, &m.columns);
	message_resize_write(message_begin(&msg, MESSAGE_RESIZE), &m);
	(void)stream_send_writer(&s->door, &msg.w); /* a door that fails ends the shell */
}

/* Sent to us. */
static void on_ghost_signal(void *owner, int signal)
{
	struct shell *s = owner;
	_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);

	if (signal == SIGWINCH && s->terminal.fd >= 0) {
		shell_send_size(s);
		return;
	}
	s->interrupts += s->n > 1 && signal == SIGINT;
	if (signal == SIGINT && s->interrupts == 1 && isatty(STDERR_FILENO)) {
		log_info("waiting for %zu of %zu nodes: %s; ^C again is passed on to them, a "
			 "third one ends them",
			 s->n - s->n_over, s->n, still_running(s, &text));
		return;
	}
	if (s->interrupts >= SHELL_INTERRUPTS) {
		log_err(0, "interrupted: ending the processes on %s", still_running(s, &text));
		shell_raise(s, SHELL_ABNORMAL);
		ev_break(s->loop, EVBREAK_ALL);
		return;
	}
	if (signal == SIGCONT)
		ghosts_sent_continue(&s->ghosts);
	shell_signal(s, signal);
}

/* Sent to the ghost of one of several. */
static void on_ghosts_signal(void *owner, uint32_t index, int signal)
{
	struct shell *s = owner;
	struct message_small m;

	if (index >= s->n || s->n == 1) {
		shell_child_signal(s, index, signal);
		return;
	}
	if (s->remotes[index].over)
		return;
	if (s->state != SHELL_UP) {
		pending_add(&s->remotes[index].away_signals, signal);
		return;
	}
	message_signal_write(message_begin(&m, MESSAGE_SIGNAL), index, 1, (uint8_t)signal);
	if (!shell_door_takes(s, &m))
		pending_add(&s->remotes[index].away_signals, signal);
}

/* We were stopped, and others had the terminal. */
static void on_resumed(void *owner)
{
	struct shell *s = owner;

	terminal_raw(&s->terminal);
	shell_send_size(s);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct shell *s = w->data;
	_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);

	terminal_restore(&s->terminal);
	log_err(0, "timed out after %u s: ending the processes on %s", s->options->timeout_s,
		still_running(s, &text));
	shell_raise(s, SHELL_ABNORMAL);
	ev_break(loop, EVBREAK_ALL);
}

/* Let out what is allowed; go on to the next node, or end. */
static void advance(struct shell *s)
{
	char divider[128];

	for (;;) {
		for (int i = 0; i < 2; i++)
			output_pump(&s->output[i]);
		if (!s->options->sequential || s->current >= s->n)
			break;
		if (!s->remotes[s->current].over || s->remotes[s->current].source[0].text.len > 0 ||
		    s->remotes[s->current].source[1].text.len > 0)
			break;
		s->current++;
		s->output[0].only = s->output[1].only = (ssize_t)s->current;
		if (s->options->divider && s->current < s->n) {
			snprintf(divider, sizeof(divider), "%u\t%s\n", s->remotes[s->current].node,
				 DIVIDER);
			output_text(&s->output[0], divider);
		}
	}
	if (!s->unwritable && (s->output[0].err < 0 || s->output[1].err < 0)) {
		s->unwritable = true;
		log_err(s->output[0].err < 0 ? s->output[0].err : s->output[1].err,
			"cannot write the output");
		shell_raise(s, SHELL_ABNORMAL);
		ev_break(s->loop, EVBREAK_ALL);
	}
	if (s->n_over == s->n && (s->options->fold || s->options->diff) && !s->folded) {
		shell_fold(s);
		advance(s);
		return;
	}
	if (s->n_over == s->n && output_idle(&s->output[0]) && output_idle(&s->output[1]))
		ev_break(s->loop, EVBREAK_ALL);
}

/* Nodes that have not started the command by now are given up. */
static void on_starting(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct shell *s = w->data;
	_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);
	_cleanup_nodeset_ struct nodeset late = NODESET();

	for (size_t i = 0; i < s->n; i++) {
		struct remote *r = &s->remotes[i];
		struct message_small m;

		if (r->settled)
			continue;
		(void)!nodeset_add(&late, r->node); /* only less is said without memory */
		message_input_write(message_begin(&m, MESSAGE_ABANDON), (uint32_t)i, 1);
		(void)stream_send_writer(&s->door, &m.w); /* a door that fails ends the shell */
		r->abandoned = true;
		shell_remote_over(s, r);
	}
	if (late.n == 0)
		return;
	terminal_restore(&s->terminal);
	log_err(0, "not started within %u s on node%s %s: giving up on %s", s->options->start_s,
		late.n == 1 ? "" : "s", nodeset_format(&late, &text) < 0 ? "" : buffer_str(&text),
		late.n == 1 ? "it" : "them");
	shell_raise(s, SHELL_NO_NODE);
	advance(s);
}

static void on_moved(void *owner)
{
	advance(owner);
}

void shell_grant(struct shell *s, size_t i, int stream, uint32_t bytes)
{
	struct message_small m;

	if (bytes < s->grant_bytes || s->remotes[i].over || !s->remotes[i].here)
		return;
	message_credit_write(message_begin(&m, MESSAGE_OUTPUT_CREDIT), (uint32_t)i,
			     (uint8_t)(stream + 1), bytes);
	(void)stream_send_writer(&s->door, &m.w); /* a door that fails ends the shell */
	s->remotes[i].granted[stream] += bytes;
	s->remotes[i].source[stream].let_out = 0;
}

static void grant_output(void *owner, size_t i, uint32_t bytes)
{
	shell_grant(owner, i, 0, bytes);
}

static void grant_error(void *owner, size_t i, uint32_t bytes)
{
	shell_grant(owner, i, 1, bytes);
}

static int on_message(struct stream *st, const uint8_t *p, size_t n)
{
	struct shell *s = st->owner;
	const char *why;
	int r = message_dispatch(shell_takes, s->state, s, p, n, &why);

	if (r < 0)
		stream_fail(st, r, why);
	else
		advance(s);
	return r;
}

static void on_close(struct stream *st, int err, const char *why)
{
	struct shell *s = st->owner;

	if ((err == 0 || err == -ECONNRESET || err == -EPIPE) && shell_away(s, why))
		return;
	terminal_restore(&s->terminal);
	log_err(0, "lost bpmaster: %s", why ? why : strerror(-err));
	s->err = err < 0 ? err : -ECONNRESET;
	shell_raise(s, SHELL_ABNORMAL);
	ev_break(s->loop, EVBREAK_ALL);
}

static void on_drained(struct stream *st)
{
	shell_drained(st->owner);
}

const struct stream_calls shell_door_calls = {
	.message = on_message,
	.drained = on_drained,
	.close = on_close,
};

/* One for each of several processes, which are to have their numbers; for what they fork, later. */
static int make_ghosts(struct shell *s, const struct nodeset *nodes,
		       const struct message_spec *spec)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	_cleanup_free_ uint32_t *pids = NULL;
	const uint8_t type = MESSAGE_PIDS;
	int r;

	if (!s->options->ghosts || (s->n == 1 && !s->options->follow))
		return 0;
	pids = calloc(s->n, sizeof(*pids));
	r = !pids ? -ENOMEM
		  : ghosts_open(&s->ghosts, s->options->ghosts, spec->argv, spec->n_argv,
				nodes->numbers, s->n > 1 ? s->n : 0, s->options->follow, pids);
	if (r < 0) {
		log_warn(r, "cannot make %zu ghosts: signals reach the processes by bpsh alone",
			 s->n);
		return 0;
	}
	s->ghosts.signal = on_ghosts_signal;
	s->ghosts.owner = s;
	r = s->options->follow ? shell_children_open(s) : 0;
	if (r < 0 || s->n == 1)
		return r;
	r = buffer_append(&b, &type, 1);
	if (r == 0)
		r = message_nodes_write(&b, pids, s->n);
	return r < 0 ? r : stream_send(&s->door, b.data, b.len);
}

int shell_send_run(struct shell *s, uint32_t first, const uint32_t *nodes, size_t n)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	uint8_t head[9 + MESSAGE_KEY_BYTES];
	struct writer w = WRITER(head, sizeof(head));
	int r;

	writer_u8(&w, MESSAGE_RUN);
	writer_be32(&w, first);
	writer_be32(&w, (uint32_t)getpid());
	writer_bytes(&w, s->key, sizeof(s->key));
	r = buffer_append(&b, head, w.len);
	if (r == 0)
		r = message_nodes_write(&b, nodes, n);
	if (r == 0)
		r = message_spec_write(&b, s->spec);
	if (r == -E2BIG)
		return log_err(r, "arguments and environment need more than %u KiB",
			       MESSAGE_SPEC_MAX / 1024);
	return r < 0 ? r : stream_send(&s->door, b.data, b.len);
}

static int prepare(struct shell *s, const struct nodeset *nodes, const struct message_spec *spec)
{
	s->sent = JOURNAL(MESSAGE_WINDOW + MESSAGE_DATA_MAX);
	s->remotes = calloc(nodes->n, sizeof(*s->remotes));
	if (!s->remotes)
		return log_err(-ENOMEM, "cannot run on %zu nodes", nodes->n);
	s->n = nodes->n;
	for (int i = 0; i < 2; i++) {
		int r = output_init(&s->output[i], s->loop, i == 0 ? STDOUT_FILENO : STDERR_FILENO,
				    s->n);

		if (r < 0)
			return log_err(r, "cannot run on %zu nodes", s->n);
		s->output[i].by_line = s->options->by_line || (i == 1 && s->options->agent);
		s->output[i].prefix = s->options->prefix || (i == 1 && s->options->agent);
		s->output[i].printable = i == 1 && s->options->agent;
		s->output[i].line_max = MIN(s->options->line_max, spec->window);
		s->output[i].grant = i == 0 ? grant_output : grant_error;
		s->output[i].moved = on_moved;
		s->output[i].owner = s;
		s->output[i].only = s->options->sequential ? 0 : -1;
	}
	for (size_t i = 0; i < s->n; i++) {
		s->remotes[i].node = nodes->numbers[i];
		s->remotes[i].here = true;
		s->remotes[i].credit = MESSAGE_WINDOW;
		for (int k = 0; k < 2; k++) {
			s->remotes[i].source[k] =
				(struct output_source){ .node = nodes->numbers[i],
							.text = BUFFER(spec->window) };
			s->output[k].sources[i] = &s->remotes[i].source[k];
		}
	}
	return shell_gather_open(s);
}

/* Those who are not to get our input have none. */
static void close_inputs(struct shell *s)
{
	for (size_t i = 0; s->options->input_to && i < s->n; i++) {
		struct message_small m;

		if (nodeset_has(s->options->input_to, s->remotes[i].node))
			continue;
		message_input_write(message_begin(&m, MESSAGE_INPUT), (uint32_t)i, 1);
		(void)stream_send_writer(&s->door, &m.w); /* a door that fails ends the shell */
		s->remotes[i].input_closed = true;
	}
}

static void after(struct shell *s, struct ev_timer *w, uint32_t seconds,
		  void (*cb)(struct ev_loop *, struct ev_timer *, int))
{
	ev_timer_init(w, cb, seconds, 0.);
	w->data = s;
	if (seconds > 0)
		ev_timer_start(s->loop, w);
}

static void watch(struct shell *s)
{
	if (s->options->agent)
		return;
	s->ghost.signal = on_ghost_signal;
	if (s->options->terminal) {
		s->ghost.terminal = &s->terminal;
		s->ghost.resumed = on_resumed;
	}
	s->ghost.owner = s;
	if (ghost_open(&s->ghost, s->loop, s->options->socket) < 0)
		log_warn(0, "signals are not passed on");
	if (s->ghosts.list)
		ghosts_watch(&s->ghosts, s->loop);
	after(s, &s->timeout, s->options->timeout_s, on_timeout);
	after(s, &s->starting, s->options->start_s, on_starting);
}

static void shell_deinit(struct shell *s)
{
	shell_progress_end(s);
	terminal_close(&s->terminal);
	shell_say_lacking(s);
	ghost_close(&s->ghost);
	ghosts_close(&s->ghosts);
	shell_input_stop(s);
	shell_resume_stop(s);
	stream_deinit(&s->door);
	for (int i = 0; i < 2; i++)
		output_deinit(&s->output[i]);
	for (size_t i = 0; i < s->n; i++) {
		buffer_clear(&s->remotes[i].source[0].text);
		buffer_clear(&s->remotes[i].source[1].text);
		buffer_clear(&s->remotes[i].kept[0]);
		buffer_clear(&s->remotes[i].kept[1]);
	}
	free(s->remotes);
	free(s->wanted);
	free(s->children);
	ev_loop_destroy(s->loop);
}

static int lend_terminal(struct shell *s, struct message_spec *spec)
{
	int r = terminal_open(&s->terminal);

	if (r == -ENOTTY)
		return log_err(0, "-t lends the terminal, but standard input is none"), r;
	if (r < 0)
		return log_err(r, "cannot lend the terminal");
	terminal_size(&s->terminal, &spec->rows, &spec->columns);
	spec->flags |= MESSAGE_PTY;
	return 0;
}

int shell_run(struct caller *c, const struct nodeset *nodes, struct message_spec *spec,
	      const struct shell_options *o)
{
	struct shell s = { .options = o,
			   .spec = spec,
			   .cwd = spec->cwd,
			   .lacking = NODESET(),
			   .terminal = TERMINAL() };
	char divider[128];
	int r = o->terminal ? lend_terminal(&s, spec) : 0;

	if (r < 0)
		return r;
	s.loop = ev_loop_new(EVFLAG_AUTO);
	if (!s.loop)
		return log_err(-ENOMEM, "cannot start");
	spec->window =
		MIN(MAX(SHELL_MEMORY / (uint32_t)(2 * nodes->n), SHELL_WINDOW_MIN), MESSAGE_WINDOW);
	s.grant_bytes = spec->window / 4;
	r = prepare(&s, nodes, spec);
	if (r == 0)
		r = fd_set_nonblock(c->fd, 1);
	if (r == 0) {
		stream_init(&s.door, s.loop, TAKE_FD(c->fd), &shell_door_calls, &s,
			    MESSAGE_BYTES_MAX);
		s.state = SHELL_UP;
		r = caller_key(s.key);
	}
	if (r == 0)
		r = make_ghosts(&s, nodes, spec);
	if (r == 0) {
		r = shell_send_run(&s, 0, nodes->numbers, nodes->n);
	}
	if (r < 0) {
		shell_deinit(&s);
		return r;
	}
	if (o->divider) {
		snprintf(divider, sizeof(divider), "%u\t%s\n", nodes->numbers[0], DIVIDER);
		output_text(&s.output[0], divider);
	}
	if (s.n == 1 && !o->agent)
		ghost_title(&s.ghost, spec->argv, spec->n_argv, nodes->numbers[0]);
	watch(&s);
	terminal_raw(&s.terminal);
	close_inputs(&s);
	shell_progress(&s);
	shell_input_start(&s);
	ev_run(s.loop, 0);
	shell_deinit(&s);
	if (s.signal)
		ghost_end(&s.ghost, s.signal, s.core);
	return s.status;
}
