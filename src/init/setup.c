/*
 * setup.c - what a boot stands on before its first stage, and how its stages follow each other
 *
 * Shared by init, which is PID 1 (main.c), and bpboot-root, which is a program of another
 * initramfs (host_main.c): both are a table of stages and what comes before and after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "init/boot.h"

#define HEAP_KEPT_BYTES (4 << 20)

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

void boot_read_cmdline(struct boot *b)
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
	for (size_t i = 0; i < b->cmdline.n_warnings; i++) {
		if (b->adopted && !strstr(b->cmdline.warnings[i], "'bpboot."))
			continue; /* dracut's words and initramfs-tools' are not ours to judge */
		stage_warn(b, REPORT_START, "kernel command line: %s", b->cmdline.warnings[i]);
	}
}

int boot_init(struct boot *b, char **argv, char **envp)
{
	*b = (struct boot){ .argv = argv,
			    .envp = envp,
			    .target = BOOT_ROOT_DIR,
			    .start_us = clock_us(),
			    .console = FD_NONE,
			    .kmsg = FD_NONE,
			    .events = FD_NONE,
			    .ramdisk = FD_NONE };
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	setup_malloc();
	setup_sodium();
	reporter_init(&b->reporter, insecure_u32());
	cmdline_parse("", &b->cmdline); /* defaults, until /proc is there */
	b->loop = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOINOTIFY | EVBACKEND_EPOLL);
	return b->loop ? 0 : -ENOSYS;
}

int boot_run(struct boot *b, const struct boot_stage *stages, size_t n,
	     void (*before)(struct boot *b, const char *name))
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (stages[i].of_image && b->disk[0])
			continue;
		if (before)
			before(b, stages[i].name);
		r = stages[i].run(b);
	}
	return r;
}

void boot_undo(struct boot *b)
{
	mount_undo(b);
	ramdisk_undo(b);
	index_clear(&b->index);
	network_undo(b);
}
