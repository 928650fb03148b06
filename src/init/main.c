/*
 * main.c - PID 1 of the initramfs: the sequence of a boot
 *
 * A boot is a table of stages. When one fails, failure.c says what comes next, everything that the
 * attempt did is undone, and the sequence begins again. The last stage does not return.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "init/boot.h"

/* In order. rd.break=NAME opens a shell before the stage of that name. */
static const struct boot_stage sequence[] = {
	{ "drivers", drivers_stage },	    { "network", network_stage },
	{ "netconsole", netconsole_stage }, { "root", root_stage },
	{ "index", index_stage, true },	    { "memory", memory_stage, true },
	{ "fetch", fetch_stage, true },	    { "mount", mount_stage },
	{ "handover", handover_stage },	    { "switch", switch_stage },
};

/* The same for a root on a local disk. */
static const struct boot_stage disk_sequence[] = {
	{ "drivers", drivers_stage },	    { "network", disk_network_stage },
	{ "netconsole", netconsole_stage }, { "root", disk_stage },
	{ "mount", mount_stage },	    { "handover", handover_stage },
	{ "switch", switch_stage },
};

static void start(struct boot *b)
{
	struct utsname u;

	stage_open(b);
	while (mounts_stage(b) < 0)
		failure_handle(b);
	stage_open(b);
	boot_read_cmdline(b);
	stage_sample_memory(b);
	stage_ok(b, REPORT_START, "bpboot %s on Linux %s", BPBOOT_VERSION,
		 uname(&u) == 0 ? u.release : "?");
}

static void break_before(struct boot *b, const char *name)
{
	if (b->cmdline.rd_break && !strcmp(b->cmdline.rd_break, name))
		failure_break(b, name);
}

int main(int argc, char **argv, char **envp)
{
	static struct boot boot; /* too large for a stack */
	struct boot *b = &boot;
	int r;

	if (getpid() != 1) {
		fprintf(stderr, "this is bpboot's init; it runs as PID 1 of an initramfs and "
				"nowhere else\n");
		return 2;
	}
	r = boot_init(b, argv, envp);
	start(b);
	while (r < 0) {
		stage_fail(b, REPORT_START, r, "cannot make an event loop");
		failure_final(b);
	}
	for (b->attempt = 1;; b->attempt++) {
		/* It never succeeds: the last stage does not return then. What failed is said. */
		if (disk_is_meant(b->cmdline.root))
			(void)!boot_run(b, disk_sequence, ARRAY_SIZE(disk_sequence), break_before);
		else
			(void)!boot_run(b, sequence, ARRAY_SIZE(sequence), break_before);
		failure_handle(b);
		boot_undo(b);
	}
}
