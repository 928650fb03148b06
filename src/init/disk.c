/*
 * disk.c - a root that is not an image: on a local disk
 *
 * root=/dev/NAME, LABEL=NAME or UUID=NUMBER. Disks appear when their drivers have found them, in
 * no order that can be relied on: the event loop runs on, and all that are there are looked at
 * again and again until the one that is asked for is among them, or the patience is over. What
 * there was instead is said then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "init/boot.h"
#include "init/diskprobe.h"

#define BLOCKS_DIR "/sys/class/block"
#define LOOK_S	   0.05
#define SEEN_MAX   200 /* bytes of words about disks */

struct search {
	const char *root;
	char found[sizeof(((struct boot *)0)->disk)];
	char seen[SEEN_MAX]; /* what else is there, for a person */
	unsigned matches;
};

bool disk_is_meant(const char *root)
{
	return root && (!strncmp(root, "LABEL=", 6) || !strncmp(root, "UUID=", 5) ||
			(!strncmp(root, "/dev/", 5) && strcmp(root, "/dev/ram") != 0 &&
			 strcmp(root, "/dev/ram0") != 0 && strcmp(root, "/dev/nfs") != 0));
}

/* What the disk called @name holds. Return: 0, or negative errno. */
static int look_at(const char *name, struct diskprobe *ret)
{
	uint8_t start[DISKPROBE_BYTES];
	_cleanup_close_ int fd = FD_NONE;
	char path[sizeof("/dev/") + 256];
	size_t n;

	snprintf(path, sizeof(path), "/dev/%.255s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fd_read_full(fd, start, sizeof(start), &n) < 0 || n < sizeof(start))
		return -EIO;
	return diskprobe(start, ret);
}

static void note(struct search *s, const char *name, const struct diskprobe *p)
{
	size_t n = strlen(s->seen);

	if (p)
		snprintf(s->seen + n, sizeof(s->seen) - n, "%s%.32s (%s LABEL=%s UUID=%s)",
			 n ? ", " : "", name, p->type, p->label, p->uuid);
	else
		snprintf(s->seen + n, sizeof(s->seen) - n, "%s%.32s", n ? ", " : "", name);
}

/* Look at all disks there are. */
static void look(struct search *s)
{
	DIR *dir = opendir(BLOCKS_DIR);
	struct dirent *e;

	s->seen[0] = 0;
	s->matches = 0;
	while (dir && (e = readdir(dir)) != NULL) {
		struct diskprobe p;
		bool known;

		if (e->d_name[0] == '.' || !strncmp(e->d_name, "loop", 4) ||
		    !strncmp(e->d_name, "ram", 3))
			continue;
		known = look_at(e->d_name, &p) == 0;
		note(s, e->d_name, known ? &p : NULL);
		if (known ? diskprobe_matches(&p, s->root) : 0) {
			if (s->matches++ == 0)
				snprintf(s->found, sizeof(s->found), "/dev/%.32s", e->d_name);
		}
	}
	if (dir)
		closedir(dir);
	if (s->root[0] == '/' && access(s->root, F_OK) == 0) {
		snprintf(s->found, sizeof(s->found), "%s", s->root);
		s->matches = 1;
	}
}

static void on_timer(struct ev_loop *loop, struct ev_timer *t, int events)
{
	ev_break(loop, EVBREAK_ONE);
}

/* Let drivers be loaded and their devices appear. */
static void wait_a_little(struct boot *b)
{
	struct ev_timer t;

	ev_now_update(b->loop);
	ev_timer_init(&t, on_timer, LOOK_S, 0);
	ev_timer_start(b->loop, &t);
	while (ev_is_active(&t))
		ev_run(b->loop, 0);
}

int disk_network_stage(struct boot *b)
{
	return b->cmdline.ip_given && b->cmdline.ip != CMDLINE_IP_OFF ? network_stage(b) : 0;
}

int disk_stage(struct boot *b)
{
	struct search s = { .root = b->cmdline.root };
	uint64_t end_ms = clock_boot_ms() + (uint64_t)b->cmdline.disk_s * 1000;

	if (strlen(s.root) >= sizeof(s.found))
		return stage_fail(b, REPORT_MOUNT, -ENAMETOOLONG, "root= is longer than %zu bytes",
				  sizeof(s.found) - 1);
	stage_begin(b, REPORT_MOUNT, "looking for the disk %s", s.root);
	connect_reporter(b, false);
	for (look(&s); s.matches == 0; look(&s)) {
		if (!b->cmdline.rootwait && clock_boot_ms() >= end_ms)
			return stage_fail(b, REPORT_MOUNT, -ENODEV,
					  "no disk %s after %u s; there is %s%s", s.root,
					  b->cmdline.disk_s, s.seen[0] ? s.seen : "no disk at all",
					  s.seen[0] ? ""
						    : ": are its drivers in (bpboot initrd "
						      "--root disk)?");
		wait_a_little(b);
	}
	if (s.matches > 1)
		stage_warn(b, REPORT_MOUNT, "%u disks are %s, taking %s: %s", s.matches, s.root,
			   s.found, s.seen);
	snprintf(b->disk, sizeof(b->disk), "%s", s.found);
	b->device = b->disk;
	return 0;
}
