/*
 * state_file.c - files of lines that bpmaster keeps in its state folder over a restart
 *
 * A file that is not safe, or not as bpmaster has written it, is an error and not passed over: to
 * go on without what it says would give rights away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lines.h"
#include "base/log.h"
#include "base/path.h"
#include "space/state_file.h"

#define FILE_MODE 0644 /* no secrets */

/* Nobody else may write @path, which may be missing. @forbidden: bits of its mode; @flags: of
 * fstatat(). */
static int check_safe(const char *path, mode_t forbidden, int flags)
{
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st, flags) < 0)
		return errno == ENOENT ? 0 : log_err(-errno, "cannot look at '%s'", path);
	if ((st.st_uid == geteuid() || st.st_uid == 0) && !(st.st_mode & forbidden))
		return 0;
	return log_err(-EPERM,
		       "what bpmaster keeps of the nodes is not safe in '%s' (user %u, mode %03o): "
		       "only the user that bpmaster runs as may write there",
		       path, st.st_uid, st.st_mode & 0777u);
}

int state_file_read(const char *dir, const struct state_file *f, void *ctx)
{
	_cleanup_buffer_ struct buffer text = BUFFER(f->max);
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ struct lines *l = malloc(sizeof(*l));
	int r = path_join(dir, f->name, &path);

	if (r < 0 || !l)
		return -ENOMEM;
	r = check_safe(dir, S_IWOTH, 0);
	if (r == 0)
		r = check_safe(path, S_IWGRP | S_IWOTH, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return r;
	r = file_read(AT_FDCWD, path, &text);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return log_err(r, "cannot read %s '%s'", f->what, path);
	lines_init(l, path, text.data, text.len);
	while ((r = lines_next(l)) == 1) {
		r = f->take(ctx, l->words, l->n_words);
		if (r < 0)
			break;
	}
	if (r == -EBADMSG)
		return log_err(0,
			       "%s:%u: not a line that bpmaster has written: repair it, or remove "
			       "the file %s",
			       path, l->line, f->without),
		       r;
	return r;
}

int state_file_write(const char *dir, const struct state_file *f, int err,
		     const struct buffer *text)
{
	_cleanup_free_ char *path = NULL;
	int r = path_join(dir, f->name, &path);

	if (r == 0)
		r = err;
	if (r == 0)
		r = file_write(AT_FDCWD, path, text->data, text->len, FILE_MODE);
	return r < 0 ? log_err(r, "cannot keep %s in '%s'", f->what, path ? path : "") : 0;
}
