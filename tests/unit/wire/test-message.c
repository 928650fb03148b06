/*
 * test-message.c - messages: the table of sizes, what is legal when, and what a spec may hold
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/message.h"
#include "wire/message_resume.h"
#include "wire/message_children.h"

static int taken;

static int take(void *owner, struct reader *r)
{
	taken++;
	return 0;
}

static void test_dispatch_asks_type_state_and_size(void **state)
{
	const struct message_take takes[MESSAGE_TYPE_MAX_] = { [MESSAGE_PING] = { 2, take } };
	uint8_t *p = malloc(10);
	const char *why;

	assert_non_null(p);
	memset(p, 0, 10);
	p[0] = MESSAGE_PING;
	taken = 0;
	assert_int_equal(message_dispatch(takes, 2, NULL, p, 9, &why), 0);
	assert_int_equal(taken, 1);
	assert_int_equal(message_dispatch(takes, 1, NULL, p, 9, &why), -EPROTO);
	assert_int_equal(message_dispatch(takes, 2, NULL, p, 8, &why), -EBADMSG);
	assert_int_equal(message_dispatch(takes, 2, NULL, p, 10, &why), -EBADMSG);
	assert_int_equal(message_dispatch(takes, 2, NULL, p, 0, &why), -EBADMSG);
	p[0] = MESSAGE_PONG;
	assert_int_equal(message_dispatch(takes, 2, NULL, p, 9, &why), -EPROTO);
	p[0] = 0;
	assert_int_equal(message_dispatch(takes, 2, NULL, p, 9, &why), -EBADMSG);
	p[0] = MESSAGE_TYPE_MAX_;
	assert_int_equal(message_dispatch(takes, 2, NULL, p, 9, &why), -EBADMSG);
	assert_int_equal(taken, 1);
	free(p);
}

static void test_the_table_is_complete(void **state)
{
	for (int i = 1; i < MESSAGE_TYPE_MAX_; i++) {
		if (!message_kinds[i].name)
			continue; /* a number that is not used */
		assert_true(message_kinds[i].min <= message_kinds[i].max);
		assert_true(message_kinds[i].max <= MESSAGE_BYTES_MAX);
	}
	assert_null(message_kinds[0].name);
	assert_non_null(message_kinds[MESSAGE_TYPE_MAX_ - 1].name);
}

/* What we write at its longest is of a size that the table allows. */
static void test_the_longest_fit(void **state)
{
	char longest[2 * MESSAGE_WORDS_MAX];
	const struct message_hello hello = { .release = longest, .hostname = longest };
	const struct message_welcome welcome = { .name = longest };
	const struct message_failed failed = { .words = longest };
	const struct message_node node = {
		.state = longest, .name = longest, .release = longest, .words = longest
	};
	struct message_small m;
	struct {
		enum message_type type;
		size_t n;
	} rows[5];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	message_hello_write(message_begin(&m, MESSAGE_HELLO), &hello);
	rows[0].type = MESSAGE_HELLO, rows[0].n = m.w.len;
	message_welcome_write(message_begin(&m, MESSAGE_WELCOME), &welcome);
	rows[1].type = MESSAGE_WELCOME, rows[1].n = m.w.len;
	message_failed_write(message_begin(&m, MESSAGE_FAILED), &failed);
	rows[2].type = MESSAGE_FAILED, rows[2].n = m.w.len;
	message_node_write(message_begin(&m, MESSAGE_NODE), &node);
	rows[3].type = MESSAGE_NODE, rows[3].n = m.w.len;
	message_done_write(message_begin(&m, MESSAGE_DONE), 5, longest);
	rows[4].type = MESSAGE_DONE, rows[4].n = m.w.len;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_in_range(rows[i].n - 1, message_kinds[rows[i].type].min,
				message_kinds[rows[i].type].max);
	assert_int_equal(m.w.err, 0);
}

/* A process at its longest, and each way in which one is refused. */
static void test_process(void **state)
{
	char longest[2 * MESSAGE_ARGS_MAX];
	struct message_process p = { .pid = 7,
				     .state = 'S',
				     .real_uid = 1000,
				     .tty = 0x8803,
				     .foreground = 9,
				     .nice = -5,
				     .rss_kib = 1234,
				     .name = longest,
				     .args = longest },
			       back;
	const struct {
		size_t at;
		uint8_t byte;
		int result;
	} rows[] = {
		{ 0, 0, 0 }, /* as it is */
		{ 3, 0, -EBADMSG }, /* process 0 */
		{ 40, 0, -EBADMSG }, /* no state */
		{ 40, 0x7f, -EBADMSG },
		{ 76, 0x1b, -EBADMSG }, /* a name that a terminal would act on */
	};
	struct message_small m;
	struct reader r;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t *copy;

		m.w = WRITER(m.bytes, sizeof(m.bytes));
		message_process_write(&m.w, &p);
		assert_int_equal(m.w.err, 0);
		assert_int_equal(m.w.len, MESSAGE_PROCESS_MAX - 1);
		m.bytes[rows[i].at] = rows[i].byte;
		copy = malloc(m.w.len);
		assert_non_null(copy);
		memcpy(copy, m.bytes, m.w.len);
		r = READER(copy, m.w.len);
		assert_int_equal(message_process_read(&r, &back), rows[i].result);
		if (i == 0) {
			assert_int_equal(back.real_uid, 1000);
			assert_int_equal(back.tty, 0x8803);
			assert_int_equal(back.foreground, 9);
			assert_int_equal(back.nice, -5);
			assert_int_equal(back.rss_kib, 1234);
			assert_int_equal(strlen(back.args), MESSAGE_ARGS_MAX - 1);
		}
		free(copy);
	}
}

static void test_proclist(void **state)
{
	const struct {
		uint8_t how, behind;
		int result;
	} rows[] = {
		{ MESSAGE_MORE, 1, 0 },
		{ MESSAGE_LAST, 0, 0 },
		{ MESSAGE_NODE_LOST, 0, 0 },
		{ MESSAGE_NODE_LOST, 1, -EBADMSG },
		{ MESSAGE_GOING_ON_MAX_, 0, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct message_small m;
		const struct message_proclist p = { 9, rows[i].how, UINT64_MAX - 1 };
		struct message_proclist back;
		struct reader r;

		m.w = WRITER(m.bytes, sizeof(m.bytes));
		message_proclist_write(&m.w, &p);
		assert_int_equal(m.w.len, MESSAGE_PROCLIST_BYTES);
		writer_zero(&m.w, rows[i].behind);
		r = READER(m.bytes, m.w.len);
		assert_int_equal(message_proclist_read(&r, &back), rows[i].result);
		if (rows[i].result == 0) {
			assert_int_equal(back.number, 9);
			assert_int_equal(back.how, rows[i].how);
			assert_int_equal(back.memory_kib, UINT64_MAX - 1);
		}
	}
}

static void test_escape_sequences_never_come_through(void **state)
{
	const char *words = NULL;
	uint8_t raw[] = "\x1b[2Jhello";
	struct message_small m;
	struct reader r = READER(raw, sizeof(raw));

	assert_int_equal(message_words_read(&r, &words), -EBADMSG);
	message_words_write(message_begin(&m, MESSAGE_TROUBLE), MESSAGE_TROUBLE, (char *)raw);
	r = READER(m.bytes + 1, m.w.len - 1);
	assert_int_equal(message_words_read(&r, &words), 0);
	assert_string_equal(words, "?[2Jhello");
}

static void test_spec(void **state)
{
	static char *argv[] = { (char *)"printf", (char *)"%s\n", (char *)"", (char *)"\xff\x01",
				NULL };
	static char *env[] = { (char *)"A=b c", NULL };
	struct message_file files[] = {
		{ .kind = MESSAGE_PROGRAM, .is_private = true, .bytes = 7, .path = "/x/printf" },
		{ .kind = MESSAGE_LIBRARY, .hash = { 1, 2 }, .path = "/lib/libc.so.6" },
	};
	struct message_spec s = { .flags = MESSAGE_STDIN_NULL,
				  .umask = 022,
				  .window = 4096,
				  .n_limits = 2,
				  .limits = { { 1, 2 }, { 3, UINT64_MAX } },
				  .cwd = "/tmp",
				  .io = { "", "/out", "" },
				  .argv = argv,
				  .n_argv = 4,
				  .env = env,
				  .n_env = 1,
				  .files = files,
				  .n_files = 2 },
			    back;
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	struct reader r;

	assert_int_equal(message_spec_write(&b, &s), 0);
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, b.data, n);
		r = READER(copy, n);
		assert_int_equal(message_spec_read(&r, &back), -EBADMSG);
		free(copy);
	}
	r = READER(b.data, b.len);
	assert_int_equal(message_spec_read(&r, &back), 0);
	assert_int_equal(back.n_argv, 4);
	assert_string_equal(back.argv[3], "\xff\x01");
	assert_null(back.argv[4]);
	assert_string_equal(back.env[0], "A=b c");
	assert_string_equal(back.io[1], "/out");
	assert_true(back.limits[1].maximum == UINT64_MAX);
	assert_int_equal(back.n_files, 2);
	assert_true(back.files[0].is_private);
	assert_int_equal(back.files[0].bytes, 7);
	assert_string_equal(back.files[1].path, "/lib/libc.so.6");
	assert_memory_equal(back.files[1].hash, files[1].hash, MESSAGE_HASH_BYTES);
	message_spec_clear(&back);
}

/* Its arguments and variables may come apart: a reference stands in their place. */
static void test_apart(void **state)
{
	static char *argv[] = { (char *)"x", (char *)"y", NULL }, *env[] = { (char *)"A=", NULL };
	struct message_file file = { .path = "/x" };
	struct message_spec s = { .window = 1, .cwd = "/", .io = { "", "", "" }, .argv = argv,
				  .n_argv = 2, .env = env,  .n_env = 1,	      .files = &file,
				  .n_files = 1 },
			    whole, back;
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX), short_b = b;
	uint8_t text[MESSAGE_SALT_BYTES + 16] = { 1, 2 };
	struct reader r;

	assert_int_equal(message_spec_write(&b, &s), 0);
	r = READER(b.data, b.len);
	assert_int_equal(message_spec_read(&r, &whole), 0);
	assert_int_equal(whole.strings_n, 2 + 2 + 2 + 2 + 3);
	memcpy(text + MESSAGE_SALT_BYTES, whole.strings, whole.strings_n);
	s.flags = MESSAGE_APART;
	s.apart = (struct message_apart){ .bytes = MESSAGE_SALT_BYTES + 11, .hash = { 7 } };
	assert_int_equal(message_spec_write(&short_b, &s), 0);
	assert_int_equal(short_b.len, b.len - 11 + 4 + MESSAGE_HASH_BYTES);
	r = READER(short_b.data, short_b.len);
	assert_int_equal(message_spec_read(&r, &back), 0);
	assert_null(back.argv);
	assert_int_equal(back.apart.hash[0], 7);
	assert_int_equal(back.n_files, 1);
	for (size_t n = 0; n <= MESSAGE_SALT_BYTES + 12; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		int want = n == back.apart.bytes ? 0 : -EBADMSG;

		assert_non_null(copy);
		memcpy(copy, text, n);
		r = READER(copy, n);
		assert_int_equal(message_spec_join(&r, &back), want);
		if (want == 0)
			assert_string_equal(back.argv[1], "y");
		free(back.argv);
		free(back.env);
		back.argv = back.env = NULL;
		free(copy);
	}
	message_spec_clear(&back);
	message_spec_clear(&whole);
	s.apart.bytes = MESSAGE_SALT_BYTES - 1;
	short_b.len = 0;
	assert_int_equal(message_spec_write(&short_b, &s), 0);
	r = READER(short_b.data, short_b.len);
	assert_int_equal(message_spec_read(&r, &back), -EBADMSG);
}

/* Processes that nobody has asked for, and signals for them. */
static void test_kept(void **state)
{
	const struct message_kept k = {
		.key = { { 1, 2 }, 3 }, .pid = 77, .uid = 1000, .signals = 5
	};
	const struct {
		uint32_t pid;
		size_t n;
		int result;
	} rows[] = {
		{ 77, MESSAGE_KEPT_BYTES, 0 },
		{ 77, MESSAGE_KEPT_BYTES - 1, -EBADMSG },
		{ 0, MESSAGE_KEPT_BYTES, -EBADMSG },
		{ 1u << 31, MESSAGE_KEPT_BYTES, -EBADMSG },
	};
	struct message_nudge n = { .key = k.key, .signal = 64 }, nudged;
	struct message_small m;
	struct reader r;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct message_kept given = k, back;
		uint8_t *copy = malloc(rows[i].n);

		assert_non_null(copy);
		given.pid = rows[i].pid;
		m.w = WRITER(m.bytes, sizeof(m.bytes));
		message_kept_write(&m.w, &given);
		assert_int_equal(m.w.len, MESSAGE_KEPT_BYTES);
		memcpy(copy, m.bytes, rows[i].n);
		r = READER(copy, rows[i].n);
		assert_int_equal(message_kept_read(&r, &back), rows[i].result);
		if (rows[i].result == 0)
			assert_true(message_key_equal(&back.key, &k.key) && back.pid == 77 &&
				    back.uid == 1000 && back.signals == 5);
		free(copy);
	}
	for (; n.signal < 66; n.signal++) {
		m.w = WRITER(m.bytes, sizeof(m.bytes));
		message_nudge_write(&m.w, &n);
		r = READER(m.bytes, m.w.len);
		assert_int_equal(message_nudge_read(&r, &nudged),
				 n.signal > 64 ? -EBADMSG : 0);
	}
}

/* Its files are laid below a folder of the node's. */
static void test_paths_of_files(void **state)
{
	static char *argv[] = { (char *)"x", NULL };
	static const struct {
		const char *path;
		bool good;
	} rows[] = {
		{ "/a", true },	     { "/a/b.so", true },  { "/..a/b..", true }, { "", false },
		{ "a", false },	     { "/", false },	   { "/a/", false },	 { "//a", false },
		{ "/a//b", false },  { "/../a", false },   { "/a/..", false },	 { "/./a", false },
		{ "/a/../b", false }, { "/a/.", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct message_file file = { .path = rows[i].path };
		struct message_spec s = { .window = 1,
					  .cwd = "/",
					  .io = { "", "", "" },
					  .argv = argv,
					  .n_argv = 1,
					  .files = &file,
					  .n_files = 1 },
				    back;
		_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
		struct reader r;

		assert_int_equal(message_spec_write(&b, &s), 0);
		r = READER(b.data, b.len);
		assert_int_equal(message_spec_read(&r, &back), rows[i].good ? 0 : -EBADMSG);
		if (rows[i].good)
			message_spec_clear(&back);
	}
}

static void test_a_spec_that_is_too_large_is_not_written(void **state)
{
	_cleanup_free_ char *big = malloc(MESSAGE_SPEC_MAX + 1);
	_cleanup_buffer_ struct buffer b = BUFFER(4 * MESSAGE_SPEC_MAX);
	char *argv[] = { big, NULL };
	struct message_spec s = {
		.window = 1, .cwd = "/", .io = { "", "", "" }, .argv = argv, .n_argv = 1
	};

	assert_non_null(big);
	memset(big, 'x', MESSAGE_SPEC_MAX);
	big[MESSAGE_SPEC_MAX] = 0;
	assert_int_equal(message_spec_write(&b, &s), -E2BIG);
}

static void test_children(void **state)
{
	static const struct {
		uint8_t what;
		uint32_t value;
		int want;
	} rows[] = {
		{ MESSAGE_CHILD_RUNS, 77, 0 },	      { MESSAGE_CHILD_NONE, 0, 0 },
		{ MESSAGE_CHILD_STOPPED, 19, 0 },     { MESSAGE_CHILD_STOPPED, 0, -EBADMSG },
		{ MESSAGE_CHILD_STOPPED, 65, -EBADMSG }, { MESSAGE_CHILD_CONTINUED, 1, 0 },
		{ MESSAGE_CHILD_CONTINUED, 2, -EBADMSG }, { MESSAGE_CHILD_NAMED, 0, 0 },
		{ MESSAGE_CHILD_ENDED, 0xff00, 0 },   { MESSAGE_CHILD_ENDED, 0x10000, -EBADMSG },
		{ MESSAGE_CHILD_LISTED, 5, 0 },	      { MESSAGE_CHILD_MAX_, 0, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct message_child m = { .job = 1,
					   .pid = 3000,
					   .what = rows[i].what,
					   .value = rows[i].value,
					   .title = { "sle\033ep", "sleep 5" } };
		struct message_child got;
		struct message_small msg;
		struct reader r;
		uint8_t *exact;

		message_child_write(message_begin(&msg, MESSAGE_CHILD), &m);
		exact = malloc(msg.w.len - 1);
		assert_non_null(exact);
		memcpy(exact, msg.bytes + 1, msg.w.len - 1);
		r = READER(exact, msg.w.len - 1);
		assert_int_equal(message_child_read(&r, &got), rows[i].want);
		if (rows[i].want == 0) {
			assert_int_equal(got.pid, 3000);
			assert_int_equal(got.value, rows[i].value);
			assert_string_equal(got.title.name, "sle?ep");
		}
		free(exact);
	}
}

static void test_states(void **state)
{
	assert_true(message_state_valid("up"));
	assert_true(message_state_valid("abcdefghijklmno"));
	assert_false(message_state_valid("abcdefghijklmnop"));
	assert_false(message_state_valid(""));
	assert_false(message_state_valid("a b"));
	assert_false(message_state_valid("\x1b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dispatch_asks_type_state_and_size),
		cmocka_unit_test(test_the_table_is_complete),
		cmocka_unit_test(test_the_longest_fit),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_proclist),
		cmocka_unit_test(test_escape_sequences_never_come_through),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_paths_of_files),
		cmocka_unit_test(test_a_spec_that_is_too_large_is_not_written),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
