/*
 * spawn.c - from a spec to a running process
 *
 * All that may fail is done in the child, as the user that it is for, so that the user's rights
 * decide about files and directories. What failed comes back over a pipe that closes on exec: its
 * plain end means that the program runs. The slave never waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "space/follow.h"
#include "space/oom.h"
#include "space/pty.h"
#include "space/spawn.h"

#define PATH_DEFAULT   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define BUSY_TRIES     500
#define BUSY_US	       2000 /* between two of them */
#define EXIT_NEVER_RAN 127  /* nobody sees it: the report says more */

static const char *const io_names[3] = { "standard input", "standard output", "standard error" };

/* The child's end of everything. */
struct child {
	const struct message_spec *spec;
	const struct message_credentials *who;
	const struct realm *realm;
	const struct carry *carry; /* or NULL: the node has what it needs */
	int io[3];		   /* pipe ends, or FD_NONE; of a terminal three times the same */
	int self;		   /* our own executable, when that is what runs */
	int report;
	const int *gate; /* of who follows it (follow.h), or NULL */
};

/* What a report says. */
enum { REPORT_FAILURE, REPORT_CWD_MISSING, REPORT_NO_COMMAND };

static void report(const struct child *c, uint8_t kind, int err, const char *words)
{
	uint8_t buf[SPAWN_REPORT_MAX];
	struct writer w = WRITER(buf, sizeof(buf));
	size_t n;

	writer_u8(&w, kind);
	writer_be32(&w, (uint32_t)err);
	writer_cstr(&w, words);
	if (writer_end(&w, &n) == 0 && fd_write_all(c->report, buf, n) < 0)
		_exit(EXIT_NEVER_RAN); /* nobody is left to tell */
}

static _noreturn_ void give_up(const struct child *c, int err, const char *what, const char *name)
{
	char words[MESSAGE_WORDS_MAX];
	bool missing;

	snprintf(words, sizeof(words), "%s%.300s%s", what, name,
		 what[strlen(what) - 1] == '\'' ? "'" : "");
	for (char *p = words; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	missing = err == ENOENT && c->spec->argv && name == c->spec->argv[0];
	report(c, missing ? REPORT_NO_COMMAND : REPORT_FAILURE, err, words);
	_exit(EXIT_NEVER_RAN);
}

static _noreturn_ void failed_to_run(const struct child *c, int err)
{
	char what[128] = "cannot run '";
	struct utsname u;

	/* most often it was sent by a front end of another kind */
	if (err == ENOEXEC && uname(&u) == 0)
		snprintf(what, sizeof(what), "its processor is %.64s: cannot run '", u.machine);
	give_up(c, err, what, c->spec->argv[0]);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL); /* KILL and STOP refuse */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail */
}

/* Each limit as the caller has it, but never above what the slave itself may have. */
static void set_limits(const struct message_spec *spec)
{
	for (uint32_t i = 0; i < spec->n_limits; i++) {
		struct rlimit own, l = { spec->limits[i].current, spec->limits[i].maximum };

		if (getrlimit((__rlimit_resource_t)i, &own) < 0)
			continue;
		l.rlim_max = MIN(l.rlim_max, own.rlim_max);
		l.rlim_cur = MIN(l.rlim_cur, l.rlim_max);
		if (l.rlim_cur == own.rlim_cur && l.rlim_max == own.rlim_max)
			continue;
		(void)setrlimit((__rlimit_resource_t)i,
				&l); /* a limit that this kernel lacks stays as it is */
	}
}

static void become(const struct child *c)
{
	const struct message_credentials *who = c->who;
	gid_t groups[MESSAGE_GROUPS_MAX];

	if (geteuid() != 0) {
		if (who->uid != geteuid())
			give_up(c, EPERM,
				"bpslave does not run as root and cannot run programs of other "
				"users",
				"");
		return;
	}
	for (uint32_t i = 0; i < who->n_groups; i++)
		groups[i] = who->groups[i];
	/* EPERM: a user namespace that denies setgroups; the groups there are those of its maker */
	if (setgroups(who->n_groups, groups) < 0 && errno != EPERM)
		give_up(c, errno, "cannot set the user's groups", "");
	if (setresgid(who->gid, who->gid, who->gid) < 0)
		give_up(c, errno, "cannot become the user's group", "");
	if (setresuid(who->uid, who->uid, who->uid) < 0)
		give_up(c, errno, "cannot become the user", "");
}

static void set_io(const struct child *c, int i)
{
	const struct message_spec *s = c->spec;
	bool null = i == 0 ? s->flags & MESSAGE_STDIN_NULL : s->flags & MESSAGE_OUTPUT_NULL;
	const char *path = s->flags & MESSAGE_PTY ? NULL
			   : *s->io[i]		  ? s->io[i]
			   : null		  ? "/dev/null"
						  : NULL;
	int flags = i == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, fd = c->io[i];

	if (path && i == 2 && !strcmp(path, s->io[1])) {
		fd = STDOUT_FILENO;
	} else if (path) {
		fd = open(path, flags | O_NOCTTY, 0666);
		if (fd < 0)
			give_up(c, errno, i == 0 ? "cannot read '" : "cannot write '", path);
	}
	if (fd < 0 || dup2(fd, i) < 0)
		give_up(c, fd < 0 ? EBADF : errno, "cannot set up ", io_names[i]);
	if (path && fd > STDERR_FILENO)
		close(fd);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Wait until we are traced; each fork of ours will stop then. */
static void be_followed(const struct child *c)
{
	int r = follow_wait(c->gate);

	if (r == 0)
		r = follow_filter();
	if (r < 0)
		give_up(c, -r,
			"what it forks cannot have ghosts here: bpslave may not trace it, or does "
			"not run as root",
			"");
}

/* Wait for the program's files. Files that arrive for others are open for writing in us, too, and
 * could not be executed as long as they are. */
static void wait_files(const struct child *c)
{
	int keep[] = { STDERR_FILENO, c->io[0],		 c->io[1],	   c->io[2],
		       c->report,     c->carry->gate[0], c->realm->mounts, c->realm->root,
		       c->carry->strings ? c->carry->strings->fd : FD_NONE };
	char words[MESSAGE_WORDS_MAX];
	int r;

	qsort(keep, ARRAY_SIZE(keep), sizeof(int), by_number);
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		unsigned next = i + 1 < ARRAY_SIZE(keep) ? (unsigned)keep[i + 1] : ~0u;

		if (keep[i] >= STDERR_FILENO && next > (unsigned)keep[i] + 1)
			(void)close_range((unsigned)keep[i] + 1, next == ~0u ? next : next - 1, 0);
	}
	r = carry_wait(c->carry->gate[0], words);
	if (r < 0)
		give_up(c, -r, words, "");
	close(c->carry->gate[0]);
}

/* The arguments and variables that came apart belong to the spec. */
static void join_strings(struct child *c, struct message_spec *spec)
{
	char words[MESSAGE_WORDS_MAX];
	int r;

	*spec = *c->spec;
	c->spec = spec;
	r = carry_strings_take(c->carry, spec, words);
	if (r < 0)
		give_up(c, -r, words, "");
}

static void place(const struct child *c)
{
	char words[MESSAGE_WORDS_MAX];
	int r = place_files(&c->carry->place, words);

	if (r < 0)
		give_up(c, -r, words, "");
}

/* Become the program. Return: when it cannot be, with errno. */
static void execute(const struct child *c)
{
	const struct message_spec *s = c->spec;
	const char *program = c->carry ? c->carry->place.program : NULL;
	char **argv = s->argv + (s->flags & MESSAGE_FILE_FIRST ? 1 : 0);

	if (s->flags & MESSAGE_AGENT)
		(void)execveat(c->self, "", argv, environ, AT_EMPTY_PATH);
	else if (!program && s->flags & MESSAGE_FILE_FIRST)
		execv(s->argv[0], argv);
	else if (!program)
		execvp(s->argv[0], argv);
	/* A child that was made while the file was written, and has not closed it yet. */
	for (int i = 0; program && i < BUSY_TRIES; i++) {
		execv(program, argv);
		if (errno != ETXTBSY)
			break;
		(void)usleep(BUSY_US);
	}
}

/* The environment of the caller, and what the node adds. */
static void set_environment(const struct child *c)
{
	const char *node = getenv(SPAWN_NODE);
	char rank[12];

	environ = c->spec->env;
	if (setenv("PATH", PATH_DEFAULT, 0) < 0)
		give_up(c, errno, "cannot set PATH", "");
	if (node && setenv(SPAWN_NODE, node, 1) < 0)
		give_up(c, errno, "cannot set " SPAWN_NODE, "");
	snprintf(rank, sizeof(rank), "%u", c->spec->rank);
	if (c->spec->flags & MESSAGE_RANKED && setenv(SPAWN_RANK, rank, 1) < 0)
		give_up(c, errno, "cannot set " SPAWN_RANK, "");
}

static _noreturn_ void child_main(struct child *c)
{
	struct message_spec joined;
	const struct message_spec *s;
	int r;

	r = oom_ordinary();
	if (r < 0)
		give_up(c, -r, "cannot let the kernel end it when memory has run out", "");
	reset_signals();
	(void)setsid(); /* cannot fail: a fresh child leads nothing */
	if (c->gate)
		be_followed(c);
	if (c->carry && c->carry->gate[0] >= 0)
		wait_files(c);
	if (c->spec->flags & MESSAGE_APART)
		join_strings(c, &joined);
	s = c->spec;
	if (s->flags & MESSAGE_AGENT) /* before /proc is another one */
		c->self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	r = s->flags & MESSAGE_PTY ? pty_control(c->io[0]) : 0;
	if (r < 0)
		give_up(c, -r, "cannot take the terminal", "");
	r = realm_enter(c->realm);
	if (r < 0)
		give_up(c, -r, "cannot enter the mounts of the space", "");
	if (c->carry)
		place(c);
	umask(s->umask);
	set_limits(s);
	become(c);
	if (chdir(s->cwd) < 0) {
		if (chdir("/") < 0)
			give_up(c, errno, "cannot change to '", "/");
		report(c, REPORT_CWD_MISSING, 0, "");
	}
	for (int i = 0; i < 3; i++)
		set_io(c, i);
	set_environment(c);
	execute(c);
	failed_to_run(c, errno);
}

/* Pipes with descriptors above 2, so that dup2() in the child never hits one of them. */
static int pipe_high(int ret[2])
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		int fd = p[i] > STDERR_FILENO ? p[i]
					      : fcntl(p[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (fd < 0) {
			int e = -errno;

			fd_close(p[0]);
			fd_close(p[1]);
			return e;
		}
		if (fd != p[i])
			fd_close(p[i]);
		p[i] = fd;
	}
	ret[0] = p[0];
	ret[1] = p[1];
	return 0;
}

static bool carries(const struct message_spec *s, int i)
{
	if (s->flags & MESSAGE_PTY)
		return false;
	return !*s->io[i] && !(s->flags & (i == 0 ? MESSAGE_STDIN_NULL : MESSAGE_OUTPUT_NULL));
}

static void close_all(int fds[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		fds[i] = fd_close(fds[i]);
}

/* Both directions of our end are descriptors of their own, as those of pipes are. */
static int open_terminal(const struct message_spec *spec, const struct message_credentials *who,
			 int ours[static 4], int theirs[static 4])
{
	_cleanup_close_ int master = FD_NONE, slave = FD_NONE;
	int r = pty_open(spec, who, &master, &slave);

	if (r == 0)
		r = fd_set_nonblock(master, 1);
	for (int i = 0; i < 3 && r == 0; i++) {
		theirs[i] = fcntl(slave, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (i < 2)
			ours[i] = fcntl(master, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		r = theirs[i] < 0 || (i < 2 && ours[i] < 0) ? -errno : 0;
	}
	return r;
}

int spawn(const struct realm *realm, pid_t number, const struct message_spec *spec,
	  const struct message_credentials *who, const struct carry *carry, const int *gate,
	  struct spawned *ret)
{
	struct child c = { .spec = spec, .who = who, .realm = realm, .carry = carry, .gate = gate };
	int ends[4][2]; /* input, output, error, report: read and write end */
	int ours[4] = { FD_NONE, FD_NONE, FD_NONE, FD_NONE },
	    theirs[4] = { FD_NONE, FD_NONE, FD_NONE, FD_NONE };
	int r = 0;
	pid_t pid;

	if (spec->flags & MESSAGE_PTY)
		r = open_terminal(spec, who, ours, theirs);
	for (int i = 0; i < 4 && r == 0; i++) {
		if (i < 3 && !carries(spec, i))
			continue;
		r = pipe_high(ends[i]);
		if (r == 0) {
			ours[i] = ends[i][i == 0];
			theirs[i] = ends[i][i != 0];
			r = fd_set_nonblock(ours[i], 1);
		}
	}
	if (r < 0)
		goto out;
	memcpy(c.io, theirs, sizeof(c.io));
	c.report = theirs[3];
	pid = realm_fork(realm, number, &number);
	if (pid == 0)
		child_main(&c);
	if (pid < 0) {
		r = pid;
		goto out;
	}
	*ret = (struct spawned){ .pid = pid,
				 .number = number,
				 .input = TAKE_FD(ours[0]),
				 .output = { TAKE_FD(ours[1]), TAKE_FD(ours[2]) },
				 .report = TAKE_FD(ours[3]) };
out:
	close_all(ours, 4);
	close_all(theirs, 4);
	return r;
}

int spawn_report_parse(const void *p, size_t n, struct spawn_report *ret)
{
	struct spawn_report rep = { 0 };
	struct reader r = READER(p, n);

	while (r.left > 0 && !r.err) {
		uint8_t kind = reader_u8(&r);
		const char *words;

		rep.cwd_missing |= kind == REPORT_CWD_MISSING;
		rep.no_command |= kind == REPORT_NO_COMMAND;
		rep.error = reader_be32(&r);
		words = reader_cstr(&r);
		if (words)
			snprintf(rep.words, sizeof(rep.words), "%s", words);
	}
	if (r.err)
		return r.err;
	*ret = rep;
	return 0;
}
