/*
 * tftp.c - TFTP packets: bytes to struct and back
 *
 * Options are a table: name, legal range, where the value goes. Names are compared without regard
 * to case (RFC 2347).
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/tftp.h"

#define TFTP_OPTIONS_PER_PACKET 16 /* a packet with more is malformed */

enum option_id {
	OPTION_BLKSIZE,
	OPTION_TSIZE,
	OPTION_WINDOWSIZE,
	OPTION_TIMEOUT,
	OPTION_UTIMEOUT,
	OPTION_ID_MAX_,
};

static const struct {
	const char *name;
	uint64_t min, max;
} options[] = {
	[OPTION_BLKSIZE] = { "blksize", TFTP_BLKSIZE_MIN, TFTP_BLKSIZE_MAX },
	[OPTION_TSIZE] = { "tsize", 0, INT64_MAX },
	[OPTION_WINDOWSIZE] = { "windowsize", 1, 65535 },
	[OPTION_TIMEOUT] = { "timeout", 1, 255 },
	[OPTION_UTIMEOUT] = { "utimeout", 10000, 255000000 },
};

static const char *const error_names[] = {
	[TFTP_EUNDEF] = "error",
	[TFTP_ENOENT] = "file not found",
	[TFTP_EACCESS] = "access denied",
	[TFTP_ENOSPACE] = "disk full",
	[TFTP_EBADOP] = "illegal operation",
	[TFTP_EBADID] = "unknown transfer id",
	[TFTP_EEXISTS] = "file exists",
	[TFTP_ENOUSER] = "no such user",
	[TFTP_EBADOPT] = "options refused",
};

const char *tftp_error_name(uint16_t error)
{
	return error < TFTP_ERROR_MAX_ ? error_names[error] : error_names[TFTP_EUNDEF];
}

static void option_set(struct tftp_options *o, size_t id, uint64_t v)
{
	switch (id) {
	case OPTION_BLKSIZE:
		o->blksize = (uint16_t)v;
		break;
	case OPTION_TSIZE:
		o->has_tsize = true;
		o->tsize = v;
		break;
	case OPTION_WINDOWSIZE:
		o->windowsize = (uint16_t)v;
		break;
	case OPTION_TIMEOUT:
		o->timeout_s = (uint8_t)v;
		break;
	case OPTION_UTIMEOUT:
		o->utimeout_us = (uint32_t)v;
		break;
	}
}

static int options_parse(struct reader *r, struct tftp_options *ret)
{
	struct tftp_options o = { 0 };
	unsigned seen = 0;

	for (int i = 0; r->left > 0; i++) {
		const char *name = reader_cstr(r);
		const char *value = reader_cstr(r);
		size_t id = 0;
		uint64_t v;

		if (!name || !value || i == TFTP_OPTIONS_PER_PACKET)
			return -EBADMSG;
		while (id < OPTION_ID_MAX_ && strcasecmp(name, options[id].name) != 0)
			id++;
		if (id == OPTION_ID_MAX_) {
			o.unknown = true;
			continue;
		}
		if (seen & 1u << id)
			return -EBADMSG;
		seen |= 1u << id;
		if (parse_u64(value, options[id].min, options[id].max, &v) < 0)
			return -EBADMSG;
		option_set(&o, id, v);
	}
	*ret = o;
	return 0;
}

static void options_format(struct writer *w, const struct tftp_options *o)
{
	const uint64_t values[] = {
		[OPTION_BLKSIZE] = o->blksize,	     [OPTION_TSIZE] = o->tsize,
		[OPTION_WINDOWSIZE] = o->windowsize, [OPTION_TIMEOUT] = o->timeout_s,
		[OPTION_UTIMEOUT] = o->utimeout_us,
	};

	for (size_t id = 0; id < OPTION_ID_MAX_; id++) {
		if (values[id] == 0 && !(id == OPTION_TSIZE && o->has_tsize))
			continue;
		writer_cstr(w, options[id].name);
		writer_printf(w, "%llu", (unsigned long long)values[id]);
		writer_u8(w, 0);
	}
}

/* Copy text as a person can read it on a console, cut to what fits. */
static void text_copy(char *to, size_t max, const char *s, size_t n)
{
	size_t len = MIN(n, max - 1);

	for (size_t i = 0; i < len; i++)
		to[i] = s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?';
	to[len] = 0;
}

static int request_parse(struct reader *r, struct tftp_packet *p)
{
	const char *path = reader_cstr(r);
	const char *mode = reader_cstr(r);

	if (!path || !mode || !*path || strlen(path) >= TFTP_PATH_MAX ||
	    strcasecmp(mode, "octet") != 0)
		return -EBADMSG;
	p->path = path;
	return options_parse(r, &p->options);
}

/* Some servers leave the NUL of the message out: all that is there is the message then. */
static int error_parse(struct reader *r, struct tftp_packet *p)
{
	const char *s;
	size_t n;

	p->error = reader_be16(r);
	n = r->left;
	s = (const char *)reader_bytes(r, n);
	if (!s)
		return -EBADMSG;
	text_copy(p->message, sizeof(p->message), s, n ? strnlen(s, n) : 0);
	return 0;
}

int tftp_packet_parse(const void *buf, size_t n, struct tftp_packet *ret)
{
	struct tftp_packet p = { .op = TFTP_OP_MAX_ };
	struct reader r = READER(buf, n);
	int e = 0;

	p.op = reader_be16(&r);
	switch (p.op) {
	case TFTP_RRQ:
	case TFTP_WRQ:
		e = request_parse(&r, &p);
		break;
	case TFTP_DATA:
		p.block = reader_be16(&r);
		p.data_bytes = r.left;
		p.data = reader_bytes(&r, r.left);
		break;
	case TFTP_ACK:
		p.block = reader_be16(&r);
		break;
	case TFTP_ERROR:
		e = error_parse(&r, &p);
		break;
	case TFTP_OACK:
		e = options_parse(&r, &p.options);
		break;
	default:
		return -EBADMSG;
	}
	if (e < 0 || reader_end(&r) < 0)
		return -EBADMSG;
	*ret = p;
	return 0;
}

int tftp_packet_format(const struct tftp_packet *p, void *buf, size_t n, size_t *ret_n)
{
	struct writer w = WRITER(buf, n);

	writer_be16(&w, (uint16_t)p->op);
	switch (p->op) {
	case TFTP_RRQ:
	case TFTP_WRQ:
		writer_cstr(&w, p->path);
		writer_cstr(&w, "octet");
		options_format(&w, &p->options);
		break;
	case TFTP_DATA:
		writer_be16(&w, p->block);
		writer_bytes(&w, p->data, p->data_bytes);
		break;
	case TFTP_ACK:
		writer_be16(&w, p->block);
		break;
	case TFTP_ERROR:
		writer_be16(&w, p->error);
		writer_cstr(&w, p->message);
		break;
	case TFTP_OACK:
		options_format(&w, &p->options);
		break;
	default:
		return -EBADMSG;
	}
	return writer_end(&w, ret_n);
}
