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

/* Both keys are taken. */
static void seal(struct stream *s, struct cipher *receive, struct cipher *send)
{
	s->receive = *receive;
	s->send = *send;
	s->sealed = true;
	s->greeting = false;
	cipher_clear(receive);
	cipher_clear(send);
}

static ssize_t answer_greeting(struct stream *s, struct handshake *h, const struct keypair *master,
			       const uint8_t *p, size_t n)
{
	uint8_t answer[CIPHER_ANSWER_BYTES];
	int r;

	if (memcmp(p, CIPHER_MAGIC, MIN(n, (size_t)CIPHER_MAGIC_BYTES)) != 0) {
		stream_fail(s, -EBADMSG, "it does not speak this protocol");
		return -EBADMSG;
	}
	if (n < CIPHER_GREETING_BYTES)
		return 0;
	r = handshake_answer(h, master, p, answer);
	if (r < 0) {
		stream_fail(s, r, "it was made for another master's key");
		return r;
	}
	r = stream_send_raw(s, answer, sizeof(answer));
	return r < 0 ? r : CIPHER_GREETING_BYTES;
}

ssize_t channel_answer(struct stream *s, struct handshake *h, const struct keypair *master,
		       const uint8_t *p, size_t n, struct identity *ret_slave)
{
	struct cipher receive, send;
	int r;

	if (!h->answered)
		return answer_greeting(s, h, master, p, n);
	if (n < CIPHER_PROOF_BYTES)
		return 0;
	r = handshake_check(h, p, ret_slave, &receive, &send);
	handshake_clear(h);
	if (r < 0) {
		stream_fail(s, r, "it does not prove that its key is its own");
		return r;
	}
	seal(s, &receive, &send);
	return CIPHER_PROOF_BYTES;
}

int channel_greet(struct stream *s, struct handshake *h,
		  const uint8_t master[static CIPHER_KEY_BYTES])
{
	uint8_t greeting[CIPHER_GREETING_BYTES];
	int r = handshake_greet(h, master, greeting);

	s->greeting = true;
	return r < 0 ? r : stream_send_raw(s, greeting, sizeof(greeting));
}

ssize_t channel_prove(struct stream *s, struct handshake *h, const struct keypair *slave,
		      bool lasting, const uint8_t *p, size_t n)
{
	uint8_t proof[CIPHER_PROOF_BYTES];
	struct cipher receive, send;
	int r;

	if (n < CIPHER_ANSWER_BYTES)
		return 0;
	r = handshake_prove(h, slave, lasting, p, proof, &receive, &send);
	handshake_clear(h);
	if (r < 0) {
		stream_fail(s, r, "the master does not hold the key that this node knows");
		return r;
	}
	r = stream_send_raw(s, proof, sizeof(proof));
	if (r < 0)
		return r;
	seal(s, &receive, &send);
	return CIPHER_ANSWER_BYTES;
}
