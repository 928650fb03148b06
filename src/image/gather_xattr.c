/*
 * gather_xattr.c - extended attributes of sources: capabilities, ACLs, and those of users
 *
 * What a security module or a file system of the building machine keeps for itself
 * (security.selinux, trusted.*, ...) means nothing on the node and stays behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "image/gather_internal.h"

#define SYS_LISTXATTRAT 465    /* on every machine; Debian 12's headers do not have it */
#define NAMES_MAX	65536u /* bytes of all names of a file, as Linux has it */
#define VALUE_MAX	65536u

static bool is_wanted(const char *name)
{
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability") ||
	       !strcmp(name, GATHER_ACL_ACCESS) || !strcmp(name, GATHER_ACL_DEFAULT);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct inode_xattr *)a)->name, ((const struct inode_xattr *)b)->name);
}

static int add(struct inode *i, const char *name, const void *value, size_t n)
{
	struct inode_xattr x = { .name = strdup(name),
				 .value = malloc(MAX(n, (size_t)1)),
				 .bytes = n };
	struct inode_xattr *more = realloc(i->xattrs, (i->n_xattrs + 1) * sizeof(*more));

	i->xattrs = more ? more : i->xattrs;
	if (!x.name || !x.value || !more) {
		free(x.name);
		free(x.value);
		return -ENOMEM;
	}
	if (n > 0)
		memcpy(x.value, value, n);
	i->xattrs[i->n_xattrs++] = x;
	return 0;
}

int gather_add_xattr(struct inode *i, const char *name, const void *value, size_t n)
{
	int r;

	if (!is_wanted(name) && strcmp(name, TAR_ACL_ACCESS) && strcmp(name, TAR_ACL_DEFAULT))
		return 0;
	r = add(i, name, value, n);
	if (r == 0 && i->n_xattrs > 1)
		qsort(i->xattrs, i->n_xattrs, sizeof(*i->xattrs), compare);
	return r;
}

static int take_names(struct inode *i, const char *proc, const char *names, size_t n)
{
	_cleanup_free_ uint8_t *value = malloc(VALUE_MAX);

	if (!value)
		return -ENOMEM;
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t k;
		int r;

		if (!is_wanted(name))
			continue;
		k = getxattr(proc, name, value, VALUE_MAX);
		if (k < 0 && errno == ENODATA)
			continue;
		r = k < 0 ? -errno : add(i, name, value, (size_t)k);
		if (r < 0)
			return r;
	}
	if (i->n_xattrs > 1)
		qsort(i->xattrs, i->n_xattrs, sizeof(*i->xattrs), compare);
	return 0;
}

/* The path of @path below @dirfd for calls that take no descriptor. */
static void proc_path(int dirfd, const char *path, char *to, size_t n)
{
	if (path[0] == '/' || dirfd == AT_FDCWD)
		snprintf(to, n, "%s", path);
	else
		snprintf(to, n, "/proc/self/fd/%d/%s", dirfd, path);
}

/* listxattrat(2), which is new in Linux 6.13 and takes half the time of a path through /proc. */
static ssize_t list_names(int dirfd, const char *path, char *to, size_t n)
{
	static bool missing;
	char proc[PATH_MAX + 32];
	long k;

	if (!missing) {
		k = syscall(SYS_LISTXATTRAT, dirfd, path, 0, to, n);
		if (k >= 0 || (errno != ENOSYS && errno != EPERM))
			return k;
		missing = true; /* or forbidden by a sandbox that does not know it */
	}
	proc_path(dirfd, path, proc, sizeof(proc));
	return listxattr(proc, to, n);
}

int gather_xattrs(struct inode *i, int dirfd, const char *path)
{
	char few[1024], proc[PATH_MAX + 32];
	_cleanup_free_ char *many = NULL;
	ssize_t n = list_names(dirfd, path, few, sizeof(few));
	int r;

	if (n == 0 || (n < 0 && errno == EOPNOTSUPP))
		return 0;
	if (n < 0 && errno == ERANGE) {
		many = malloc(NAMES_MAX);
		if (!many)
			return log_err(-ENOMEM, "cannot take '%s'", path);
		n = list_names(dirfd, path, many, NAMES_MAX);
	}
	proc_path(dirfd, path, proc, sizeof(proc));
	r = n < 0 ? -errno : take_names(i, proc, many ? many : few, (size_t)n);
	return r < 0 ? log_err(r, "cannot read the extended attributes of '%s'", path) : 0;
}

void gather_drop_xattr(struct inode *i, const char *name)
{
	size_t kept = 0;

	for (size_t k = 0; k < i->n_xattrs; k++) {
		if (strcmp(i->xattrs[k].name, name) != 0) {
			i->xattrs[kept++] = i->xattrs[k];
			continue;
		}
		free(i->xattrs[k].name);
		free(i->xattrs[k].value);
	}
	i->n_xattrs = kept;
}

void gather_drop_xattrs(struct inode *i)
{
	while (i->n_xattrs > 0)
		gather_drop_xattr(i, i->xattrs[i->n_xattrs - 1].name);
}
