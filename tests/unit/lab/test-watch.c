/*
 * test-watch.c - how far a node is, from the lines that the lab writes down
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "lab/watch.h"

#include "../scratch.h"

#define EVENTS "state/boots/52:54:00:b0:00:00.events"
#define HEAD   "2026-11-22T10:31:02.123Z 52:54:00:b0:00:00 1a2b3c4d 0 "

static void append(const struct place *p, const char *file, const char *text)
{
	int fd = openat(p->dir, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	fd_close(fd);
}

static void place_make(struct place *p)
{
	char path[SCRATCH_PATH_MAX];

	*p = PLACE();
	assert_int_equal(scratch_make(path), 0);
	assert_in_range(snprintf(p->path, sizeof(p->path), "%s", path), 1, sizeof(p->path) - 1);
	p->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dir >= 0);
	assert_int_equal(mkdirat(p->dir, "state", 0700), 0);
	assert_int_equal(mkdirat(p->dir, "state/boots", 0700), 0);
	assert_int_equal(mkdirat(p->dir, "consoles", 0700), 0);
}

struct step {
	const char *file, *text;
	enum watch_stage stage;
	bool failed;
	const char *words; /* that its words hold */
};

static void run_steps(const struct step *steps, size_t n)
{
	struct place p;
	struct watch *w;

	place_make(&p);
	assert_int_equal(watch_new(&p, 1, &w), 0);
	for (size_t i = 0; i < n; i++) {
		print_message("# %s\n", steps[i].text);
		append(&p, steps[i].file, steps[i].text);
		watch_poll(w);
		assert_int_equal(w->nodes[0].stage, steps[i].stage);
		assert_int_equal(w->nodes[0].failed, steps[i].failed);
		if (!strstr(w->nodes[0].words, steps[i].words))
			fail_msg("'%s' does not say '%s'", w->nodes[0].words, steps[i].words);
	}
	watch_free(w);
	assert_int_equal(place_remove(&p), 0);
}

static void a_boot_goes_from_firmware_to_up(void **state)
{
	static const struct step steps[] = {
		{ "lab.log", "1000 node 0 started\n", WATCH_FIRMWARE, false, "" },
		{ "dnsmasq.log", "dnsmasq-dhcp: 1 DHCPACK(lab0) 10.77.0.10 52:54:00:b0:00:00 n0\n",
		  WATCH_FIRMWARE, false, "address" },
		{ "dnsmasq.log", "dnsmasq-tftp: sent /x/boot/vmlinuz to 10.77.0.10\n", WATCH_KERNEL,
		  false, "loaded" },
		{ "consoles/0.log", "bpboot: 1.000 start ok: bpboot\r\n", WATCH_INIT, false,
		  "bpboot" },
		{ "consoles/0.log", "bpboot: 1.100 dhcp ok: 10.77.0.10\r\n", WATCH_DHCP, false,
		  "10.77" },
		{ EVENTS, HEAD "bpboot: 1.000 start ok: bpboot\n", WATCH_DHCP, false, "10.77" },
		{ EVENTS, HEAD "bpboot: 1.200 fetch progress: 50/100 50 %\n", WATCH_FETCH, false,
		  "50 %" },
		{ EVENTS, HEAD "bpboot: 1.300 root ok: executing\n", WATCH_ROOT, false,
		  "executing" },
		{ EVENTS, HEAD "bpboot: 1.200 up ok: registered\n", WATCH_UP, false, "registered" },
		{ "consoles/0.log", "bpboot: 1.300 root ok: executing\r\n", WATCH_UP, false,
		  "registered" },
		{ "lab.log", "2000 node 0 ended 0\n", WATCH_OFF, false, "powered off" },
	};

	run_steps(steps, ARRAY_SIZE(steps));
}

static void a_start_begins_a_boot_anew(void **state)
{
	static const struct step steps[] = {
		{ "lab.log", "1000 node 0 started\n", WATCH_FIRMWARE, false, "" },
		{ EVENTS, HEAD "bpboot: 1.000 start ok: bpboot\n", WATCH_INIT, false, "" },
		{ EVENTS, HEAD "bpboot: 2.000 root ok: executing\n", WATCH_ROOT, false, "" },
		{ "consoles/0.log",
		  "bpboot: 1.000 start ok: bpboot\nbpboot: 2.000 root ok: executing\n", WATCH_ROOT,
		  false, "" },
		{ "consoles/0.log", "bpboot: 1.500 start ok: bpboot\n", WATCH_INIT, false, "" },
		{ EVENTS, HEAD "bpboot: 3.000 up ok: of the last boot\n", WATCH_INIT, false, "" },
	};

	run_steps(steps, ARRAY_SIZE(steps));
}

static void two_failed_attempts_are_a_failure(void **state)
{
	static const struct step steps[] = {
		{ "lab.log", "1000 node 0 started\n", WATCH_FIRMWARE, false, "" },
		{ "consoles/0.log", "bpboot: 1.000 dhcp fail: no answer\n", WATCH_LINK, false,
		  "dhcp: no answer" },
		{ "consoles/0.log", "bpboot: 1.001 retry begin: in 2 s\n", WATCH_LINK, false,
		  "no answer" },
		{ EVENTS, HEAD "bpboot: 1.001 retry begin: in 2 s\n", WATCH_LINK, false,
		  "no answer" },
		{ "consoles/0.log", "bpboot: 4.000 dhcp fail: still none\n", WATCH_LINK, false,
		  "still none" },
		{ "consoles/0.log", "bpboot: 4.001 retry begin: in 4 s\n", WATCH_LINK, true,
		  "still none" },
	};

	run_steps(steps, ARRAY_SIZE(steps));
}

static void a_machine_that_breaks_is_a_failure(void **state)
{
	static const struct step steps[] = {
		{ "lab.log", "1000 node 0 started\n", WATCH_FIRMWARE, false, "" },
		{ "lab.log", "1100 node 7 ended 1\nnonsense\n1100 node x\n", WATCH_FIRMWARE, false,
		  "" },
		{ "lab.log", "1200 node 0 ended 134\n", WATCH_FIRMWARE, true, "status 134" },
	};

	run_steps(steps, ARRAY_SIZE(steps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_boot_goes_from_firmware_to_up),
		cmocka_unit_test(a_start_begins_a_boot_anew),
		cmocka_unit_test(two_failed_attempts_are_a_failure),
		cmocka_unit_test(a_machine_that_breaks_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
