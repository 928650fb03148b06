/*
 * embedded.h - dnsmasq as supervised children that serve the cluster
 *
 * Written, started, watched and ended from here. A changed node table is taken while files are
 * sent; a table that is nonsense is told of, and the old one stays in force. A dnsmasq that ends is
 * started again. One thread, one loop, until a signal says stop.
 */
#pragma once

#include <stdbool.h>

#include "base/lang.h"
#include "serve/cluster.h"

#define EMBEDDED_RETRY_MIN_MS 1000 /* before dnsmasq is started again */
#define EMBEDDED_RETRY_MAX_MS 30000

struct embedded_spec {
	const struct cluster *cluster;
	bool proxy;	 /* beside another DHCP server */
	const char *dir; /* folder of our own for what dnsmasq reads; is made and removed */
};

/*
 * Serve until SIGINT or SIGTERM. Everything that happens is logged. Return: 0; -EBADMSG when the
 * node table is none at the start; what dnsmasq could not be started for; another errno.
 */
_must_check_ int embedded_serve(const struct embedded_spec *spec);
