/*
 * ipxe.h - the script that iPXE runs: kernel, initrd, command line
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

#define IPXE_BYTES_MAX (2u << 20)

/*
 * Append the script. @with_root: it says what init is to fetch, for a network whose DHCP server
 * does not (dnsmasq as proxy). Return: 0, -E2BIG, -ENOMEM.
 */
_must_check_ int ipxe_format(const struct cluster *c, const struct nodes *t, bool with_root,
			     struct buffer *to);

/*
 * Append what stands on the kernel's command line of every node, without BOOTIF: bpmaster's address
 * where a node cannot find it by itself, and the site's words. Return: 0, -E2BIG, -ENOMEM.
 */
_must_check_ int ipxe_cmdline(const struct cluster *c, struct buffer *to);
