/*
 * isc_dhcpd.h - the cluster as configuration of ISC's DHCP server
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

/*
 * Append the configuration. Return: 0; -EINVAL when a node can get no address (logged); -E2BIG,
 * -ENOMEM.
 */
_must_check_ int isc_dhcpd_format(const struct cluster *c, const struct nodes *t,
				  struct buffer *to);
