/*
 * oom.c - who goes when a node's memory has run out: programs, and not what holds them
 *
 * The kernel then ends a process of its choice, mostly the largest (proc(5), oom_score_adj). Ours
 * are never the right ones: without bpslave, process 1 of the realm or a keeper others end, too. So
 * they are exempt, and each program is like any other again before it runs, by a child that is
 * still root, which also keeps a user from going back. The way there is held open: a program never
 * runs exempt because somebody has unmounted /proc.
 *
 * Which processes have ended so is in the kernel's log, before anybody can wait for them; a counter
 * (/proc/vmstat) would not say which. Its numbers are those of the first PID namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/parse.h"
#include "space/oom.h"

#define SCORE	     "self/oom_score_adj"
#define SCORE_EXEMPT (-1000)
#define SCORE_MAX    1000
#define TEXT_MAX     16u	 /* bytes of a score */
#define RECORD_MAX   8192u	 /* bytes of the kernel's log, at most, in one read */
#define FIRST_PID_NS 0xEFFFFFFCu /* its inode: PROC_PID_INIT_INO of the kernel */

static struct {
	int proc;	   /* the node's /proc, or FD_NONE */
	int log;	   /* /dev/kmsg, or FD_NONE */
	uint32_t ordinary; /* the score of programs */
	bool exempt;	   /* ours is not */
} oom = { .proc = FD_NONE, .log = FD_NONE };

static int set_score(int score)
{
	_cleanup_close_ int fd = openat(oom.proc, SCORE, O_WRONLY | O_CLOEXEC);
	char text[TEXT_MAX];
	int n = snprintf(text, sizeof(text), "%d", score);

	return fd < 0 ? -errno : fd_write_all(fd, text, (size_t)n);
}

/* Programs get 0, or what we have ourselves where that lets them go earlier. */
static uint32_t find_ordinary(void)
{
	_cleanup_buffer_ struct buffer text = BUFFER(TEXT_MAX);
	uint32_t score;

	if (file_read(oom.proc, SCORE, &text) < 0 || text.len == 0)
		return 0;
	text.data[text.len - 1] = 0; /* the newline */
	return parse_u32(buffer_str(&text), 0, SCORE_MAX, &score) < 0 ? 0 : score;
}

/* From what it says next on. */
static void open_log(void)
{
	struct stat st;

	if (fstatat(oom.proc, "self/ns/pid", &st, 0) < 0 || st.st_ino != FIRST_PID_NS)
		return;
	oom.log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (oom.log >= 0 && lseek(oom.log, 0, SEEK_END) < 0)
		oom.log = fd_close(oom.log);
}

void oom_exempt(void)
{
	oom.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (oom.proc < 0)
		return;
	oom.ordinary = find_ordinary();
	oom.exempt = set_score(SCORE_EXEMPT) == 0;
	open_log();
}

int oom_ordinary(void)
{
	return oom.exempt ? set_score((int)oom.ordinary) : 0;
}

/* "6,339,5140900,-;Out of memory: Killed process 123 (name) ..." - or of a cgroup. */
pid_t oom_victim(const char *record)
{
	static const char *const begins[] = { "Out of memory", "Memory cgroup out of memory" };
	static const char killed[] = ": Killed process ";
	const char *text = strchr(record, ';'), *at;
	char digits[12];
	uint32_t pid;
	size_t n;

	if (!text || *record < '0' || *record > '7' || record[1] != ',')
		return 0; /* not of the kernel's, whose facility is 0 */
	text++;
	at = strstr(text, killed);
	if (!at || (strncmp(text, begins[0], strlen(begins[0])) != 0 &&
		    strncmp(text, begins[1], strlen(begins[1])) != 0))
		return 0;
	at += strlen(killed);
	n = strspn(at, "0123456789");
	if (n >= sizeof(digits))
		return 0;
	memcpy(digits, at, n);
	digits[n] = 0;
	return parse_u32(digits, 1, INT32_MAX, &pid) < 0 ? 0 : (pid_t)pid;
}

void oom_look(void (*found)(void *owner, pid_t pid), void *owner)
{
	char record[RECORD_MAX];
	ssize_t n;

	/* EPIPE: some have gone before we came; the oldest that are left are next */
	while (oom.log >= 0 && ((n = read(oom.log, record, sizeof(record) - 1)) > 0 ||
				(n < 0 && (errno == EPIPE || errno == EINTR)))) {
		pid_t pid;

		record[MAX(n, 0)] = 0;
		pid = oom_victim(record);
		if (pid > 0)
			found(owner, pid);
	}
}
