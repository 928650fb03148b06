/*
 * fuzz-inspect.c - whatever the file, each entry yields exactly the data that it claims, and paths
 * keep the limit
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void say_nothing(enum log_level level, const char *line)
{
}

static int entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	uint64_t *seen = user, left = e->size;
	uint8_t buf[4096];
	size_t n = 0;

	if (strlen(e->path) >= INSPECT_PATH_MAX ||
	    (e->target && strlen(e->target) >= INSPECT_PATH_MAX))
		abort();
	if (*e->path == '/' || !strncmp(e->path, "./", 2))
		abort();
	if (++*seen % 2 == 0) /* what is not read is passed over */
		return 0;
	do {
		int r = data->read(data, buf, sizeof(buf), &n);

		if (r < 0)
			return r;
		if (n > left)
			abort();
		left -= n;
	} while (n > 0);
	if (left > 0 && !e->target)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint64_t seen = 0;
	struct inspect_visitor v = { NULL, entry, &seen };
	int r;

	log_set_sink(say_nothing);
	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		return 0;
	r = inspect_file(fd, "fuzz", &v);
	if (r != 0 && r != -EBADMSG && r != -E2BIG && r != -ENOMEM)
		abort();
	return 0;
}
