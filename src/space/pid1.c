/*
 * pid1.c - what bpslave does when it is the node's init
 *
 * As little as a program needs to run: the kernel's file systems, the loopback interface, a host
 * name. Nothing here is fatal; what failed is told to the master, which shows the node as in error.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "space/handover.h"
#include "space/pid1.h"

#define RUN_PERCENT 30 /* of the memory */

static const struct {
	const char *type, *at, *options;
	unsigned long flags;
} mounts[] = {
	{ "proc", "/proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "devtmpfs", "/dev", "mode=0755", MS_NOSUID },
	{ "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV },
};

static void trouble(char *words, const char *what, const char *name)
{
	int e = -errno;

	log_err(e, "%s %s", what, name);
	if (!*words)
		snprintf(words, MESSAGE_WORDS_MAX, "%s %s: %s", what, name, strerror(-e));
}

/* Programs expect 0 to 2 to be open; without a console they are /dev/null. */
static void open_standard(void)
{
	for (int i = 0; i < 3; i++) {
		if (fcntl(i, F_GETFD) < 0 && open("/dev/console", O_RDWR | O_NOCTTY) < 0)
			(void)!open("/dev/null", O_RDWR); /* then nothing is to be had */
	}
}

/* init leaves a small one, where the cache of programs lies, too: room for its share of the memory,
 * and not for all that /dev/shm leaves. What is no tmpfs refuses, and is as large as it is. */
static void grow_run(void)
{
	const unsigned long keep = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC; /* MS_ alike */
	struct statvfs fs;
	struct sysinfo memory;
	char options[32];

	if (statvfs("/run", &fs) < 0 || sysinfo(&memory) < 0)
		return;
	snprintf(options, sizeof(options), "size=%d%%", RUN_PERCENT);
	if ((double)fs.f_blocks * (double)fs.f_frsize <
	    (double)memory.totalram * memory.mem_unit * RUN_PERCENT / 100)
		(void)mount(NULL, "/run", NULL, MS_REMOUNT | (fs.f_flag & keep), options);
}

static void mount_all(char *words)
{
	if (path_is_mount("/run"))
		grow_run();
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		if (path_is_mount(mounts[i].at))
			continue;
		(void)mkdir(mounts[i].at, 0755); /* mount() says what is wrong with it */
		if (mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags,
			  mounts[i].options) < 0)
			trouble(words, "cannot mount", mounts[i].at);
	}
}

static void loopback_up(char *words)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0) {
		trouble(words, "cannot see the interface", "lo");
		return;
	}
	ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		trouble(words, "cannot set up the interface", "lo");
}

/* The lease's HOSTNAME, when the kernel has none yet. */
static void set_hostname(void)
{
	_cleanup_buffer_ struct buffer text = BUFFER(HANDOVER_BYTES_MAX);
	char name[MESSAGE_NAME_MAX] = "", *line, *rest;

	if (gethostname(name, sizeof(name) - 1) == 0 && *name && strcmp(name, "(none)") &&
	    strcmp(name, "localhost"))
		return;
	if (file_read(AT_FDCWD, HANDOVER_LEASE, &text) < 0 || text.len == 0)
		return;
	rest = (char *)text.data;
	for (line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		if (strncmp(line, "HOSTNAME=", 9) == 0 && line[9] &&
		    sethostname(line + 9, strlen(line + 9)) < 0)
			log_warn(-errno, "cannot set the host name '%s': keeping none", line + 9);
	}
}

void pid1_setup(char ret_trouble[static MESSAGE_WORDS_MAX])
{
	*ret_trouble = 0;
	open_standard();
	mount_all(ret_trouble);
	loopback_up(ret_trouble);
	set_hostname();
}

/* Reap until nobody is left or the time is over. */
static void wait_all(uint64_t ms)
{
	uint64_t end = clock_ms() + ms;

	while (clock_ms() < end) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		const struct timespec tick = { .tv_nsec = 10000000 };

		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == 0)
			nanosleep(&tick, NULL);
	}
}

void pid1_end_all(void)
{
	(void)kill(-1, SIGTERM); /* ESRCH: nobody is there */
	wait_all(PID1_GRACE_MS);
	(void)kill(-1, SIGKILL);
	wait_all(PID1_GRACE_MS);
	sync();
}

int pid1_power(enum message_power how)
{
	static const int kernel[MESSAGE_POWER_MAX_] = {
		[MESSAGE_REBOOT] = RB_AUTOBOOT,
		[MESSAGE_HALT] = RB_HALT_SYSTEM,
		[MESSAGE_POWEROFF] = RB_POWER_OFF,
	};

	if (reboot(kernel[how]) < 0)
		return log_err(-errno, "the kernel does not let this node go down");
	return 0;
}
