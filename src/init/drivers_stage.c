/*
 * drivers_stage.c - the stage that reads the index of modules and begins to load them
 *
 * It only begins: modules are loaded one at a time while the event loop is idle, so that the first
 * network card asks for an address while the drivers of the next are still being loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "init/boot.h"

/* A late device makes one more event, an idle loop none. */
static void on_idle(void *ctx)
{
	char names[REPORT_WORDS_MAX - 32];
	struct boot *b = ctx;
	unsigned n;

	while ((n = drivers_tell(b->drivers, names, sizeof(names))) > 0)
		stage_ok(b, REPORT_DRIVERS, "%u modules: %s", n, names);
}

static int read_index(struct boot *b)
{
	_cleanup_buffer_ struct buffer text = BUFFER(DRIVERS_INDEX_MAX);
	const char *why = "";
	unsigned line = 0;
	int r = file_read(AT_FDCWD, "/" DRIVERS_INDEX, &text);

	if (r < 0)
		return stage_fail(b, REPORT_DRIVERS, r, "cannot read /%s of this initrd: %s",
				  DRIVERS_INDEX, strerror(-r));
	r = drivers_parse((const char *)text.data, text.len, &b->cmdline, &b->drivers, &line, &why);
	if (r < 0)
		return stage_fail(b, REPORT_DRIVERS, r, "%s:%u: %s", DRIVERS_INDEX, line,
				  r == -EBADMSG ? why : strerror(-r));
	return 0;
}

int drivers_stage(struct boot *b)
{
	struct utsname u;
	int r = b->drivers ? 0 : read_index(b);

	if (r < 0)
		return r;
	if (b->attempt == 1 && drivers_kernel(b->drivers)[0] && uname(&u) == 0 &&
	    strcmp(u.release, drivers_kernel(b->drivers)))
		stage_warn(
			b, REPORT_DRIVERS,
			"this initrd's modules are for kernel %s, this is %s: they will not load",
			drivers_kernel(b->drivers), u.release);
	watchdog_start(b);
	r = drivers_start(b->drivers, b->loop, on_idle, b);
	if (r < 0)
		return stage_fail(b, REPORT_DRIVERS, r, "cannot look for devices: %s",
				  strerror(-r));
	return 0;
}
