/*
 * renewal.h - keep the node's DHCP lease (docs/handover.md, RFC 2131 section 4.4.5)
 *
 * init leased the address and left the lease in a file; this goes on with it: asks the server at
 * T1, any server at T2, says so when the lease has run out, and writes the file anew with each
 * answer. A lease that has run out is kept in use, since a node without address is lost to
 * everybody, until a server answers; one that a server takes back is given up, and a new one asked
 * for.
 */
#pragma once

#include "base/lang.h"

struct ev_loop;
struct renewal;

/*
 * Begin with the lease in @path, which is copied. @loop is borrowed. Logs. Return: 0; -ENOENT when
 * there is nothing to renew: no such file, a static address, a lease for ever; or negative errno.
 */
_must_check_ int renewal_new(struct ev_loop *loop, const char *path, struct renewal **ret);
void renewal_free(struct renewal *r);
