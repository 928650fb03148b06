/*
 * keys.c - the keys of nodes: pinned at the first contact, held against at each later one, kept
 * over a restart
 *
 * A key that outlives the boots of its machine is pinned for good: from then on the MAC belongs to
 * who holds it. One that is made anew in each boot is pinned for that boot; in the next boot
 * another one may follow, since nothing proves that it is not the same machine.
 *
 * Pins are written a moment after they were made, many at a time, so that a cluster that comes up
 * at once does not wait for the disk; what bpctl says is written before it is answered. A file that
 * cannot be read keeps bpmaster from starting: going on would pin whoever comes first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "space/keys.h"
#include "space/state_file.h"

#define SAVE_S 0.2 /* from the first new pin to the writing of all */

static struct pin *find(const struct master *m, const struct mac *mac)
{
	for (size_t i = 0; i < m->keys.n; i++) {
		if (mac_equal(&m->keys.pins[i].mac, mac))
			return &m->keys.pins[i];
	}
	return NULL;
}

/* Of too many the first one whose machine is no node gives way. Return: its place, or NULL. */
static struct pin *place(struct master *m)
{
	struct pin *list;

	if (m->keys.n >= KEYS_PINS_MAX) {
		for (size_t i = 0; i < m->keys.n; i++) {
			if (!member_by_mac(m, &m->keys.pins[i].mac))
				return &m->keys.pins[i];
		}
		return NULL;
	}
	list = reallocarray(m->keys.pins, m->keys.n + 1, sizeof(*list));
	if (!list)
		return NULL;
	m->keys.pins = list;
	return &list[m->keys.n++];
}

/* Return: 0, or -ENOMEM. */
static int pin_set(struct master *m, const struct pin *p)
{
	struct pin *at = find(m, &p->mac);

	at = at ? at : place(m);
	if (!at)
		return -ENOMEM;
	*at = *p;
	return 0;
}

static int take_line(void *ctx, char *const *words, size_t n)
{
	struct master *m = ctx;
	struct pin p;
	int r = pins_read(words, n, &p);

	if (r == 0 && find(m, &p.mac))
		r = -EBADMSG;
	return r < 0 ? r : pin_set(m, &p);
}

static const struct state_file pins_file = {
	.name = "keys",
	.max = PINS_BYTES_MAX,
	.what = "the nodes' keys",
	.without = "to believe every node's next key",
	.take = take_line,
};

static int save(struct master *m)
{
	_cleanup_buffer_ struct buffer text = BUFFER(PINS_BYTES_MAX);
	int r = 0;

	ev_timer_stop(m->loop, &m->keys.saving);
	for (size_t i = 0; r == 0 && i < m->keys.n; i++)
		r = pins_write(&text, &m->keys.pins[i]);
	return state_file_write(m->config->state, &pins_file, r, &text);
}

static void on_saving(struct ev_loop *loop, struct ev_timer *w, int events)
{
	(void)save(w->data); /* said; tried again with the next pin, and at the end */
}

int keys_load(struct master *m)
{
	ev_timer_init(&m->keys.saving, on_saving, SAVE_S, 0);
	m->keys.saving.data = m;
	return state_file_read(m->config->state, &pins_file, m);
}

void keys_close(struct master *m)
{
	if (ev_is_active(&m->keys.saving))
		(void)save(m); /* said */
	free(m->keys.pins);
	free(m->keys.waiting);
	m->keys.pins = NULL;
	m->keys.waiting = NULL;
	m->keys.n = m->keys.n_waiting = 0;
}

/* Note a machine that is turned away, in place of the one that was seen first when there are too
 * many. */
static void note(struct slave *s, const struct mac *mac, uint8_t state)
{
	struct keys *k = &s->master->keys;
	struct key_waiting *at = NULL, w = { .mac = *mac,
					     .who = s->identity,
					     .boot = s->boot,
					     .from = s->from,
					     .state = state,
					     .seen_ms = clock_ms() };

	if (!k->waiting)
		k->waiting = calloc(KEYS_WAITING_MAX, sizeof(*k->waiting));
	if (!k->waiting)
		return;
	for (size_t i = 0; i < k->n_waiting && !at; i++) {
		if (mac_equal(&k->waiting[i].mac, mac) &&
		    !memcmp(k->waiting[i].who.key, w.who.key, sizeof(w.who.key)))
			at = &k->waiting[i];
	}
	if (!at && k->n_waiting < KEYS_WAITING_MAX)
		at = &k->waiting[k->n_waiting++];
	if (!at) {
		at = k->waiting;
		for (size_t i = 1; i < k->n_waiting; i++)
			at = k->waiting[i].seen_ms < at->seen_ms ? &k->waiting[i] : at;
	}
	*at = w;
}

static void forget_waiting(struct keys *k, const struct mac *mac)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n_waiting; i++) {
		if (!mac_equal(&k->waiting[i].mac, mac))
			k->waiting[n++] = k->waiting[i];
	}
	k->n_waiting = n;
}

/* Those that have not come again are gone. */
static void drop_stale(struct keys *k)
{
	uint64_t now = clock_ms();
	size_t n = 0;

	for (size_t i = 0; i < k->n_waiting; i++) {
		if (now - k->waiting[i].seen_ms <= KEYS_WAITING_MS)
			k->waiting[n++] = k->waiting[i];
	}
	k->n_waiting = n;
}

static bool same_key(const struct pin *p, const struct identity *who)
{
	return !memcmp(p->key, who->key, sizeof(p->key)) && (!p->lasting || who->lasting);
}

bool keys_known(const struct slave *s, const struct mac *mac)
{
	const struct pin *p = find(s->master, mac);

	return p && same_key(p, &s->identity);
}

bool keys_allow(struct slave *s, const struct mac *mac, char *words)
{
	char text[MAC_STR_MAX], shown[CIPHER_FINGERPRINT], pinned[CIPHER_FINGERPRINT];
	const struct pin *p = find(s->master, mac);

	mac_format(mac, text);
	cipher_fingerprint(s->identity.key, shown);
	if (p && same_key(p, &s->identity))
		return true;
	if (p && (p->lasting || p->boot == s->boot)) {
		note(s, mac, MESSAGE_PIN_CHANGED);
		snprintf(words, MESSAGE_WORDS_MAX,
			 "%s shows %s key %s, but %s is pinned ('bpctl --forget-key %s')", text,
			 s->identity.lasting ? "the" : "this boot's", shown,
			 cipher_fingerprint(p->key, pinned), text);
		return false;
	}
	if (s->master->config->enrol != MASTER_ENROL_ACCEPT)
		return true;
	note(s, mac, MESSAGE_PIN_WAITS);
	snprintf(words, MESSAGE_WORDS_MAX, "%s with %s key %s waits for 'bpctl --accept %s'", text,
		 s->identity.lasting ? "the" : "this boot's", shown, text);
	return false;
}

void keys_pin(struct slave *s, struct member *n)
{
	struct master *m = s->master;
	char fingerprint[CIPHER_FINGERPRINT];
	struct pin p = { .mac = n->node.mac,
			 .lasting = s->identity.lasting,
			 .boot = s->identity.lasting ? 0 : s->boot };
	const struct pin *old = find(m, &p.mac);

	memcpy(p.key, s->identity.key, sizeof(p.key));
	if (old && same_key(old, &s->identity) && old->lasting == p.lasting && old->boot == p.boot)
		return;
	forget_waiting(&m->keys, &p.mac);
	if (complaints_allow(&n->changes, "nodes that change"))
		log_info("node %u: pinning its key %s%s", n->node.number,
			 cipher_fingerprint(p.key, fingerprint),
			 p.lasting ? "" : ", for this boot");
	if (pin_set(m, &p) < 0) {
		log_warn(-ENOMEM, "node %u: its key is not pinned", n->node.number);
		return;
	}
	if (!ev_is_active(&m->keys.saving)) {
		ev_timer_set(&m->keys.saving, SAVE_S, 0);
		ev_timer_start(m->loop, &m->keys.saving);
	}
}

int keys_accept(struct master *m, const struct mac *mac, const char *fingerprint, char *words)
{
	char text[MAC_STR_MAX], shown[CIPHER_FINGERPRINT];
	const struct key_waiting *found = NULL;
	struct pin p;

	drop_stale(&m->keys);
	mac_format(mac, text);
	for (size_t i = 0; i < m->keys.n_waiting; i++) {
		const struct key_waiting *w = &m->keys.waiting[i];

		cipher_fingerprint(w->who.key, shown);
		if (!mac_equal(&w->mac, mac) || w->state != MESSAGE_PIN_WAITS ||
		    (*fingerprint && strcmp(fingerprint, shown) != 0))
			continue;
		if (found) {
			snprintf(words, MESSAGE_WORDS_MAX,
				 "several machines with MAC %s wait: say which key, --accept "
				 "%s=FINGERPRINT ('bpctl --keys' shows them)",
				 text, text);
			return ENOTUNIQ;
		}
		found = w;
	}
	if (!found) {
		snprintf(words, MESSAGE_WORDS_MAX,
			 "no machine with MAC %s%s%s waits to be accepted ('bpctl --keys')", text,
			 *fingerprint ? " and key " : "", fingerprint);
		return ENOENT;
	}
	p = (struct pin){ .mac = *mac, .lasting = found->who.lasting, .boot = found->boot };
	p.boot = p.lasting ? 0 : p.boot;
	memcpy(p.key, found->who.key, sizeof(p.key));
	log_info("%s is accepted with key %s", text, cipher_fingerprint(p.key, shown));
	if (pin_set(m, &p) < 0 || save(m) < 0) {
		snprintf(words, MESSAGE_WORDS_MAX, "bpmaster cannot keep the key of %s", text);
		return EIO;
	}
	forget_waiting(&m->keys, mac);
	return 0;
}

int keys_forget(struct master *m, const struct mac *mac, char *words)
{
	struct pin *p = find(m, mac);
	char text[MAC_STR_MAX];

	mac_format(mac, text);
	if (!p) {
		snprintf(words, MESSAGE_WORDS_MAX, "no key of %s is pinned", text);
		return ENOENT;
	}
	*p = m->keys.pins[--m->keys.n];
	forget_waiting(&m->keys, mac);
	log_info("the key of %s is forgotten", text);
	if (save(m) < 0) {
		snprintf(words, MESSAGE_WORDS_MAX,
			 "the key is forgotten, but bpmaster cannot keep that over a restart");
		return EIO;
	}
	return 0;
}

int keys_send(struct master *m, struct stream *to)
{
	struct message_small msg;
	int r = 0;

	drop_stale(&m->keys);
	for (size_t i = 0; r == 0 && i < m->keys.n; i++) {
		const struct pin *p = &m->keys.pins[i];
		struct message_pin k = { .mac = p->mac,
					 .state = MESSAGE_PIN_PINNED,
					 .lasting = p->lasting,
					 .boot = p->boot,
					 .words = "" };

		memcpy(k.key, p->key, sizeof(k.key));
		message_pin_write(message_begin(&msg, MESSAGE_PIN), &k);
		r = stream_send_writer(to, &msg.w);
	}
	for (size_t i = 0; r == 0 && i < m->keys.n_waiting; i++) {
		const struct key_waiting *w = &m->keys.waiting[i];
		char from[IP_STR_MAX];
		struct message_pin k = { .mac = w->mac,
					 .state = w->state,
					 .lasting = w->who.lasting,
					 .boot = w->boot,
					 .words = ip_format(&w->from, from) };

		memcpy(k.key, w->who.key, sizeof(k.key));
		message_pin_write(message_begin(&msg, MESSAGE_PIN), &k);
		r = stream_send_writer(to, &msg.w);
	}
	return r;
}
