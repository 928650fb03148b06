/*
 * host_options.h - what the scripts of a distribution's initramfs tell bpboot-root
 */
#pragma once

#include "base/command.h"
#include "init/boot.h"

struct host_options {
	const char *root, *interface, *root_path, *boot_file, *hostname;
	uint64_t lease_s, obtained_s;
	struct dhcp_lease lease; /* the addresses */
};

/* The rows of a struct command for it. */
extern const struct option_row host_options_rows[];

/* Put what was said into the places where our own DHCP client would have left it. */
void host_options_apply(const struct host_options *o, struct boot *b);
