/*
 * message_resume.c - the messages by which a job goes on over a new connection
 *
 * Whoever connects anew says how far each stream has come, counted in bytes from its start; the
 * other side sends again what is missing, and nothing twice. The rules that hold between the
 * numbers of one message are checked here, those between both sides where the streams are.
 */
#include <errno.h>
#include <string.h>

#include "wire/message_resume.h"

void message_key_write(struct writer *w, const struct message_key *k)
{
	writer_bytes(w, k->random, sizeof(k->random));
	writer_be32(w, k->index);
}

void message_key_read(struct reader *r, struct message_key *ret)
{
	reader_copy(r, ret->random, sizeof(ret->random));
	ret->index = reader_be32(r);
}

bool message_key_equal(const struct message_key *a, const struct message_key *b)
{
	uint8_t differ = 0;

	/* In the same time whatever they have in common: it is a secret. */
	for (size_t i = 0; i < sizeof(a->random); i++)
		differ |= a->random[i] ^ b->random[i];
	return a->index == b->index && differ == 0;
}

static void write_progress(struct writer *w, const struct message_progress *p)
{
	message_key_write(w, &p->key);
	writer_u8(w, p->flags);
	for (int i = 0; i < 2; i++) {
		writer_be64(w, p->received[i]);
		writer_be64(w, p->granted[i]);
	}
}

/* What was granted has been received, and no more is under way than a window. */
static bool progress_valid(uint64_t received, uint64_t granted)
{
	return granted <= received && received - granted <= MESSAGE_WINDOW;
}

static int read_progress(struct reader *r, uint8_t flags, struct message_progress *ret)
{
	struct message_progress p = { 0 };

	message_key_read(r, &p.key);
	p.flags = reader_u8(r);
	for (int i = 0; i < 2; i++) {
		p.received[i] = reader_be64(r);
		p.granted[i] = reader_be64(r);
		if (!progress_valid(p.received[i], p.granted[i]))
			return -EBADMSG;
	}
	if (reader_end(r) < 0 || p.flags & ~flags)
		return -EBADMSG;
	*ret = p;
	return 0;
}

void message_resume_write(struct writer *w, const struct message_resume *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->node);
	writer_be32(w, m->pid);
	writer_be32(w, m->window);
	write_progress(w, &m->at);
}

int message_resume_read(struct reader *r, struct message_resume *ret)
{
	struct message_resume m = { .job = reader_be32(r) };

	m.node = reader_be32(r);
	m.pid = reader_be32(r);
	m.window = reader_be32(r);
	if (m.window < 1 || m.window > MESSAGE_WINDOW ||
	    read_progress(r, MESSAGE_RESUME_FLAGS_ALL_ & ~MESSAGE_UNWANTED, &m.at) < 0)
		return -EBADMSG;
	for (int i = 0; i < 2; i++) {
		if (m.at.received[i] - m.at.granted[i] > m.window)
			return -EBADMSG;
	}
	*ret = m;
	return 0;
}

void message_claim_write(struct writer *w, const struct message_claim *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->uid);
	write_progress(w, &m->at);
}

int message_claim_read(struct reader *r, struct message_claim *ret)
{
	struct message_claim m = { .job = reader_be32(r) };

	m.uid = reader_be32(r);
	if (read_progress(r, MESSAGE_RESUME_FLAGS_ALL_, &m.at) < 0)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void message_resumed_write(struct writer *w, const struct message_resumed *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->pid);
	writer_u8(w, m->flags);
	writer_be64(w, m->received);
	writer_be64(w, m->granted);
	writer_be32(w, m->signals);
}

int message_resumed_read(struct reader *r, struct message_resumed *ret)
{
	struct message_resumed m = { .job = reader_be32(r) };

	m.pid = reader_be32(r);
	m.flags = reader_u8(r);
	m.received = reader_be64(r);
	m.granted = reader_be64(r);
	m.signals = reader_be32(r);
	if (reader_end(r) < 0 || m.flags & ~MESSAGE_RESUMED_FLAGS_ALL_ ||
	    !progress_valid(m.received, m.granted))
		return -EBADMSG;
	*ret = m;
	return 0;
}

void message_kept_write(struct writer *w, const struct message_kept *m)
{
	message_key_write(w, &m->key);
	writer_be32(w, m->pid);
	writer_be32(w, m->uid);
	writer_be32(w, m->signals);
}

int message_kept_read(struct reader *r, struct message_kept *ret)
{
	struct message_kept m = { .pid = 0 };

	message_key_read(r, &m.key);
	m.pid = reader_be32(r);
	m.uid = reader_be32(r);
	m.signals = reader_be32(r);
	if (r->err || m.pid < 1 || m.pid > INT32_MAX)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void message_nudge_write(struct writer *w, const struct message_nudge *m)
{
	message_key_write(w, &m->key);
	writer_u8(w, m->signal);
}

int message_nudge_read(struct reader *r, struct message_nudge *ret)
{
	struct message_nudge m = { .signal = 0 };

	message_key_read(r, &m.key);
	m.signal = reader_u8(r);
	if (reader_end(r) < 0 || m.signal > 64)
		return -EBADMSG;
	*ret = m;
	return 0;
}
