/*
 * ipxe.h - the script that iPXE runs: kernel, initrd, command line
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"

#define IPXE_BYTES_MAX 8192

/* Append the script. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int ipxe_format(const struct cluster *c, struct buffer *to);

/*
 * Append what stands on the kernel's command line of every node, without BOOTIF: bpmaster's address
 * where a node cannot find it by itself, and the site's words. Return: 0, -E2BIG, -ENOMEM.
 */
_must_check_ int ipxe_cmdline(const struct cluster *c, struct buffer *to);
