/*
 * host_main.c - bpboot-root: the stages from the index to the mounted root, as a program of the
 * initramfs of a distribution
 *
 * The initramfs is somebody else's: its own drivers, its own network, its own switch_root. What
 * they cannot do is fetch, verify and mount an image; that is done here by the very stages of init,
 * once. What failed is said as init says it (console, kernel log, network, /run/bpboot/events) and,
 * in one line on standard error, to the script that called, which has its own way to give up.
 *
 * docs/distribution-initrds.md has the scripts and what they tell us.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/command.h"
#include "base/log.h"
#include "init/host_options.h"

static const struct boot_stage sequence[] = {
	{ "network", adopt_stage },	{ "root", root_stage },	  { "index", index_stage },
	{ "memory", memory_stage },	{ "fetch", fetch_stage }, { "mount", mount_stage },
	{ "handover", handover_stage },
};

/* The last words of a failure, for who called us. */
static void tell_caller(const struct boot *b)
{
	const struct reporter *r = &b->reporter;

	for (size_t i = r->n_kept; i-- > 0;) {
		if (r->kept[i].e.state == REPORT_FAIL) {
			fprintf(stderr, "%s: %s\n", report_stage_name(r->kept[i].e.stage),
				r->kept[i].e.words);
			return;
		}
	}
}

/* Where initrds move what they have mounted. An image may lack them: init makes them too. */
static void make_places(const char *target)
{
	static const char *const places[] = { "dev", "proc", "sys", "run" };
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s/%s", target, places[i]);
		(void)mkdir(path, 0755); /* there already, or the root is read-only without it */
	}
}

static int run(void *arg, int argc, char **argv)
{
	static struct boot boot; /* too large for a stack */
	struct boot *b = &boot;
	int r = boot_init(b, argv, NULL);

	if (r == 0)
		r = drivers_new_host(&b->drivers);
	if (r < 0)
		return log_err(r, "cannot begin");
	b->target = argv[0];
	b->attempt = 1;
	b->adopted = true;
	(void)mkdir(BOOT_RUN_DIR, 0755); /* the hand-over says what is wrong */
	stage_open(b);
	boot_read_cmdline(b);
	host_options_apply(arg, b);
	stage_sample_memory(b);
	stage_ok(b, REPORT_START, "bpboot-root %s", BPBOOT_VERSION);
	r = boot_run(b, sequence, ARRAY_SIZE(sequence), NULL);
	if (r == 0) {
		make_places(b->target);
		stage_say_root(b, "mounted for");
		return COMMAND_OK;
	}
	tell_caller(b);
	reporter_again(&b->reporter);
	mount_undo(b); /* the network is not ours to undo */
	ramdisk_undo(b);
	return COMMAND_FAILED;
}

static const struct command command = {
	.name = "bpboot-root",
	.args = "TARGET",
	.summary = "fetch, verify and mount the root, in the initramfs of a distribution",
	.options = host_options_rows,
	.options_size = sizeof(struct host_options),
	.args_min = 1,
	.args_max = 1,
	.run = run,
};

int main(int argc, char **argv)
{
	log_setup("bpboot-root", LOG_LEVEL_INFO);
	return command_run(&command, "", argc - 1, argv + 1);
}
