/*
 * settings.c - what bpctl has set, kept over a restart of bpmaster
 *
 * Permissions and attributes stay until bpctl changes them. A state that was set stays until the
 * node boots anew, fails, or gets another one: it survives a lost connection and our own restart,
 * since the node then comes back with the same boot number. The whole file is written anew at each
 * change, which only an owner may ask for.
 *
 * A file that cannot be read keeps bpmaster from starting: going on would open nodes that were
 * closed to users.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lines.h"
#include "base/path.h"
#include "space/master_internal.h"

#define SETTINGS_FILE "settings"
#define FILE_MODE     0644

void settings_close(struct master *m)
{
	for (size_t i = 0; i < m->n_settings; i++)
		settings_clear(&m->settings[i]);
	free(m->settings);
	m->settings = NULL;
	m->n_settings = 0;
}

/* Keep @s, which is taken, for a machine that is no member. Of too many the first gives way. */
static int keep(struct master *m, struct settings *s)
{
	struct settings *list;

	if (m->n_settings >= MASTER_NODES_MAX) {
		settings_clear(&m->settings[0]);
		memmove(m->settings, m->settings + 1, --m->n_settings * sizeof(*list));
	}
	list = reallocarray(m->settings, m->n_settings + 1, sizeof(*list));
	if (!list) {
		settings_clear(s);
		return -ENOMEM;
	}
	list[m->n_settings++] = *s;
	m->settings = list;
	return 0;
}

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

int settings_check_safe(const struct master *m, const char *path)
{
	int r = check_safe(m->config->state, S_IWOTH, 0);

	return r < 0 ? r : check_safe(path, S_IWGRP | S_IWOTH, AT_SYMLINK_NOFOLLOW);
}

int settings_load(struct master *m)
{
	_cleanup_buffer_ struct buffer text = BUFFER(SETTINGS_BYTES_MAX);
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ struct lines *l = malloc(sizeof(*l));
	int r = path_join(m->config->state, SETTINGS_FILE, &path);

	if (r < 0 || !l)
		return -ENOMEM;
	r = settings_check_safe(m, path);
	if (r < 0)
		return r;
	r = file_read(AT_FDCWD, path, &text);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return log_err(r, "cannot read the nodes' settings '%s'", path);
	lines_init(l, path, text.data, text.len);
	while ((r = lines_next(l)) == 1) {
		struct settings s;

		r = settings_read(l->words, l->n_words, &s);
		if (r == 0)
			r = keep(m, &s);
		if (r < 0)
			break;
	}
	if (r == -EBADMSG)
		return log_err(0,
			       "%s:%u: not a line that bpmaster has written: repair it, or remove "
			       "the file to give up permissions, states and attributes of all "
			       "nodes",
			       path, l->line),
		       r;
	return r;
}

/* A copy of what @n has, its attributes borrowed. Return: whether there is anything to keep. */
static bool copy(const struct member *n, struct settings *ret)
{
	*ret = (struct settings){ .mac = n->node.mac,
				  .mode = n->mode,
				  .uid = n->uid,
				  .gid = n->gid,
				  .boot = n->set_boot,
				  .attributes = n->attributes };
	snprintf(ret->state, sizeof(ret->state), "%s", n->set_state);
	return n->mode != SETTINGS_MODE || n->uid || n->gid || *n->set_state || n->attributes;
}

int settings_save(const struct master *m)
{
	_cleanup_buffer_ struct buffer text = BUFFER(SETTINGS_BYTES_MAX);
	_cleanup_free_ char *path = NULL;
	struct settings s;
	int r = path_join(m->config->state, SETTINGS_FILE, &path);

	for (size_t i = 0; r == 0 && i < m->n_members; i++) {
		if (copy(m->members[i], &s))
			r = settings_write(&text, &s);
	}
	for (size_t i = 0; r == 0 && i < m->n_settings; i++)
		r = settings_write(&text, &m->settings[i]);
	if (r == 0)
		r = file_write(AT_FDCWD, path, text.data, text.len, FILE_MODE);
	return r < 0 ? log_err(r, "cannot keep the nodes' settings in '%s'", path ? path : "") : 0;
}

void settings_give(struct member *n)
{
	struct master *m = n->master;

	for (size_t i = 0; i < m->n_settings; i++) {
		struct settings *s = &m->settings[i];

		if (!mac_equal(&s->mac, &n->node.mac))
			continue;
		n->mode = s->mode;
		n->uid = s->uid;
		n->gid = s->gid;
		n->set_boot = s->boot;
		n->attributes = s->attributes;
		snprintf(n->set_state, sizeof(n->set_state), "%s", s->state);
		if (*s->state && s->boot == 0)
			snprintf(n->state, sizeof(n->state), "%s", s->state);
		memmove(s, s + 1, (m->n_settings - i - 1) * sizeof(*s));
		m->n_settings--;
		return;
	}
}

void settings_take(struct member *n)
{
	struct settings s;

	if (!copy(n, &s))
		return;
	n->attributes = NULL;
	if (keep(n->master, &s) < 0)
		log_warn(-ENOMEM, "forgetting the settings of node %u", n->node.number);
}

void settings_state(struct member *n, const char *state)
{
	bool natural = n->slave && !strcmp(state, "up");

	snprintf(n->set_state, sizeof(n->set_state), "%s", natural ? "" : state);
	n->set_boot = n->slave && !natural ? n->boot : 0;
	member_set_state(n, state, "");
}

int settings_attribute(struct member *n, const char *word)
{
	_cleanup_buffer_ struct buffer text = BUFFER(ATTRIBUTES_TEXT_MAX + MESSAGE_ATTRIBUTE_MAX);
	char *s = NULL;
	int r = attributes_set(n->attributes ? n->attributes : "", word, &text);

	if (r < 0)
		return r == -ENOENT ? -EINVAL : r;
	if (text.len > 0) {
		s = strdup(buffer_str(&text));
		if (!s)
			return -ENOMEM;
	}
	free(n->attributes);
	n->attributes = s;
	return 0;
}

const char *settings_registered(struct member *n)
{
	if (*n->set_state && n->set_boot != 0 && n->set_boot == n->boot)
		return n->set_state;
	n->set_state[0] = 0;
	n->set_boot = 0;
	return "up";
}
