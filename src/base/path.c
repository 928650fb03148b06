/*
 * path.c - file names as text
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

int path_normalize(const char *s, char **ret)
{
	size_t n = strlen(s), len = 0;
	char *out;

	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	out = malloc(n + 2);
	if (!out)
		return -ENOMEM;
	while (*s) {
		size_t k = strcspn(s, "/");

		if (k == 2 && s[0] == '.' && s[1] == '.') {
			while (len > 0 && out[--len] != '/')
				;
		} else if (k > 0 && !(k == 1 && s[0] == '.')) {
			out[len++] = '/';
			memcpy(out + len, s, k);
			len += k;
		}
		s += k;
		s += strspn(s, "/");
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = 0;
	*ret = out;
	return 0;
}

int path_join(const char *a, const char *b, char **ret)
{
	size_t n = strlen(a);
	char *out;

	while (n > 0 && a[n - 1] == '/')
		n--;
	b += strspn(b, "/");
	if (n + strlen(b) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	if (asprintf(&out, "%.*s/%s", (int)n, a, b) < 0)
		return -ENOMEM;
	*ret = out;
	return 0;
}

const char *path_base(const char *s)
{
	const char *slash = strrchr(s, '/');

	return slash ? slash + 1 : s;
}

int path_mkdirs(int dirfd, const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *copy; p++) {
		char c = *p;

		if (c != '/' && c)
			continue;
		*p = 0;
		if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = c;
		if (!c)
			break;
	}
	if (fstatat(dirfd, path, &st, 0) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

bool path_is_mount(const char *path)
{
	char up[PATH_MAX];
	struct stat dir, parent;

	if ((size_t)snprintf(up, sizeof(up), "%s/..", path) >= sizeof(up))
		return false;
	return stat(path, &dir) == 0 && stat(up, &parent) == 0 && dir.st_dev != parent.st_dev;
}
