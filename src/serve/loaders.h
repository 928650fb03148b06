/*
 * loaders.h - pxelinux and GRUB: what they read, and every loader's files in the boot directory
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"

#define LOADERS_TEXT_MAX (16u << 10)
#define LOADERS_PXELINUX "pxelinux.cfg/default" /* within the boot directory */
#define LOADERS_GRUB	 "grub/grub.cfg"

/* Append pxelinux.cfg/default. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int pxelinux_format(const struct cluster *c, struct buffer *to);

/*
 * Append grub.cfg. Return: 0; -EINVAL when GRUB would change the kernel's command line on its way
 * (logged); -E2BIG, -ENOMEM.
 */
_must_check_ int grub_format(const struct cluster *c, struct buffer *to);

/* Where the loaders' packages have their files. */
struct loader_dirs {
	const char *ipxe;     /* undionly.kpxe, snponly.efi */
	const char *pxelinux; /* pxelinux.0 */
	const char *syslinux; /* ldlinux.c32 */
	const char *grub;     /* a folder a platform: i386-pc, x86_64-efi, arm64-efi */
};
#define LOADER_DIRS                                                  \
	((struct loader_dirs){ "/usr/lib/ipxe", "/usr/lib/PXELINUX", \
			       "/usr/lib/syslinux/modules/bios", "/usr/lib/grub" })

/*
 * Put what the cluster's loader needs into @boot: its programs, its configuration, and iPXE's
 * programs for machines that it is not for. Each file is told of. What is missing is warned of with
 * its package when it is the loader's own or iPXE's for BIOS. Return: 0 or negative errno (logged).
 */
typedef void loader_tell_fn(const char *path, const char *words);
_must_check_ int loaders_install(const struct cluster *c, const struct loader_dirs *d,
				 const char *boot, loader_tell_fn *tell);

/* File @i of the boot directory that some firmware loads, and the Debian package that has it; NULL
 * behind the last. */
const char *loaders_file(const struct cluster *c, size_t i, const char **ret_package);
