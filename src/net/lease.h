/*
 * lease.h - put a DHCP lease into force on a link
 */
#pragma once

#include "base/lang.h"
#include "wire/dhcp.h"

/*
 * Set MTU (when given), address, and routes: those of option 121, else the default route of the
 * first router. What was on the link goes away first. A route or MTU that the kernel refuses is
 * logged as a warning and left out. Return: 0, or the kernel's errno for the address.
 */
_must_check_ int lease_apply(int ifindex, const struct dhcp_lease *l);
