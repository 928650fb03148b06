/*
 * root.h - where the index of the image is
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/lang.h"
#include "net/fetch.h"
#include "wire/dhcp.h"

#define ROOT_WHY_MAX 320 /* with NUL */

/* Does root= say no more than that there is one? */
bool root_means_nothing(const char *root);

/*
 * Decide from root= of the command line (NULL: not given) and the DHCP answer, in this order:
 * root=tftp://SERVER/PATH; root=tftp:///PATH with the answer's boot server; root-path (option 17),
 * a URL or a path; the boot file, when its name ends in ".index". Return: 0; -EINVAL (not a URL
 * that we can use), -EDESTADDRREQ (no boot server), -ENOENT (nothing names an index), with
 * @why for a person.
 */
_must_check_ int root_decide(const char *root, const struct dhcp_lease *lease,
			     struct fetch_url *ret, char why[static ROOT_WHY_MAX]);

/*
 * The same for several servers: root= and root-path may name up to FETCH_SERVERS_MAX URLs, with a
 * comma before each further tftp:// or http://, the first preferred. Return: as root_decide;
 * -E2BIG: more than that.
 */
_must_check_ int root_decide_all(const char *root, const struct dhcp_lease *lease,
				 struct fetch_url ret[static FETCH_SERVERS_MAX], size_t *ret_n,
				 char why[static ROOT_WHY_MAX]);
