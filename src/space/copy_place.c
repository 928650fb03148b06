/*
 * copy_place.c - where a copy goes, and where its files with several names are
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "space/copy_internal.h"

static int open_top(struct receiver *rc, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	rc->folders[0] = (struct copy_folder){
		.fd = fd, .inherits = rc->options->preserve && copy_attributes_inherited(fd)
	};
	snprintf(rc->top_path, sizeof(rc->top_path), "%s", path);
	return 0;
}

int copy_destination(struct receiver *rc, const char *to, size_t n)
{
	size_t length = strlen(to);
	char parent[PATH_MAX];
	int r = open_top(rc, to);

	rc->folders[0].fd = r == 0 ? rc->folders[0].fd : FD_NONE;
	if (r == 0)
		return 0;
	if (length == 0 || length >= PATH_MAX)
		return log_err(-ENAMETOOLONG, "cannot write '%.40s...'", to);
	if (rc->options->in_folder || n > 1 || (to[length - 1] == '/' && r != -ENOENT))
		return log_err(r, "cannot copy into '%s'", to);
	if (r != -ENOENT && r != -ENOTDIR)
		return log_err(r, "cannot write '%s'", to);
	if (copy_base(to, rc->rename) < 0)
		return log_err(r, "cannot write '%s'", to);
	snprintf(parent, sizeof(parent), "%s", to);
	while (length > 1 && parent[length - 1] == '/')
		parent[--length] = 0;
	parent[(size_t)(path_base(parent) - parent)] = 0;
	r = open_top(rc, *parent ? parent : ".");
	if (r < 0) {
		rc->folders[0].fd = FD_NONE;
		return log_err(r, "cannot write '%s'", to);
	}
	/* For words: "a/b" and not "a//b". */
	length = strlen(rc->top_path);
	while (length > 1 && rc->top_path[length - 1] == '/')
		rc->top_path[--length] = 0;
	return 0;
}

int copy_link_keep(struct receiver *rc, uint32_t number, const char *name)
{
	_cleanup_buffer_ struct buffer path = BUFFER(PATH_MAX);
	int r = 0;

	if (number == 0)
		return 0;
	if (number > rc->n_links) {
		char **p = reallocarray(rc->links, number, sizeof(*p));

		if (!p)
			return -ENOMEM;
		memset(p + rc->n_links, 0, (number - rc->n_links) * sizeof(*p));
		rc->links = p;
		rc->n_links = number;
	}
	for (int i = 1; i <= rc->depth && r == 0; i++)
		r = buffer_printf(&path, "%s/", rc->folders[i].name);
	if (r == 0)
		r = buffer_printf(&path, "%s", name);
	if (r < 0)
		return 0; /* too long to be found again: its other names will fail and be said */
	free(rc->links[number - 1]);
	rc->links[number - 1] = strdup(buffer_str(&path));
	return rc->links[number - 1] ? 0 : -ENOMEM;
}

int copy_link_make(const struct receiver *rc, uint32_t number, int dirfd, const char *name)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	_cleanup_close_ int fd = FD_NONE;
	char proc[40];

	if (number > rc->n_links || !rc->links[number - 1])
		return -ENOENT;
	fd = (int)syscall(SYS_openat2, rc->folders[0].fd, rc->links[number - 1], &how, sizeof(how));
	if (fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

void copy_links_clear(struct receiver *rc)
{
	for (size_t i = 0; i < rc->n_links; i++)
		free(rc->links[i]);
	free(rc->links);
}
