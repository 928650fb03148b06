/*
 * watch.c - the list of nodes is read anew when a file changes that it comes from
 *
 * Whoever changes the node table or the cluster file, by `bpboot node`, an editor or a script, need
 * not tell bpmaster. Folders are watched, not files, since files are replaced by renaming; of a
 * symbolic link both folders. Where that is not possible, SIGHUP still is.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "space/master_internal.h"

#define SETTLE_S 0.1 /* editors write in steps */

static bool is_name_of(const char *file, const char *name)
{
	char real[PATH_MAX];

	return file && (!strcmp(path_base(file), name) ||
			(realpath(file, real) && !strcmp(path_base(real), name)));
}

static void on_change(struct ev_loop *loop, struct ev_io *w, int events)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct master *m = w->data;
	ssize_t n;

	while ((n = read(m->watch_fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *v;

		for (char *p = buf; p < buf + n; p += sizeof(*v) + v->len) {
			bool ours = false;

			v = (const void *)p;
			for (size_t i = 0; v->len > 0 && i < MASTER_WATCHED_MAX; i++)
				ours = ours || is_name_of(m->config->watched[i], v->name);
			if (ours)
				ev_timer_again(loop, &m->settling);
		}
	}
}

static void on_settled(struct ev_loop *loop, struct ev_timer *w, int events)
{
	ev_timer_stop(loop, w);
	master_reload(w->data);
}

static int watch_folder(struct master *m, const char *file)
{
	_cleanup_free_ char *dir = strndup(file, (size_t)(path_base(file) - file));

	if (!dir)
		return -ENOMEM;
	return inotify_add_watch(m->watch_fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) < 0
		       ? -errno
		       : 0;
}

void watch_open(struct master *m)
{
	char real[PATH_MAX];
	int r = 0;

	m->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (m->watch_fd < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < MASTER_WATCHED_MAX; i++) {
		const char *file = m->config->watched[i];

		r = file ? watch_folder(m, file) : 0;
		if (r == 0 && file && realpath(file, real))
			r = watch_folder(m, real);
	}
	if (r < 0)
		log_warn(r, "cannot watch the list of nodes for changes: SIGHUP has it read anew");
	ev_io_init(&m->watching, on_change, m->watch_fd, EV_READ);
	ev_timer_init(&m->settling, on_settled, 0, SETTLE_S);
	m->watching.data = m->settling.data = m;
	if (m->watch_fd >= 0)
		ev_io_start(m->loop, &m->watching);
}

void watch_close(struct master *m)
{
	if (m->watch_fd < 0)
		return;
	ev_io_stop(m->loop, &m->watching);
	ev_timer_stop(m->loop, &m->settling);
	m->watch_fd = fd_close(m->watch_fd);
}
