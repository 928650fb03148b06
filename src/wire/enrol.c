/*
 * enrol.c - messages about the keys of nodes
 */
#include <errno.h>
#include <string.h>

#include "wire/message_internal.h"

void message_pin_write(struct writer *w, const struct message_pin *m)
{
	writer_bytes(w, m->mac.b, sizeof(m->mac.b));
	writer_u8(w, m->state);
	writer_u8(w, m->lasting);
	writer_be32(w, m->boot);
	writer_bytes(w, m->key, sizeof(m->key));
	message_string_write(w, m->words, MESSAGE_WORDS_MAX);
}

int message_pin_read(struct reader *r, struct message_pin *ret)
{
	struct message_pin m = { 0 };

	reader_copy(r, m.mac.b, sizeof(m.mac.b));
	m.state = reader_u8(r);
	m.lasting = reader_u8(r);
	m.boot = reader_be32(r);
	reader_copy(r, m.key, sizeof(m.key));
	m.words = message_string_read(r, MESSAGE_WORDS_MAX, true);
	if (reader_end(r) < 0 || m.state >= MESSAGE_PIN_STATE_MAX_ || m.lasting > 1)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void message_enrol_write(struct writer *w, const struct message_enrol *m)
{
	writer_u8(w, m->what);
	writer_bytes(w, m->mac.b, sizeof(m->mac.b));
	message_string_write(w, m->fingerprint, MESSAGE_FINGERPRINT_MAX);
}

int message_enrol_read(struct reader *r, struct message_enrol *ret)
{
	struct message_enrol m = { .what = reader_u8(r) };

	reader_copy(r, m.mac.b, sizeof(m.mac.b));
	m.fingerprint = message_string_read(r, MESSAGE_FINGERPRINT_MAX, true);
	if (reader_end(r) < 0 || m.what >= MESSAGE_ENROL_MAX_)
		return -EBADMSG;
	*ret = m;
	return 0;
}
