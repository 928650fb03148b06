/*
 * fuzz-channel.c - bytes from a stranger, at a stream as bpmaster sets it up
 *
 * The first byte chooses: a greeting (which no stranger can make without a key exchange, so nothing
 * may come through), or frames without a cipher, where every message that is delivered must stand
 * in the input as it was framed.
 */
#include <errno.h>
#include <ev.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "space/channel.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct probe {
	const uint8_t *rest; /* of the input that is not explained yet */
	size_t left;
	bool over;
	struct handshake handshake;
};

static int on_message(struct stream *s, const uint8_t *p, size_t n)
{
	struct probe *probe = s->owner;
	const uint8_t length[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
				    (uint8_t)n };

	if (s->sealed || probe->over || n < 1 || n > s->frame_max || probe->left < 4 + n ||
	    memcmp(probe->rest, length, 4) != 0 || memcmp(probe->rest + 4, p, n) != 0)
		abort();
	probe->rest += 4 + n;
	probe->left -= 4 + n;
	return 0;
}

static ssize_t on_greeting(struct stream *s, const uint8_t *p, size_t n)
{
	static const uint8_t secret[CIPHER_KEY_BYTES] = { 1, 2, 3 };
	struct probe *probe = s->owner;
	struct keypair master;
	struct identity node;
	ssize_t r;

	if (keypair_of(secret, &master) < 0)
		abort();
	r = channel_answer(s, &probe->handshake, &master, p, n, &node);
	if (s->sealed)
		abort(); /* without a key exchange there is no proof */
	return r;
}

static void on_close(struct stream *s, int err, const char *why)
{
	((struct probe *)s->owner)->over = true;
}

static const struct stream_calls calls = { .message = on_message,
					   .greeting = on_greeting,
					   .close = on_close };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct probe probe = { 0 };
	struct stream s;
	int fd[2];

	if (!loop)
		loop = ev_loop_new(EVBACKEND_POLL);
	if (size < 1 || size > INPUT_MAX ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return 0;
	probe.rest = data + 1;
	probe.left = size - 1;
	stream_init(&s, loop, fd[0], &calls, &probe, 512);
	s.greeting = data[0] & 1;
	if (fd_write_all(fd[1], data + 1, size - 1) < 0)
		abort();
	close(fd[1]);
	for (int i = 0; i < 64 && !probe.over; i++)
		ev_run(loop, EVRUN_NOWAIT);
	if (!probe.over)
		abort(); /* the other side has closed, so this one must have noticed */
	stream_deinit(&s);
	return 0;
}
