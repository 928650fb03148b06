/*
 * process_list.c - what runs in the realm of a node, as its /proc has it
 *
 * Reading thousands of processes takes a tenth of a second, in which nobody's output shall wait: it
 * is done in slices, one each time that the loop comes round, and one list after the other. A list
 * goes out in several messages; it is bounded in processes, and each of them in its words. Where a
 * node has no realm, only what belongs to a session of ours is told.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "space/process_internal.h"

#define LIST_MAX   16384u /* processes that are told of */
#define STAT_MAX   4096u  /* /proc/PID/stat */
#define FIELDS_MAX 22	  /* of it, behind the name */
#define STATUS_MAX 1024u  /* of /proc/PID/status: users and groups are in front */
#define HEAD_BYTES (1 + MESSAGE_PROCLIST_BYTES)
#define HOW_AT	   5 /* in that, behind type and token */
#define REAPER	   1	  /* of the realm; no process of anybody's */
#define SLICE_MS   2	  /* of a list, before others have their turn */
#define SLICE_STEP 8	  /* processes between two looks at the clock */
#define DRAIN_S	   0.01   /* until a channel that is full is looked at again */
#define LISTS_MAX  1024u  /* that wait at a time; more are told at once that there is nothing */

/* A list that is asked for; the first one is under construction. */
struct listing {
	struct listing *next;
	struct processes *ps;
	uint32_t token;
	size_t told;
	DIR *dir; /* owned; NULL before the first slice */
	struct writer w;
	uint8_t *bytes; /* owned: HEAD_BYTES + MESSAGE_DATA_MAX of them */
};

/* That the node has, in KiB. */
static uint64_t memory(void)
{
	struct sysinfo i;

	return sysinfo(&i) < 0 ? 0 : (uint64_t)i.totalram * i.mem_unit / 1024;
}

static void begin(struct listing *l)
{
	const struct message_proclist m = { .number = l->token,
					    .how = MESSAGE_MORE,
					    .memory_kib = memory() };

	l->w = WRITER(l->bytes, HEAD_BYTES + MESSAGE_DATA_MAX);
	writer_u8(&l->w, MESSAGE_PROCLIST);
	message_proclist_write(&l->w, &m);
}

static void flush(struct listing *l, enum message_going_on how)
{
	l->bytes[HOW_AT] = (uint8_t)how;
	if (l->ps->channel)
		(void)stream_send_writer(l->ps->channel, &l->w);
	begin(l);
}

/* A field that is a number; what cannot be read is 0. */
static uint64_t number(char *const *fields, int i)
{
	uint64_t n = 0;

	(void)!parse_u64(fields[i], 0, UINT64_MAX, &n);
	return n;
}

/* Fields of proc(5), the first of which is the state. Return: 0 or -EBADMSG. */
static int parse_stat(char *text, char *ret_name, struct message_process *ret)
{
	const uint64_t tick = (uint64_t)sysconf(_SC_CLK_TCK);
	char *fields[FIELDS_MAX], *open = strchr(text, '('), *close = strrchr(text, ')');
	struct message_process p = { 0 };
	uint64_t age;

	if (!open || !close || close < open || !close[1])
		return -EBADMSG;
	*close = 0;
	snprintf(ret_name, MESSAGE_NAME_MAX, "%s", open + 1);
	text = close + 2;
	for (int i = 0; i < FIELDS_MAX; i++) {
		fields[i] = strsep(&text, " ");
		if (!fields[i])
			return -EBADMSG;
	}
	p.state = *fields[0];
	p.parent = (uint32_t)number(fields, 1);
	p.group = (uint32_t)number(fields, 2);
	p.session = (uint32_t)number(fields, 3);
	p.tty = (uint32_t)number(fields, 4);
	p.foreground = p.tty ? (uint32_t)number(fields, 5) : 0; /* -1 is none, too */
	p.cpu_ms = (number(fields, 11) + number(fields, 12)) * 1000 / tick;
	p.nice = (int8_t)(*fields[16] == '-' ? -(int)strtoul(fields[16] + 1, NULL, 10)
					     : (int)number(fields, 16));
	p.threads = (uint32_t)number(fields, 17);
	age = number(fields, 19) * 1000 / tick;
	p.elapsed_ms = clock_boot_ms() > age ? clock_boot_ms() - age : 0;
	p.vsz_kib = number(fields, 20) / 1024;
	p.rss_kib = number(fields, 21) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	*ret = p;
	return 0;
}

/* The beginning of a file of the process, and a NUL. Return: its bytes; 0 when there is none. */
static ssize_t read_beginning(int proc, const char *pid, const char *name, char *ret, size_t max)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%.20s/%s", pid, name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, ret, max - 1);
	fd_close(fd);
	n = MAX(n, (ssize_t)0);
	ret[n] = 0;
	return n;
}

/* Two numbers of a line of /proc/PID/status. Return: whether they are there. */
static bool status_numbers(const char *status, const char *line, uint32_t *ret_1, uint32_t *ret_2)
{
	const char *at = strstr(status, line);
	char *end;

	if (!at)
		return false;
	*ret_1 = (uint32_t)strtoul(at + strlen(line), &end, 10);
	*ret_2 = (uint32_t)strtoul(end, &end, 10);
	return true;
}

/* Whose it is. The owner of /proc/PID does not say it of a process that may not be traced. */
static bool read_owner(int proc, const char *pid, struct message_process *p)
{
	char status[STATUS_MAX];
	uint32_t real_gid;

	return read_beginning(proc, pid, "status", status, sizeof(status)) > 0 &&
	       status_numbers(status, "\nUid:\t", &p->real_uid, &p->uid) &&
	       status_numbers(status, "\nGid:\t", &real_gid, &p->gid);
}

/* Arguments between spaces; "" when it has none, or has ended. */
static void read_args(int proc, const char *pid, char ret[static MESSAGE_ARGS_MAX])
{
	ssize_t n = read_beginning(proc, pid, "cmdline", ret, MESSAGE_ARGS_MAX);

	while (n > 0 && !ret[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		ret[i] = ret[i] ? ret[i] : ' ';
	ret[n] = 0;
}

/* Whether it belongs to a session of ours. */
static bool is_ours(const struct processes *ps, uint32_t session)
{
	for (const struct process *p = ps->list; p; p = p->next) {
		if ((uint32_t)p->pid == session)
			return true;
	}
	return false;
}

/* Whether it is there for a process of ours, and nobody's. */
static bool is_keeper(const struct processes *ps, uint32_t number)
{
	for (const struct process *p = ps->list; p; p = p->next) {
		if (p->follow && (uint32_t)follow_number(p->follow) == number)
			return true;
	}
	return false;
}

/* Return: whether it was told of. */
static bool add(struct listing *l, int proc, const char *pid)
{
	_cleanup_buffer_ struct buffer text = BUFFER(STAT_MAX);
	char path[32], name[MESSAGE_NAME_MAX], args[MESSAGE_ARGS_MAX];
	struct message_process p;
	uint32_t n;

	if (parse_u32(pid, 1, INT32_MAX, &n) < 0)
		return false; /* no process */
	snprintf(path, sizeof(path), "%.20s/stat", pid);
	if (file_read(proc, path, &text) < 0 || text.len == 0 ||
	    parse_stat((char *)text.data, name, &p) < 0)
		return false;
	if (l->ps->realm.init > 0 ? n == REAPER || is_keeper(l->ps, n) : !is_ours(l->ps, p.session))
		return false;
	if (!read_owner(proc, pid, &p))
		return false; /* not any more */
	read_args(proc, pid, args);
	p.pid = n;
	p.name = name;
	p.args = args;
	if (l->w.size - l->w.len < MESSAGE_PROCESS_MAX)
		flush(l, MESSAGE_MORE);
	message_process_write(&l->w, &p);
	return true;
}

/* Forget the first list, and go on with the next. */
static void forget(struct processes *ps)
{
	struct listing *l = ps->lists;

	ps->lists = l->next;
	ps->n_lists--;
	if (l->dir)
		(void)closedir(l->dir);
	free(l->bytes);
	free(l);
}

/* Begin to read. Without a /proc the list is empty. Return: 0 or -ENOMEM. */
static int open_list(struct listing *l)
{
	const struct realm *realm = &l->ps->realm;
	int fd;

	l->bytes = malloc(HEAD_BYTES + MESSAGE_DATA_MAX);
	if (!l->bytes)
		return -ENOMEM;
	begin(l);
	fd = openat(realm->init > 0 ? realm->root : AT_FDCWD, realm->init > 0 ? "proc" : "/proc",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->dir = fd < 0 ? NULL : fdopendir(fd);
	if (!l->dir)
		fd_close(fd);
	return 0;
}

static void on_slice(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct processes *ps = w->data;
	struct listing *l = ps->lists;
	uint64_t end = clock_ms() + SLICE_MS;
	const struct dirent *d = NULL;
	double after = 0;

	if (!l)
		return;
	if (!l->bytes && open_list(l) < 0) {
		after = DRAIN_S; /* there may be memory then */
	} else if (ps->channel && stream_queued(ps->channel) > PROCESS_CHANNEL_HIGH) {
		after = DRAIN_S;
	} else {
		for (unsigned i = 1; l->dir && l->told < LIST_MAX && (d = readdir(l->dir)); i++) {
			l->told += add(l, dirfd(l->dir), d->d_name);
			if (i % SLICE_STEP == 0 && clock_ms() >= end)
				break;
		}
		if (!d || l->told == LIST_MAX) {
			flush(l, MESSAGE_LAST);
			forget(ps);
		}
	}
	if (ps->lists) {
		ev_timer_set(w, after, 0);
		ev_timer_start(loop, w);
	}
}

int processes_take_look(struct processes *ps, struct reader *r)
{
	struct listing *l = NULL, **at = &ps->lists;
	uint32_t token = reader_be32(r);
	struct message_proclist none = { .number = token, .how = MESSAGE_LAST };
	struct message_small m;
	int e = reader_end(r);

	if (e < 0)
		return e;
	if (ps->n_lists < LISTS_MAX)
		l = calloc(1, sizeof(*l));
	if (!l) { /* who asks may have gone, and asks again and again */
		message_proclist_write(message_begin(&m, MESSAGE_PROCLIST), &none);
		process_say(ps, &m);
		return 0;
	}
	l->ps = ps;
	l->token = token;
	while (*at)
		at = &(*at)->next;
	*at = l;
	if (ps->n_lists++ == 0) {
		ev_timer_init(&ps->slice, on_slice, 0, 0);
		ps->slice.data = ps;
		ev_timer_start(ps->loop, &ps->slice);
	}
	return 0;
}

void processes_forget_lists(struct processes *ps)
{
	if (ps->n_lists > 0)
		ev_timer_stop(ps->loop, &ps->slice);
	while (ps->lists)
		forget(ps);
}
