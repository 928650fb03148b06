/*
 * firmware.h - the kinds of firmware that boot by network, and what each of them loads first
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "serve/cluster.h"

#define FIRMWARE_ROWS 6

#define FIRMWARE_UKI "bpboot.efi" /* what bpboot uki makes */

#define FIRMWARE_PROGRAMS 3 /* files of Debian's package ipxe, and one that it builds for arm64 */

struct firmware {
	const char *tag; /* of the kind; kinds that load the same share it, and stand together */
	int arch;	 /* option 93, RFC 4578 and RFC 5970 */
	bool http;	 /* HTTP boot: is told a URL, and that it may take it (option 60) */
	const char *files[CLUSTER_LOADER_MAX_]; /* within the boot directory; NULL: iPXE's */
};

extern const struct firmware firmware_table[FIRMWARE_ROWS];

/* iPXE's programs, as Debian's package ipxe names them. */
extern const char *const firmware_programs[FIRMWARE_PROGRAMS];

/* What it loads where nodes boot by the cluster's loader. */
const char *firmware_file(const struct firmware *f, const struct cluster *c);

/* Whether that is iPXE, which then asks again. */
bool firmware_chains(const struct firmware *f, const struct cluster *c);
