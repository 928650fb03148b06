/*
 * handshake-times.c - how long a processor works at one handshake of the channel, at each end
 *
 * usage: handshake-times [COUNT]     (3000)
 *
 * bench/space prints it; nothing is sent, and no test depends on it.
 */
#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "base/parse.h"
#include "space/cipher.h"

#define COUNT_MAX 1000000u

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Add what each end took. Return: 0 or negative errno. */
static int shake(const struct keypair *master, const struct keypair *node, double took[static 2])
{
	struct handshake at_node = { 0 }, at_master = { 0 };
	uint8_t greeting[CIPHER_GREETING_BYTES], answer[CIPHER_ANSWER_BYTES],
		proof[CIPHER_PROOF_BYTES];
	struct cipher ciphers[4];
	struct identity who;
	double t[5];
	int r;

	t[0] = now_us();
	r = handshake_greet(&at_node, master->public, greeting);
	t[1] = now_us();
	if (r == 0)
		r = handshake_answer(&at_master, master, greeting, answer);
	t[2] = now_us();
	if (r == 0)
		r = handshake_prove(&at_node, node, true, answer, proof, &ciphers[0], &ciphers[1]);
	t[3] = now_us();
	if (r == 0)
		r = handshake_check(&at_master, proof, &who, &ciphers[2], &ciphers[3]);
	t[4] = now_us();
	took[0] += t[2] - t[1] + t[4] - t[3];
	took[1] += t[1] - t[0] + t[3] - t[2];
	return r;
}

int main(int argc, char **argv)
{
	struct keypair master, node;
	double took[2] = { 0 };
	uint32_t count = 3000;

	if (argc > 1 && parse_u32(argv[1], 1, COUNT_MAX, &count) < 0)
		return 2;
	if (sodium_init() < 0)
		return 1;
	keypair_make(&master);
	keypair_make(&node);
	for (uint32_t i = 0; i < count; i++) {
		if (shake(&master, &node, took) < 0)
			return 1;
	}
	printf("a handshake, mean of %u: %.0f us of bpmaster's processor, %.0f us of the node's\n",
	       count, took[0] / count, took[1] / count);
	return 0;
}
