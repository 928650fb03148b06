/*
 * cluster_load.c - the cluster file of a path, and words for what is wrong with it
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "serve/cluster.h"

int cluster_load(const char *file, struct cluster *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(CLUSTER_BYTES_MAX);
	_cleanup_free_ char *cwd = NULL, *whole = NULL;
	unsigned line;
	char why[256];
	int r = file_read(AT_FDCWD, file, &text);

	if (r == -ENOENT)
		return log_err(0,
			       "no cluster file '%s': bpboot-cluster.conf(5) says how to write one",
			       file),
		       r;
	if (r < 0)
		return log_err(r, "cannot read cluster file '%s'", file);
	if (file[0] != '/') {
		cwd = getcwd(NULL, 0);
		r = cwd ? path_join(cwd, file, &whole) : -errno;
		if (r < 0)
			return log_err(r, "cannot find the directory of cluster file '%s'", file);
	}
	r = cluster_parse(whole ? whole : file, text.data, text.len, ret, &line, why);
	if (r == -EBADMSG && line > 0)
		return log_err(0, "%s:%u: %s", file, line, why), r;
	if (r == -EBADMSG)
		return log_err(0, "%s: %s", file, why), r;
	return r < 0 ? log_err(r, "cannot read cluster file '%s'", file) : 0;
}
