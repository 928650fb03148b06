/*
 * test-oom.c - which process a record of the kernel's log says was ended for want of memory
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/lang.h"
#include "space/oom.h"

#define TAIL " (tail) total-vm:207680kB, anon-rss:198732kB, file-rss:0kB, shmem-rss:0kB, UID:0 "

static const struct {
	const char *name, *record;
	int pid;
} rows[] = {
	{ "the node's memory", "3,431,9186512,-;Out of memory: Killed process 117" TAIL, 117 },
	{ "a cgroup's", "3,1,2,-;Memory cgroup out of memory: Killed process 4194303" TAIL,
	  4194303 },
	{ "who asked for it",
	  "3,1,2,-;Out of memory (oom_kill_allocating_task): Killed process 5" TAIL, 5 },
	{ "with fields",
	  "3,1,2,-,caller=T77;Out of memory: Killed process 8" TAIL "\n SUBSYSTEM=x\n", 8 },
	{ "told by a program, not the kernel", "12,1,2,-;Out of memory: Killed process 5" TAIL, 0 },
	{ "of another facility of one digit", "8,1,2,-;Out of memory: Killed process 5" TAIL, 0 },
	{ "another record", "6,1,2,-;oom_reaper: reaped process 5 (tail)", 0 },
	{ "a name that says so", "6,1,2,-;traps: Out of memory: Killed process 5[9] trap", 0 },
	{ "no number", "3,1,2,-;Out of memory: Killed process (tail)", 0 },
	{ "0", "3,1,2,-;Out of memory: Killed process 0 (tail)", 0 },
	{ "a large number", "3,1,2,-;Out of memory: Killed process 99999999999999 (tail)", 0 },
	{ "larger than a pid", "3,1,2,-;Out of memory: Killed process 2147483648 (tail)", 0 },
	{ "cut off", "3,1,2,-;Out of memory: Killed process ", 0 },
	{ "no text", "3,1,2,-", 0 },
	{ "nothing", "", 0 },
};

static void finds_the_victim(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *copy = strdup(rows[i].record); /* exact size, for the sanitizer */

		assert_non_null(copy);
		if (oom_victim(copy) != rows[i].pid)
			fail_msg("%s: %d", rows[i].name, oom_victim(copy));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_victim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
