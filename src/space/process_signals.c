/*
 * process_signals.c - signals to a process, and its stops
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/parse.h"
#include "space/process_internal.h"

#define STATUS_MAX 8192u /* /proc/PID/status */

/*
 * Send a signal to the process group. The group keeps its number as long as it has a member; once
 * its leader was reaped, a process of that number is another one's.
 */
void process_signal(const struct process *p, int signal)
{
	if (p->ended && kill(p->pid, 0) == 0)
		return;
	(void)kill(-p->pid, signal); /* ESRCH: it has ended */
}

/*
 * Whether a stop from the keyboard stops it: nobody in its session controls jobs, so the kernel
 * would throw the signal away where it is not caught.
 */
static bool stops_by_default(const struct process *p, int signal)
{
	_cleanup_buffer_ struct buffer text = BUFFER(STATUS_MAX);
	const char *masks[] = { "\nSigIgn:\t", "\nSigCgt:\t" };
	uint8_t mask[8];
	char path[32];

	if (signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", p->pid);
	if (file_read(AT_FDCWD, path, &text) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		const char *at = strstr(buffer_str(&text), masks[i]);

		if (at && parse_hex(at + strlen(masks[i]), mask, sizeof(mask)) == 0 &&
		    mask[7 - (signal - 1) / 8] >> ((signal - 1) % 8) & 1)
			return false;
	}
	return true;
}

void process_signal_as_here(const struct process *p, int signal)
{
	process_signal(p, stops_by_default(p, signal) ? SIGSTOP : signal);
}

void process_continued(const struct process *p, bool asked)
{
	struct message_small m;

	message_continued_write(message_begin(&m, MESSAGE_CONTINUED), p->job, asked);
	process_tell(p, &m);
}

int processes_take_signal(struct processes *ps, struct reader *r)
{
	uint32_t job, count;
	uint8_t signal;
	struct process *p;
	int e = message_signal_read(r, &job, &count, &signal);

	if (e < 0)
		return e;
	p = process_find(ps, job);
	if (!p)
		return 0;
	p->signals++;
	process_signal_as_here(p, signal);
	if (signal == SIGCONT && p->starting)
		p->continued++;
	else if (signal == SIGCONT)
		process_continued(p, true);
	return 0;
}

void process_changed(struct processes *ps, pid_t pid, int status)
{
	struct message_small m;
	struct process *p;

	for (p = ps->list; p && (p->pid != pid || p->ended); p = p->next)
		;
	if (!p || p->abandoned)
		return;
	p->stopped = WIFSTOPPED(status);
	if (p->starting && process_report_read(p))
		process_report_take(p); /* it runs: that comes first */
	if (!p->started || p->ended)
		return;
	if (WIFCONTINUED(status)) {
		process_continued(p, false);
		return;
	}
	message_stopped_write(message_begin(&m, MESSAGE_STOPPED), p->job,
			      (uint8_t)WSTOPSIG(status));
	process_tell(p, &m);
}
