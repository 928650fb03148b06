/*
 * channel.h - the handshake of cipher.h as greeting of a stream, for both ends
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/lang.h"
#include "space/cipher.h"
#include "space/stream.h"

#define CHANNEL_TIMEOUT_MS 5000 /* from connect to registration, both ends */

/*
 * Master: the greeting hook. @h, zeroed before, belongs to the connection. The stream is sealed,
 * and *ret_slave set, when it returns more than 0 and s->sealed is true.
 */
ssize_t channel_answer(struct stream *s, struct handshake *h, const struct keypair *master,
		       const uint8_t *p, size_t n, struct identity *ret_slave);

/* Slave: send the greeting. Return: 0 or negative errno. */
_must_check_ int channel_greet(struct stream *s, struct handshake *h,
			       const uint8_t master[static CIPHER_KEY_BYTES]);

/* Slave: the greeting hook, for the answer, on which it sends its proof. */
ssize_t channel_prove(struct stream *s, struct handshake *h, const struct keypair *slave,
		      bool lasting, const uint8_t *p, size_t n);
