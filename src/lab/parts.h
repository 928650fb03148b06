/*
 * parts.h - the stock parts that a lab can be put together of: by name, and whether they are here
 */
#pragma once

#include "base/lang.h"
#include "lab/site.h"

#define PARTS_OVMF "/usr/share/ovmf/OVMF.fd"

/* What the command line says. */
struct parts_names {
	const char *dhcp, *tftp, *loader, *firmware, *nic;
};

/*
 * Take the names into @s: its dhcp, tftp, loader, firmware and nic. Return: 0; -EINVAL when a name
 * is none, or parts do not go together (logged, with why).
 */
_must_check_ int parts_choose(const struct parts_names *n, struct site *s);

/* Whether what @s is made of is installed. Return: 0, or -ENOENT, logged with Debian's package. */
_must_check_ int parts_check(const struct site *s);
