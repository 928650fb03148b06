/*
 * carry_strings.c - arguments and variables of a start that come apart: the node's part
 *
 * They come as files do, from the master or from another node, are checked by their hash, and are
 * kept in a file without a name: until the process runs, and a little longer for other nodes that
 * are sent here for them. The child has the file's descriptor and reads it when all has come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "space/carry.h"

/* Let go of what nobody has asked for in a while. */
static void on_tidy(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct carries *cs = w->data;
	uint64_t now = clock_ms();
	struct cache_blob *next;
	bool more = false;

	for (struct cache_blob *b = cs->cache ? cs->cache->list : NULL; b; b = next) {
		next = b->next;
		if (!b->unnamed)
			continue;
		if (b->users > 0)
			b->idle_ms = now;
		if (now - b->idle_ms >= CARRY_LINGER_MS)
			cache_drop(cs->cache, b);
		else
			more = true;
	}
	if (!more)
		ev_timer_stop(loop, w);
}

static void tidy(struct carries *cs)
{
	if (ev_is_active(&cs->tidy))
		return;
	ev_timer_init(&cs->tidy, on_tidy, CARRY_TIDY_MS / 1e3, CARRY_TIDY_MS / 1e3);
	cs->tidy.data = cs;
	ev_timer_start(cs->loop, &cs->tidy);
}

int carry_strings_expect(struct carry *c, const struct message_spec *spec, uint32_t uid)
{
	struct carries *cs = c->all;
	struct message_blob id = { .owner = uid };
	struct cache_blob *b;
	int r;

	memcpy(id.hash, spec->apart.hash, sizeof(id.hash));
	b = cache_find(cs->cache, &id);
	if (b && b->bytes != spec->apart.bytes)
		return -EPROTO;
	if (!b) {
		r = cache_expect(cs->cache, &id, spec->apart.bytes, &b);
		if (r < 0)
			return r;
		b->unnamed = true;
		b->idle_ms = clock_ms();
	}
	b->users++;
	c->strings = b;
	tidy(cs);
	return 0;
}

void carry_strings_done(struct carry *c)
{
	if (!c || !c->strings)
		return;
	c->strings->users--;
	c->strings->used = 0; /* goes before any program when there is no room */
	c->strings->idle_ms = clock_ms();
	c->strings = NULL;
}

int carry_strings_take(const struct carry *c, struct message_spec *spec,
		       char ret_words[static MESSAGE_WORDS_MAX])
{
	const struct cache_blob *b = c->strings;
	uint8_t *text = malloc((size_t)b->bytes);
	struct reader r;
	int e = text ? 0 : -ENOMEM;

	for (size_t n = 0; e == 0 && n < b->bytes;) {
		ssize_t got = pread(b->fd, text + n, (size_t)b->bytes - n, (off_t)n);

		if (got > 0)
			n += (size_t)got;
		else if (got == 0 || errno != EINTR)
			e = got == 0 ? -EIO : -errno;
	}
	if (e == 0) {
		r = READER(text, (size_t)b->bytes);
		e = message_spec_join(&r, spec);
	}
	if (e < 0)
		snprintf(ret_words, MESSAGE_WORDS_MAX,
			 "the node cannot read its arguments and environment");
	return e; /* the text stays: it is what the program is run with */
}
