/*
 * fetch.h - files from a boot server: one whole, or the parts of an image, many at once
 *
 * fetch_blob reads one file into memory up to a maximum. fetch_parts reads the parts that an index
 * names, several sessions side by side, checks each against its hash, and hands over those that are
 * right, in the order in which they come. A part that is wrong, missing or slow is asked for again,
 * from the next server when there is one. A server that goes away and comes back costs time, not
 * the boot: as long as it is silent, we go on asking for `patience_ms`.
 *
 * Nothing that the server says decides an allocation: sizes come from the caller.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/ip.h"
#include "base/lang.h"
#include "wire/index.h"

struct ev_loop;

#define FETCH_PATH_MAX	   512 /* with NUL */
#define FETCH_URL_MAX	   800 /* with NUL */
#define FETCH_WHY_MAX	   400 /* with NUL */
#define FETCH_SERVERS_MAX  8
#define FETCH_SESSIONS_MAX 64

enum fetch_scheme { FETCH_TFTP, FETCH_HTTP, FETCH_SCHEME_MAX_ };

#define FETCH_NAME_MAX 254		    /* of a host, with NUL */
#define FETCH_HOST_MAX (FETCH_NAME_MAX + 8) /* a host with its port, with NUL */

/*
 * tftp:// or http:// and HOST[:PORT]/PATH, where HOST is A.B.C.D, [IPv6] or a name; the slash that
 * begins PATH is not part of the name that the server is asked for.
 */
struct fetch_url {
	enum fetch_scheme scheme;
	struct ipaddr host;	   /* not set: @name has to be resolved first */
	char name[FETCH_NAME_MAX]; /* of the host, "" when it is an address */
	uint16_t port;		   /* host order; the scheme's own when the URL has none */
	char path[FETCH_PATH_MAX]; /* without the leading slash; "//" in the URL keeps one. %XX is
				      decoded */
};

/*
 * Return: 0; -EINVAL with *ret_why set to what was expected (static text); -EPROTONOSUPPORT for
 * another scheme.
 */
_must_check_ int fetch_url_parse(const char *s, struct fetch_url *ret, const char **ret_why);
const char *fetch_url_format(const struct fetch_url *u, char ret[static FETCH_URL_MAX]);

/* "HOST" or "HOST:PORT" as a URL says it. Return: @ret. */
const char *fetch_url_host(const struct fetch_url *u, char ret[static FETCH_HOST_MAX]);

/*
 * The URL of @name beside @u: the path up to and with its last slash, and @name behind it.
 * Return: 0 or -ENAMETOOLONG.
 */
_must_check_ int fetch_url_sibling(const struct fetch_url *u, const char *name,
				   struct fetch_url *ret);

/* How to transfer; zeros are good defaults. */
struct fetch_tuning {
	uint16_t blksize;     /* TFTP; 0: what fits the MTU */
	uint16_t windowsize;  /* TFTP; 0: TFTP_CLIENT_WINDOW, of parts FETCH_WINDOW */
	uint32_t sessions;    /* at once, parts only; 0: FETCH_SESSIONS, or of HTTP servers alone
				 FETCH_SESSIONS_HTTP each. Up to FETCH_SESSIONS_MAX */
	uint32_t ahead;	      /* parts begun before the first that is not done is; 0: any number */
	uint32_t tries;	      /* of a part that is wrong or refused, over all servers; 0: 4 */
	uint32_t patience_ms; /* with servers that are silent; 0: 60000 */
};

#define FETCH_SESSIONS	    12
#define FETCH_SESSIONS_HTTP 5

/* How many parts at once these servers are best asked for. */
uint32_t fetch_parts_sessions(const struct fetch_url *bases, size_t n);

/* --- one file --- */

struct fetch_blob_ops {
	/* So much has come (@total 0: not known). May be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);

	/*
	 * The end, once. @err 0: the file is in @data, the caller may take the buffer's memory
	 * (leaving it empty) or copy. Else -ENOENT, -E2BIG, -ETIMEDOUT ... as tftp_client.h, with
	 * @why for a person, naming the URL.
	 */
	void (*done)(void *ctx, int err, const char *why, struct buffer *data);
};

struct fetch_blob;

/*
 * Read @url into memory, at most @max bytes. @loop and @ops are borrowed, the rest is copied. A
 * silent server is asked for patience_ms; one that says that there is no such file is believed at
 * once. done() is never called from within; the object may be freed in done() and before. Return: 0
 * or negative errno.
 */
_must_check_ int fetch_blob_new(struct ev_loop *loop, const struct fetch_url *url, size_t max,
				const struct fetch_tuning *tuning, const struct fetch_blob_ops *ops,
				void *ctx, struct fetch_blob **ret);
void fetch_blob_free(struct fetch_blob *f);

/* --- the parts of an image --- */

struct fetch_parts_ops {
	/*
	 * Part @i (its place in the index's array) is here and its hash is right: @n bytes,
	 * borrowed for the call, which may take its time: transfers wait, and go on. Return: 0, or
	 * negative errno to give up with it. A part that stands in the index several times is
	 * fetched once for each.
	 */
	int (*part)(void *ctx, size_t i, const void *data, size_t n);

	/* Stored bytes received and verified so far, of all. May be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);

	/*
	 * Something went wrong and is tried again ("part 3 of 9 (c2d2e1f0...): its content does not
	 * match its hash; asking again"). Of servers that fell silent this is said once, until
	 * something comes again. May be NULL.
	 */
	void (*trouble)(void *ctx, const char *words);

	/*
	 * The end, once. @err 0: every part was handed over. Else -EBADMSG (a part's hash or length
	 * stayed wrong), -ENOENT, -ETIMEDOUT, ..., what part() returned; @why names the part.
	 */
	void (*done)(void *ctx, int err, const char *why);
};

struct fetch_parts;

/*
 * Fetch all parts of @index (borrowed while this lives; holes are skipped) as "parts/HEX" beside
 * each of @bases: the URLs of the index at each server, first the preferred. Memory used: sessions
 * times the largest part stored. done() is never called from within; the object may be freed in
 * done() and before, not in the other callbacks. Return: 0 or negative errno.
 */
_must_check_ int fetch_parts_new(struct ev_loop *loop, const struct index *index,
				 const struct fetch_url *bases, size_t n_bases,
				 const struct fetch_tuning *tuning,
				 const struct fetch_parts_ops *ops, void *ctx,
				 struct fetch_parts **ret);
void fetch_parts_free(struct fetch_parts *f);
