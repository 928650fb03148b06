/*
 * kea.h - the cluster as configuration of Kea's DHCPv4 server
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

/* Words of the configuration changed between them. */
enum kea_version { KEA_2_2, KEA_3_0 };

/*
 * Append the configuration. @leases: file that Kea keeps its leases in, NULL for its own choice.
 * Return: 0; -EINVAL when a node can get no address, or an image has too many servers (logged);
 * -E2BIG, -ENOMEM.
 */
_must_check_ int kea_format(const struct cluster *c, const struct nodes *t,
			    enum kea_version version, const char *leases, struct buffer *to);
