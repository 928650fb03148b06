/*
 * where.c - where the parts of bpboot and a site's files are
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "cli/where.h"

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v && *v ? v : otherwise;
}

const char *where_boot_dir(void)
{
	return from_environment("BPBOOT_DIR", WHERE_BOOT_DIR);
}

const char *where_key_dir(void)
{
	return from_environment("BPBOOT_KEYS", WHERE_KEY_DIR);
}

const char *where_socket(void)
{
	return from_environment("BPBOOT_SOCKET", WHERE_SOCKET);
}

/* Take @dir/@middle/@name when it can be executed. */
static int try_program(const char *dir, const char *middle, const char *name, char **ret)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s%s/%s", dir, middle, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (access(path, X_OK) < 0)
		return -errno;
	return path_normalize(path, ret);
}

int where_program(const char *name, char **ret)
{
	const char *libexec = getenv("BPBOOT_LIBEXEC");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (libexec && try_program(libexec, "", name, ret) == 0)
		return 0;
	if (n > 0) {
		self[n] = 0;
		*strrchr(self, '/') = 0;
		if (try_program(self, "", name, ret) == 0)
			return 0;
		if (try_program(self, "/../init", name, ret) == 0)
			return 0;
		if (try_program(self, "/../libexec/bpboot", name, ret) == 0)
			return 0;
	}
	if (try_program(BPBOOT_LIBEXECDIR, "", name, ret) == 0)
		return 0;
	return log_err(-ENOENT,
		       "cannot find bpboot's own program '%s' (looked beside this one and in %s)",
		       name, BPBOOT_LIBEXECDIR);
}
