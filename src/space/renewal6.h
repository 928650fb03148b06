/*
 * renewal6.h - keep the node's DHCPv6 lease (docs/handover.md, RFC 8415 section 18.2.5)
 *
 * The counterpart of renewal.h. The kernel renews what routers advertise; this renews an address
 * that init leased by DHCPv6: any server is asked when the time has come, and the file is written
 * anew with each answer. A lease that has run out, or that no server knows any more, is said and
 * kept in use.
 */
#pragma once

#include "base/lang.h"

struct ev_loop;
struct renewal6;

/* As renewal_new(). */
_must_check_ int renewal6_new(struct ev_loop *loop, const char *path, struct renewal6 **ret);
void renewal6_free(struct renewal6 *r);
