/*
 * process_internal.h - a process of the space, for the files of bpslave that deal with processes
 */
#pragma once

#include <sys/resource.h>

#include "space/follow.h"
#include "space/journal.h"
#include "space/process.h"
#include "wire/message.h"

struct process {
	struct process *next;
	struct processes *all;
	uint32_t job;		/* 0 while nobody has asked for it on this connection */
	struct message_key key; /* what knows it over all connections */
	uint32_t uid;
	uint32_t seen;		/* pid of who stands for it, as the master sees it; 0: not known */
	bool abandoned;		/* nobody waits for it */
	bool starting;		/* not known yet whether it runs */
	bool started, cwd_missing;
	bool stopped;
	uint8_t *last; /* owned: the last message, until it is abandoned */
	size_t last_n;
	uint32_t continued; /* SIGCONTs to be answered when it does */
	pid_t pid;	    /* as we see it */
	pid_t number;	    /* as it and its ghost see it */
	bool ended;
	bool starved; /* the kernel has ended it for want of memory */
	int status; /* of wait4() */
	struct rusage usage;
	struct carry *carry; /* its files, or NULL; owned */
	struct follow *follow; /* what it forks, or NULL; owned */
	uint64_t start_us, end_us;

	int report_fd;
	struct ev_io report;
	struct buffer report_text;

	int input_fd;
	struct ev_io input;
	struct buffer waiting; /* input that did not fit in the pipe */
	bool input_ended;
	uint64_t got;	/* bytes of input that came */
	uint32_t signals; /* that it was sent */
	uint32_t eaten; /* input written since the last grant */

	int output_fd[2];
	struct ev_io output[2];
	bool carried[2]; /* an output that comes over the channel */
	uint32_t window;
	uint32_t credit[2];	/* bytes that may be read and sent */
	struct journal sent[2]; /* what was, and has not been granted again */
};

/* process.c */
void process_say(struct processes *ps, const struct message_small *m);
/* Of a process, when somebody has asked for it on this connection. */
void process_tell(const struct process *p, const struct message_small *m);
/* A FAILED. */
void process_failed(struct message_small *m, uint32_t job, enum message_how how, int error,
		    const char *words);
/* Kill it and close its streams. */
void process_abandon(struct process *p);
/* See whether it has ended. Return: true when it has; it is settled, and may be gone. */
bool process_reap(struct process *p);
/* Say and forget a process of which nothing more can come. */
void process_settle(struct process *p);
/* By the job's number on the channel, or NULL. */
struct process *process_find(const struct processes *ps, uint32_t job);
/* Read its report as far as it is there (return: true at its end), and take it. */
bool process_report_read(struct process *p);
void process_report_take(struct process *p);

/* process_io.c: its streams */
struct spawned;
void process_io_init(struct process *p, const struct spawned *sp, uint32_t window);
void process_close_input(struct process *p);
void process_close_output(struct process *p, int i);
/* Send output @i again from @place on, and its end unless that is known. */
void process_send_again(struct process *p, int i, uint64_t place, bool end_known);
void process_watch_output(struct process *p, int i);

/* process_signals.c */
/* Send a signal to its process group. */
void process_signal(const struct process *p, int signal);
/* The same, where one of the keyboard has to stop it, as it would here. */
void process_signal_as_here(const struct process *p, int signal);
void process_continued(const struct process *p, bool asked);
/* Stopped or continued by whoever. */
void process_changed(struct processes *ps, pid_t pid, int status);
