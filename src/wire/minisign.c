/*
 * minisign.c - minisign's public key and signature files as structs
 *
 * Lines are taken one by one from a reader; base64 is strict (padding where it belongs, unused bits
 * zero), so that a file has one reading and no two spellings of a key are equal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/reader.h"
#include "wire/minisign.h"

#define UNTRUSTED "untrusted comment:"
#define TRUSTED	  "trusted comment: "

enum {
	ALG_BYTES = 2,
	KEY_LINE_BYTES = ALG_BYTES + MINISIGN_ID_BYTES + MINISIGN_KEY_BYTES,
	SIG_LINE_BYTES = ALG_BYTES + MINISIGN_ID_BYTES + MINISIGN_SIG_BYTES,
	BASE64_MAX = (SIG_LINE_BYTES + 2) / 3 * 4,
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit(uint8_t c)
{
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -EBADMSG;
}

/* Exactly @n bytes from the padded base64 text @s of @len characters. */
static int base64_parse(const uint8_t *s, size_t len, uint8_t *ret, size_t n)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t digits = (n * 8 + 5) / 6, out = 0;

	if (len != (n + 2) / 3 * 4)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		int v;

		if (i >= digits) {
			if (s[i] != '=')
				return -EBADMSG;
			continue;
		}
		v = digit(s[i]);
		if (v < 0)
			return v;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			ret[out++] = (uint8_t)(bits >> have);
		}
	}
	return bits & ((1u << have) - 1) ? -EBADMSG : 0;
}

/* Padded base64 of at most SIG_LINE_BYTES bytes and a NUL. */
static void base64_format(const uint8_t *p, size_t n, char ret[static BASE64_MAX + 1])
{
	size_t out = 0;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);

		ret[out++] = alphabet[v >> 18];
		ret[out++] = alphabet[v >> 12 & 63];
		ret[out++] = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
		ret[out++] = i + 2 < n ? alphabet[v & 63] : '=';
	}
	ret[out] = 0;
}

/* Borrow the next line without its newline, which the last line may lack. */
static const uint8_t *take_line(struct reader *r, size_t *ret_len)
{
	const uint8_t *nl = r->left ? memchr(r->p, '\n', r->left) : NULL;
	size_t len = nl ? (size_t)(nl - r->p) : r->left;
	const uint8_t *line;

	if (r->left == 0)
		r->err = -EBADMSG;
	line = reader_bytes(r, len);
	if (nl)
		reader_skip(r, 1);
	*ret_len = len;
	return r->err < 0 ? NULL : line;
}

static int take_comment(struct reader *r)
{
	size_t len;
	const uint8_t *line = take_line(r, &len);

	if (!line || len < strlen(UNTRUSTED) || memcmp(line, UNTRUSTED, strlen(UNTRUSTED)))
		return -EBADMSG;
	return 0;
}

static int take_base64(struct reader *r, uint8_t *ret, size_t n)
{
	size_t len;
	const uint8_t *line = take_line(r, &len);

	return line ? base64_parse(line, len, ret, n) : -EBADMSG;
}

static int take_trusted(struct reader *r, char ret[static MINISIGN_COMMENT_MAX])
{
	size_t len, skip = strlen(TRUSTED);
	const uint8_t *line = take_line(r, &len);

	if (!line || len < skip || memcmp(line, TRUSTED, skip) ||
	    len - skip >= MINISIGN_COMMENT_MAX)
		return -EBADMSG;
	for (size_t i = skip; i < len; i++) {
		if ((line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return -EBADMSG;
	}
	memcpy(ret, line + skip, len - skip);
	ret[len - skip] = 0;
	return 0;
}

int minisign_key_parse(const void *text, size_t n, struct minisign_key *ret)
{
	struct reader r = READER(text, n);
	uint8_t raw[KEY_LINE_BYTES];
	struct minisign_key k;

	if (n > MINISIGN_FILE_MAX || take_comment(&r) < 0 ||
	    take_base64(&r, raw, sizeof(raw)) < 0 || reader_end(&r) < 0 ||
	    memcmp(raw, "Ed", ALG_BYTES))
		return -EBADMSG;
	memcpy(k.id, raw + ALG_BYTES, sizeof(k.id));
	memcpy(k.public_key, raw + ALG_BYTES + sizeof(k.id), sizeof(k.public_key));
	*ret = k;
	return 0;
}

int minisign_sig_parse(const void *text, size_t n, struct minisign_sig *ret)
{
	struct reader r = READER(text, n);
	uint8_t raw[SIG_LINE_BYTES];
	struct minisign_sig s = { 0 };

	if (n > MINISIGN_FILE_MAX || take_comment(&r) < 0 ||
	    take_base64(&r, raw, sizeof(raw)) < 0 || take_trusted(&r, s.trusted_comment) < 0 ||
	    take_base64(&r, s.global_signature, sizeof(s.global_signature)) < 0 ||
	    reader_end(&r) < 0)
		return -EBADMSG;
	if (raw[0] != 'E' || (raw[1] != 'D' && raw[1] != 'd'))
		return -EBADMSG;
	s.prehashed = raw[1] == 'D';
	memcpy(s.id, raw + ALG_BYTES, sizeof(s.id));
	memcpy(s.signature, raw + ALG_BYTES + sizeof(s.id), sizeof(s.signature));
	*ret = s;
	return 0;
}

int minisign_key_format(const struct minisign_key *k, struct buffer *to)
{
	uint8_t raw[KEY_LINE_BYTES] = { 'E', 'd' };
	char text[BASE64_MAX + 1], id[MINISIGN_ID_STR_MAX];

	memcpy(raw + ALG_BYTES, k->id, sizeof(k->id));
	memcpy(raw + ALG_BYTES + sizeof(k->id), k->public_key, sizeof(k->public_key));
	base64_format(raw, sizeof(raw), text);
	return buffer_printf(to, UNTRUSTED " minisign public key %s\n%s\n",
			     minisign_id_str(k->id, id), text);
}

int minisign_sig_format(const struct minisign_sig *s, struct buffer *to)
{
	uint8_t raw[SIG_LINE_BYTES] = { 'E', s->prehashed ? 'D' : 'd' };
	char text[BASE64_MAX + 1], global[BASE64_MAX + 1], id[MINISIGN_ID_STR_MAX];

	for (const char *p = s->trusted_comment; *p; p++) {
		if (((uint8_t)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return -EINVAL;
	}
	memcpy(raw + ALG_BYTES, s->id, sizeof(s->id));
	memcpy(raw + ALG_BYTES + sizeof(s->id), s->signature, sizeof(s->signature));
	base64_format(raw, sizeof(raw), text);
	base64_format(s->global_signature, sizeof(s->global_signature), global);
	return buffer_printf(to, UNTRUSTED " signature of key %s\n%s\n" TRUSTED "%s\n%s\n",
			     minisign_id_str(s->id, id), text, s->trusted_comment, global);
}

const char *minisign_id_str(const uint8_t id[static MINISIGN_ID_BYTES],
			    char ret[static MINISIGN_ID_STR_MAX])
{
	uint64_t v = 0;

	for (size_t i = MINISIGN_ID_BYTES; i-- > 0;)
		v = v << 8 | id[i];
	snprintf(ret, MINISIGN_ID_STR_MAX, "%" PRIX64, v);
	return ret;
}
