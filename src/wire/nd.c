/*
 * nd.c - what routers say of name servers
 *
 * Several options of one kind may come in one advertisement, and the kernel passes on each by
 * itself: so they add up, and what is over is said by a lifetime of 0.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/dns.h"
#include "wire/nd.h"

#define OPT_RDNSS     25
#define OPT_DNSSL     31
#define UNIT	      8 /* bytes that lengths count */
#define HEAD_BYTES    8 /* kind, length, two reserved, lifetime */
#define ADDRESS_BYTES 16
#define FOR_EVER      0xffffffffu

/* --- name servers --- */

static bool is_server(const struct in6_addr *a)
{
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_LOOPBACK(a);
}

static void take_server(const struct in6_addr *a, bool valid, struct nd_names *names)
{
	size_t i = 0;

	while (i < names->n_dns && memcmp(&names->dns[i], a, sizeof(*a)) != 0)
		i++;
	if (valid && i == names->n_dns && i < ND_DNS_MAX && is_server(a)) {
		names->dns[names->n_dns++] = *a;
	} else if (!valid && i < names->n_dns) {
		names->n_dns--;
		memmove(names->dns + i, names->dns + i + 1, (names->n_dns - i) * sizeof(*a));
		names->dns[names->n_dns] = (struct in6_addr){ 0 };
	}
}

static void take_servers(struct reader r, bool valid, struct nd_names *names)
{
	if (r.left == 0 || r.left % ADDRESS_BYTES != 0)
		return;
	while (r.left > 0) {
		struct in6_addr a = { 0 };

		reader_copy(&r, &a, sizeof(a));
		take_server(&a, valid, names);
	}
}

/* --- search list --- */

/* The next word of @list; its length is 0 at the end. */
static size_t next_word(const char **list, const char **ret)
{
	size_t n;

	*list += strspn(*list, " ");
	n = strcspn(*list, " ");
	*ret = *list;
	*list += n;
	return n;
}

static bool has_word(const char *list, const char *word, size_t n)
{
	const char *w;
	size_t len;

	while ((len = next_word(&list, &w)) > 0) {
		if (len == n && !memcmp(w, word, n))
			return true;
	}
	return false;
}

static void add_word(char to[static ND_SEARCH_MAX], const char *word, size_t n)
{
	size_t at = strlen(to), blank = at > 0;

	if (at + blank + n >= ND_SEARCH_MAX || has_word(to, word, n))
		return;
	if (blank)
		to[at++] = ' ';
	memcpy(to + at, word, n);
}

static void take_search(struct reader r, bool valid, struct nd_names *names)
{
	char said[ND_SEARCH_MAX], now[ND_SEARCH_MAX] = "";
	const char *old = names->search, *added = said, *word;
	size_t n;

	dns_search_read(r.p, r.left, said, sizeof(said));
	while ((n = next_word(&old, &word)) > 0) {
		if (valid || !has_word(said, word, n))
			add_word(now, word, n);
	}
	while (valid && (n = next_word(&added, &word)) > 0)
		add_word(now, word, n);
	memcpy(names->search, now, sizeof(now));
}

/* --- options --- */

static void take_option(uint8_t kind, struct reader r, struct nd_names *names)
{
	bool valid;

	reader_skip(&r, 2);
	valid = reader_be32(&r) > 0;
	if (kind == OPT_RDNSS)
		take_servers(r, valid, names);
	else if (kind == OPT_DNSSL)
		take_search(r, valid, names);
}

int nd_options_take(const void *buf, size_t n, struct nd_names *names)
{
	struct reader r = READER(buf, n);
	struct nd_names now = *names;

	while (r.left > 0) {
		uint8_t kind = reader_u8(&r), units = reader_u8(&r);
		struct reader v = reader_sub(&r, units ? (size_t)units * UNIT - 2 : n);

		if (v.err)
			return -EBADMSG;
		take_option(kind, v, &now);
	}
	*names = now;
	return 0;
}

static void put_head(struct writer *w, uint8_t kind, size_t bytes)
{
	writer_u8(w, kind);
	writer_u8(w, (uint8_t)((HEAD_BYTES + bytes + UNIT - 1) / UNIT));
	writer_be16(w, 0);
	writer_be32(w, FOR_EVER);
}

int nd_options_format(const struct nd_names *names, void *buf, size_t n, size_t *ret_n)
{
	uint8_t list[2 * ND_SEARCH_MAX];
	struct writer w = WRITER(buf, n), s = WRITER(list, sizeof(list));

	if (names->n_dns > 0) {
		put_head(&w, OPT_RDNSS, names->n_dns * ADDRESS_BYTES);
		writer_bytes(&w, names->dns, names->n_dns * ADDRESS_BYTES);
	}
	dns_search_write(&s, names->search);
	if (s.len > 0) {
		put_head(&w, OPT_DNSSL, s.len);
		writer_bytes(&w, list, s.len);
		writer_zero(&w, (UNIT - s.len % UNIT) % UNIT);
	}
	return writer_end(&w, ret_n);
}
