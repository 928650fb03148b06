/*
 * resolve.h - the addresses of a host name, by DNS, asynchronously (RFC 1035)
 *
 * A stub resolver: it asks the servers that it is given, in turn and again, until one answers or
 * the time is over. A name without a dot is looked for in the search list first, one with a dot as
 * it is first. IPv4 and IPv6 are asked for side by side.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/lang.h"
#include "wire/dns.h"

struct ev_loop;
struct resolve;

#define RESOLVE_SERVERS_MAX 8
#define RESOLVE_SEARCH_MAX  6 /* names that are tried */
#define RESOLVE_WHY_MAX	    256

struct resolve_config {
	const struct ipaddr *servers; /* copied */
	size_t n_servers;	      /* 1 to RESOLVE_SERVERS_MAX; further ones are not asked */
	const char *search;	      /* blank-separated domains; NULL: none. Copied */
	bool v4, v6;		      /* which addresses are of use */
	uint32_t timeout_ms;	      /* for all of it */
};

struct resolve_ops {
	/*
	 * The end, once; the object may be freed in it. @err 0: @a (borrowed) has one address or
	 * more, IPv4 first. -ENOENT: there is no such name, or it has no address of use.
	 * -ETIMEDOUT: no server answered. -EREMOTEIO: they answered with errors. @why is a line for
	 * a person.
	 */
	void (*done)(void *ctx, int err, const char *why, const struct dns_answer *a);
};

/* @loop and @ops are borrowed. done() is never called from within. Return: 0 or negative errno. */
_must_check_ int resolve_new(struct ev_loop *loop, const char *name,
			     const struct resolve_config *config, const struct resolve_ops *ops,
			     void *ctx, struct resolve **ret);
void resolve_free(struct resolve *r);
