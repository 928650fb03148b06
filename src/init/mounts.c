/*
 * mounts.c - the file systems that every later stage stands on
 *
 * devtmpfs goes over the archive's /dev, so that /dev/console and /dev/kmsg are opened anew
 * afterwards. /run is a tmpfs that moves into the root with what init leaves there
 * (docs/handover.md). What is mounted already is left as it is: whoever starts init in a container
 * gives it the /dev that it is to have.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/path.h"
#include "init/boot.h"

static const struct {
	const char *source, *target, *type, *data;
	unsigned long flags;
} mounts[] = {
	{ "proc", "/proc", "proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "sysfs", "/sys", "sysfs", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "devtmpfs", "/dev", "devtmpfs", "mode=0755", MS_NOSUID },
	{ "tmpfs", "/run", "tmpfs", "mode=0755,size=16m", MS_NOSUID | MS_NODEV },
};

int mounts_stage(struct boot *b)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mounts) && r == 0; i++) {
		if (path_is_mount(mounts[i].target))
			continue;
		(void)mkdir(mounts[i].target, 0755); /* the mount says what is wrong */
		if (mount(mounts[i].source, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].data) < 0 &&
		    errno != EBUSY)
			r = stage_fail(b, REPORT_START, -errno, "cannot mount %s on %s: %s",
				       mounts[i].type, mounts[i].target, strerror(errno));
	}
	(void)mkdir(BOOT_RUN_DIR,
		    0755); /* without it there is no events file, and nothing else lost */
	return r;
}
