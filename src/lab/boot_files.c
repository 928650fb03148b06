/*
 * boot_files.c - the lab's own boot directory
 *
 * It is one of links into the site's, so that boot.ipxe can be the lab's own while an image that is
 * published anew is seen at the next boot. tftpd-hpa shuts itself into its directory, where such a
 * link leads nowhere: it gets second names of the same files, or copies across file systems, and
 * serves what was published when the lab began.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "lab/boot_files.h"

enum {
	COPY_MAX = 1 << 30, /* bytes that one system call copies */
};

static int copy_data(const char *from, int dir, const char *to)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC),
			    out = openat(dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ssize_t n;

	if (in < 0 || out < 0)
		return -errno;
	while ((n = copy_file_range(in, NULL, out, NULL, COPY_MAX, 0)) > 0)
		;
	return n < 0 ? -errno : 0;
}

/* The same file under a second name; a copy where that cannot be. */
static int copy_file(const char *from, int dir, const char *to)
{
	if (linkat(AT_FDCWD, from, dir, to, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	return errno == ENOENT ? -ENOENT : copy_data(from, dir, to);
}

static int copy_dir(const char *from, int dir, const char *to)
{
	_cleanup_close_ int at = FD_NONE;
	DIR *d = opendir(from);
	int r = 0;

	if (!d)
		return -errno;
	if (mkdirat(dir, to, 0755) < 0 ||
	    (at = openat(dir, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = -errno;
	while (r == 0) {
		const struct dirent *e = readdir(d);
		_cleanup_free_ char *path = NULL;

		if (!e)
			break;
		if (e->d_name[0] == '.')
			continue;
		r = path_join(from, e->d_name, &path);
		r = r < 0 ? r : copy_file(path, at, e->d_name);
		if (r == -ENOENT)
			r = 0; /* gone meanwhile: of another image */
	}
	closedir(d);
	return r;
}

static int put_file(const struct site *s, const struct place *p, const char *boot, const char *name)
{
	_cleanup_free_ char *target = NULL;
	char at[256];
	struct stat st;
	int r = path_join(boot, name, &target);

	snprintf(at, sizeof(at), "boot/%s", name);
	if (r == 0 && s->tftp != SITE_TFTP_HPA)
		r = symlinkat(target, p->dir, at) < 0 ? -errno : 0;
	else if (r == 0 && stat(target, &st) < 0)
		r = errno == ENOENT ? 0 : -errno;
	else if (r == 0)
		r = S_ISDIR(st.st_mode) ? copy_dir(target, p->dir, at)
					: copy_file(target, p->dir, at);
	return r < 0 ? log_err(r, "cannot put '%s' into '%s/boot'", name, p->path) : 0;
}

int boot_files(const struct site *s, const struct place *p, const struct cluster *c)
{
	char *boot = realpath(s->boot, NULL), index[CLUSTER_NAME_MAX + 16],
	     signature[CLUSTER_NAME_MAX + 16];
	const char *const names[] = { c->kernel, c->initrd, "parts", index, signature };
	int r = 0;

	if (!boot)
		return log_err(-errno, "cannot find the boot directory '%s'", s->boot);
	snprintf(index, sizeof(index), "%s.index", c->image);
	snprintf(signature, sizeof(signature), "%s.index.minisig", c->image);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
		r = put_file(s, p, boot, names[i]);
	free(boot);
	return r;
}
