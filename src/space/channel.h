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

/* Master: the greeting hook. The stream is sealed when it returns more than 0. */
ssize_t channel_answer(struct stream *s, const uint8_t secret[static CIPHER_KEY_BYTES],
		       const uint8_t *p, size_t n);

/* Slave: send the greeting. Return: 0 or negative errno. */
_must_check_ int channel_greet(struct stream *s, struct handshake *h,
			       const uint8_t master[static CIPHER_KEY_BYTES]);

/* Slave: the greeting hook, for the answer. */
ssize_t channel_finish(struct stream *s, struct handshake *h, const uint8_t *p, size_t n);
