/*
 * fuzz-handshake.c - both sides of the handshake, between ends that hold real keys
 *
 * The first byte chooses whose message is changed by the bytes that follow (by XOR, so that a few
 * of them are enough to get past what the others prove), or which key a slave shows without holding
 * its secret. Whatever is changed is told; what is not changed opens the channel, with the same
 * keys on both ends.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "space/cipher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE_GREETING, CHANGE_ANSWER, CHANGE_PROOF, CHANGE_KEY, CHANGE_MAX_ };

/* Return: whether anything is another one now. */
static bool change(uint8_t *p, size_t n, const uint8_t *data, size_t size)
{
	bool changed = false;

	for (size_t i = 0; i < n && i < size; i++) {
		p[i] ^= data[i];
		changed = changed || data[i];
	}
	return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secrets[2][CIPHER_KEY_BYTES] = { { 1, 2, 3 }, { 4, 5, 6 } };
	uint8_t greeting[CIPHER_GREETING_BYTES], answer[CIPHER_ANSWER_BYTES],
		proof[CIPHER_PROOF_BYTES];
	struct handshake at_slave, at_master = { 0 };
	struct cipher to_slave[2], to_master[2];
	struct keypair master, slave;
	struct identity who;
	bool changed = false;
	int what;

	if (size < 1 || sodium_init() < 0)
		return 0;
	what = data[0] % CHANGE_MAX_;
	if (keypair_of(secrets[0], &master) < 0 || keypair_of(secrets[1], &slave) < 0 ||
	    handshake_greet(&at_slave, master.public, greeting) < 0)
		abort();
	if (what == CHANGE_GREETING)
		changed = change(greeting, sizeof(greeting), data + 1, size - 1);
	if (what == CHANGE_KEY)
		changed = change(slave.public, sizeof(slave.public), data + 1, size - 1);
	if (handshake_answer(&at_master, &master, greeting, answer) < 0) {
		if (!changed || at_master.answered)
			abort();
		return 0;
	}
	if (what == CHANGE_ANSWER)
		changed = change(answer, sizeof(answer), data + 1, size - 1);
	if (handshake_prove(&at_slave, &slave, data[0] & 0x80, answer, proof, &to_slave[0],
			    &to_master[0]) < 0) {
		if (!changed)
			abort();
		return 0;
	}
	if (what == CHANGE_PROOF)
		changed = change(proof, sizeof(proof), data + 1, size - 1);
	if (handshake_check(&at_master, proof, &who, &to_master[1], &to_slave[1]) < 0) {
		if (!changed)
			abort();
		return 0;
	}
	if (changed || memcmp(who.key, slave.public, sizeof(who.key)) != 0 ||
	    who.lasting != !!(data[0] & 0x80) ||
	    memcmp(to_slave[0].key, to_slave[1].key, CIPHER_KEY_BYTES) != 0 ||
	    memcmp(to_master[0].key, to_master[1].key, CIPHER_KEY_BYTES) != 0)
		abort();
	return 0;
}
