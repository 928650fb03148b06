/*
 * nd.h - what routers say of name servers: options of neighbour discovery to struct and back
 *
 * RFC 8106: recursive name servers (RDNSS) and search list (DNSSL), as the kernel passes them on
 * from router advertisements. All else that is in those, the kernel understands by itself.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>

#include "base/lang.h"

#define ND_DNS_MAX    4
#define ND_SEARCH_MAX 256 /* with NUL */

/* What all advertisements so far have said. Without duplicates, in the order of their coming. */
struct nd_names {
	struct in6_addr dns[ND_DNS_MAX];
	size_t n_dns;
	char search[ND_SEARCH_MAX]; /* blank-separated */
};

/*
 * Take the options in @buf into @names: what they name is added, as far as there is place, and with
 * a lifetime of 0 removed; options of other kinds or of a length that the RFC forbids for theirs
 * are passed over. Return: 0, or -EBADMSG with @names as it was: an option of length 0 or past the
 * end.
 */
_must_check_ int nd_options_take(const void *buf, size_t n, struct nd_names *names);

/* Options that say all of @names, as a test or a fuzzer needs them. Return: 0 or -E2BIG. */
_must_check_ int nd_options_format(const struct nd_names *names, void *buf, size_t n,
				   size_t *ret_n);
