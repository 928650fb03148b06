/*
 * main.c - PID 1 of the initramfs: the sequence of a boot
 *
 * A boot is a table of stages. When one fails, failure.c says what comes next, everything that the
 * attempt did is undone, and the sequence begins again. The last stage does not return.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "init/boot.h"

#define HEAP_KEPT_BYTES (4 << 20)

/* In order. rd.break=NAME opens a shell before the stage of that name. */
static const struct {
	const char *name;
	int (*run)(struct boot *b);
} sequence[] = {
	{ "drivers", drivers_stage }, { "network", network_stage },   { "root", root_stage },
	{ "index", index_stage },     { "memory", memory_stage },     { "fetch", fetch_stage },
	{ "mount", mount_stage },     { "handover", handover_stage }, { "switch", switch_stage },
};

/*
 * libsodium seeds itself when it is set up, and would wait for the kernel's entropy, which takes a
 * second on a quiet machine. init makes no secrets, it verifies: numbers without that promise do.
 */
static void insecure_buf(void *const buf, const size_t n)
{
	(void)!getrandom(buf, n, GRND_INSECURE); /* see above: any bytes do */
}

static uint32_t insecure_u32(void)
{
	uint32_t v = 0;

	insecure_buf(&v, sizeof(v));
	return v;
}

static const char *insecure_name(void)
{
	return "insecure";
}

/*
 * What is freed is used again for the next part. By default large blocks are mapped and unmapped
 * one by one, and the kernel clears each page anew and flushes what it knows of the old ones: a
 * tenth of the time of a transfer.
 */
static void setup_malloc(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, HEAP_KEPT_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
}

static void setup_sodium(void)
{
	static randombytes_implementation insecure = { .implementation_name = insecure_name,
						       .random = insecure_u32,
						       .buf = insecure_buf };

	(void)randombytes_set_implementation(&insecure);
	if (sodium_init() < 0)
		log_warn(0, "libsodium cannot be set up, going on with its slow code");
}

static void read_cmdline(struct boot *b)
{
	_cleanup_buffer_ struct buffer text = BUFFER(2 * CMDLINE_BYTES_MAX);
	int r = file_read(AT_FDCWD, "/proc/cmdline", &text);

	cmdline_parse(buffer_str(&text), &b->cmdline);
	if (b->cmdline.debug)
		log_setup("bpboot", LOG_LEVEL_DEBUG);
	if (r < 0)
		stage_warn(b, REPORT_START,
			   "cannot read the kernel command line, going on without: %s",
			   strerror(-r));
	for (size_t i = 0; i < b->cmdline.n_warnings; i++)
		stage_warn(b, REPORT_START, "kernel command line: %s", b->cmdline.warnings[i]);
}

static void start(struct boot *b)
{
	struct utsname u;

	cmdline_parse("", &b->cmdline); /* defaults, until /proc is there */
	stage_open(b);
	while (mounts_stage(b) < 0)
		failure_handle(b);
	stage_open(b);
	read_cmdline(b);
	stage_sample_memory(b);
	stage_ok(b, REPORT_START, "bpboot %s on Linux %s", BPBOOT_VERSION,
		 uname(&u) == 0 ? u.release : "?");
}

void boot_undo(struct boot *b)
{
	mount_undo(b);
	ramdisk_undo(b);
	index_clear(&b->index);
	network_undo(b);
}

/* Return: 0 when every stage succeeded, which the last one cannot. */
static int attempt(struct boot *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(sequence); i++) {
		int r;

		if (b->cmdline.rd_break && !strcmp(b->cmdline.rd_break, sequence[i].name))
			failure_break(b, sequence[i].name);
		r = sequence[i].run(b);
		if (r < 0)
			return r;
	}
	return 0;
}

int main(int argc, char **argv, char **envp)
{
	static struct boot boot; /* too large for a stack */
	struct boot *b = &boot;

	if (getpid() != 1) {
		fprintf(stderr, "this is bpboot's init; it runs as PID 1 of an initramfs and "
				"nowhere else\n");
		return 2;
	}
	*b = (struct boot){ .argv = argv,
			    .envp = envp,
			    .start_us = clock_us(),
			    .console = FD_NONE,
			    .kmsg = FD_NONE,
			    .events = FD_NONE,
			    .ramdisk = FD_NONE };
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	setup_malloc();
	setup_sodium();
	b->loop = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOINOTIFY | EVBACKEND_EPOLL);
	reporter_init(&b->reporter, insecure_u32());
	start(b);
	while (!b->loop) {
		stage_fail(b, REPORT_START, -ENOSYS, "cannot make an event loop");
		failure_final(b);
	}
	for (b->attempt = 1;; b->attempt++) {
		(void)!attempt(b); /* said already */
		failure_handle(b);
		boot_undo(b);
	}
}
