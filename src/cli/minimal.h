/*
 * minimal.h - the modules that nodes have reported, for an initramfs that holds no others
 */
#pragma once

#include "base/lang.h"

#define MINIMAL_CLUSTER "/etc/bpboot/cluster.conf"

/*
 * What the nodes of set @nodes loaded in their last boot, by bpmaster's record, and @further (names
 * or sets between commas; NULL: nothing): a list for driverset_make(). @cluster NULL: the usual
 * file. Logs, and names a node that has reported nothing. Caller frees.
 */
_must_check_ int minimal_modules(const char *nodes, const char *cluster, const char *further,
				 char **ret);
