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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_is_bounded_and_ends_with_the_last_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
