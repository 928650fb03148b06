/*
 * light.h - nodes without machines: each a bpslave that is process 1 of namespaces of its own
 */
#pragma once

#include <sys/types.h>

#include "base/lang.h"
#include "lab/place.h"
#include "lab/site.h"

#define LIGHT_NODES_MAX 1024
#define LIGHT_RESTARTS	129 /* status of a node told to reboot: SIGHUP, says reboot(2) */

/*
 * In the lab's namespaces: write cluster.conf, the node table and the keys, and give the front end
 * its address. Return: 0 or negative errno (logged).
 */
_must_check_ int light_prepare(const struct site *s, const struct place *p);

/* Start node @i. Return: 0 with its process, or negative errno (logged). */
_must_check_ int light_start(const struct site *s, const struct place *p, size_t i, pid_t *ret);

/* How many nodes are up, says bpmaster. Return: 0, or negative errno while it does not answer. */
_must_check_ int light_count(const struct place *p, const char *bpstat, size_t *ret);
