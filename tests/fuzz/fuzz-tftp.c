/*
 * fuzz-tftp.c - a TFTP packet that is accepted, written and read again is the same packet
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/tftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void must_match(const struct tftp_packet *a, const struct tftp_packet *b)
{
	const struct tftp_options *x = &a->options, *y = &b->options;

	must(a->op == b->op && a->block == b->block && a->error == b->error);
	must(a->data_bytes == b->data_bytes &&
	     (a->data_bytes == 0 || !memcmp(a->data, b->data, a->data_bytes)));
	must(!strcmp(a->message, b->message) && !a->path == !b->path);
	must(!a->path || !strcmp(a->path, b->path));
	must(x->blksize == y->blksize && x->windowsize == y->windowsize &&
	     x->timeout_s == y->timeout_s && x->utimeout_us == y->utimeout_us &&
	     x->has_tsize == y->has_tsize && x->tsize == y->tsize);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[70000];
	struct tftp_packet p, again;
	size_t n;

	if (tftp_packet_parse(data, size, &p) < 0)
		return 0;
	must(p.data_bytes <= size && strlen(p.message) < TFTP_MESSAGE_MAX);
	must(!p.path || (*p.path && strlen(p.path) < TFTP_PATH_MAX));
	if (size > 65535)
		return 0;
	must(tftp_packet_format(&p, buf, sizeof(buf), &n) == 0);
	must(tftp_packet_parse(buf, n, &again) == 0);
	must_match(&p, &again);
	return 0;
}
