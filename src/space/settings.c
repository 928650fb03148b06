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
#include <stdio.h>
#include <string.h>

#include "space/master_internal.h"
#include "space/state_file.h"

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

static int take_line(void *ctx, char *const *words, size_t n)
{
	struct settings s;
	int r = settings_read(words, n, &s);

	return r < 0 ? r : keep(ctx, &s);
}

static const struct state_file settings_file = {
	.name = "settings",
	.max = SETTINGS_BYTES_MAX,
	.what = "the nodes' settings",
	.without = "to give up permissions, states and attributes of all nodes",
	.take = take_line,
};

int settings_load(struct master *m)
{
	return state_file_read(m->config->state, &settings_file, m);
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
	struct settings s;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_members; i++) {
		if (copy(m->members[i], &s))
			r = settings_write(&text, &s);
	}
	for (size_t i = 0; r == 0 && i < m->n_settings; i++)
		r = settings_write(&text, &m->settings[i]);
	return state_file_write(m->config->state, &settings_file, r, &text);
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
