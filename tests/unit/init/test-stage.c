/*
 * test-stage.c - the record of events is bounded, however long a node tries
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "init/boot.h"

#define EVENTS 20000

static void the_record_is_bounded_and_ends_with_the_last_event(void **state)
{
	char path[] = "/tmp/bpboot-events-XXXXXX", end[256], *found;
	struct boot *b = calloc(1, sizeof(*b));
	off_t largest = 0;
	struct stat st;
	ssize_t n;

	assert_non_null(b);
	b->console = b->kmsg = FD_NONE;
	b->events = mkostemp(path, O_APPEND | O_CLOEXEC);
	assert_true(b->events >= 0);
	reporter_init(&b->reporter, 1); /* without an address: nobody hears it */
	for (unsigned i = 1; i <= EVENTS; i++) {
		stage_warn(b, REPORT_DHCP, "no DHCP answer, number %u of a long row", i);
		assert_int_equal(fstat(b->events, &st), 0);
		largest = MAX(largest, st.st_size);
	}
	assert_in_range(largest, BOOT_EVENTS_MAX / 2, BOOT_EVENTS_MAX);
	n = pread(b->events, end, sizeof(end) - 1, st.st_size - (off_t)sizeof(end) + 1);
	assert_int_equal(n, sizeof(end) - 1);
	end[n] = 0;
	found = strstr(end, "number 19999 of");
	assert_non_null(found);
	assert_non_null(strstr(found, "number 20000 of"));
	reporter_deinit(&b->reporter);
	close(b->events);
	unlink(path);
	free(b);
}

static int temporary(void)
{
	char path[] = "/tmp/bpboot-console-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

/* What was written, without the times. */
static const char *text_of(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);
	char *to = buf;

	assert_true(n >= 0);
	buf[n] = 0;
	for (char *p = buf; *p; p++) {
		if (*p != '.' && (*p < '0' || *p > '9'))
			*to++ = *p;
	}
	*to = 0;
	return buf;
}

static void every_console_shows_the_same_and_quiet_what_goes_wrong(void **state)
{
	static const char all[] = "bpboot:  link ok: eth up\nbpboot:  dhcp warn: slow\n"
				  "bpboot:  dhcp fail: none\nbpboot:  retry begin: soon\n";
	static const char wrong[] = "bpboot:  dhcp warn: slow\nbpboot:  dhcp fail: none\n"
				    "bpboot:  retry begin: soon\n";
	char got[512];

	for (int quiet = 0; quiet < 2; quiet++) {
		struct boot *b = calloc(1, sizeof(*b));

		assert_non_null(b);
		b->kmsg = b->events = FD_NONE;
		b->console = temporary();
		b->consoles[b->n_consoles++] = temporary();
		b->cmdline.quiet = quiet;
		reporter_init(&b->reporter, 1);
		stage_ok(b, REPORT_LINK, "eth0 up");
		stage_warn(b, REPORT_DHCP, "slow");
		assert_int_equal(stage_fail(b, REPORT_DHCP, -7, "none"), -7);
		stage_begin(b, REPORT_RETRY, "soon");
		assert_string_equal(text_of(b->console, got, sizeof(got)), quiet ? wrong : all);
		assert_string_equal(text_of(b->consoles[0], got, sizeof(got)), quiet ? wrong : all);
		fd_close(b->console);
		fd_close(b->consoles[0]);
		reporter_deinit(&b->reporter);
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_console_shows_the_same_and_quiet_what_goes_wrong),
		cmocka_unit_test(the_record_is_bounded_and_ends_with_the_last_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
