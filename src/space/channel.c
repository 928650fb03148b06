/*
 * channel.c - the handshake as greeting of a stream
 *
 * Garbage is told at its first byte: a port scanner or a browser holds a place for no longer than
 * that.
 */
#include <errno.h>
#include <string.h>

#include "base/lang.h"
#include "space/channel.h"

static void seal(struct stream *s, const struct cipher *receive, const struct cipher *send)
{
	s->receive = *receive;
	s->send = *send;
	s->sealed = true;
	s->greeting = false;
}

ssize_t channel_answer(struct stream *s, const uint8_t secret[static CIPHER_KEY_BYTES],
		       const uint8_t *p, size_t n)
{
	uint8_t answer[CIPHER_ANSWER_BYTES];
	struct cipher receive, send;
	int r;

	if (memcmp(p, CIPHER_MAGIC, MIN(n, (size_t)CIPHER_MAGIC_BYTES)) != 0) {
		stream_fail(s, -EBADMSG, "it does not speak this protocol");
		return -EBADMSG;
	}
	if (n < CIPHER_GREETING_BYTES)
		return 0;
	r = handshake_answer(secret, p, answer, &receive, &send);
	if (r < 0) {
		stream_fail(s, r, "it was made for another master's key");
		return r;
	}
	r = stream_send_raw(s, answer, sizeof(answer));
	if (r < 0)
		return r;
	seal(s, &receive, &send);
	return CIPHER_GREETING_BYTES;
}

int channel_greet(struct stream *s, struct handshake *h,
		  const uint8_t master[static CIPHER_KEY_BYTES])
{
	uint8_t greeting[CIPHER_GREETING_BYTES];
	int r = handshake_greet(h, master, greeting);

	s->greeting = true;
	return r < 0 ? r : stream_send_raw(s, greeting, sizeof(greeting));
}

ssize_t channel_finish(struct stream *s, struct handshake *h, const uint8_t *p, size_t n)
{
	struct cipher receive, send;
	int r;

	if (n < CIPHER_ANSWER_BYTES)
		return 0;
	r = handshake_finish(h, p, &receive, &send);
	handshake_clear(h);
	if (r < 0) {
		stream_fail(s, r, "the master does not hold the key that this node knows");
		return r;
	}
	seal(s, &receive, &send);
	return CIPHER_ANSWER_BYTES;
}
