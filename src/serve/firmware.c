/*
 * firmware.c - the kinds of firmware that boot by network, and what each of them loads first
 *
 * Network boot programs are named as Debian's packages ipxe and pxelinux name them, and as
 * grub-mknetdir writes them. Firmware that a loader has no program for gets iPXE: pxelinux is for
 * BIOS, HTTP boot is for UEFI, and a unified kernel image is what `bpboot uki` makes for x64. x64
 * UEFI says 7 or 9, for the standard's number was printed wrongly once.
 */
#include "serve/firmware.h"

#define IPXE_BIOS  "undionly.kpxe"
#define IPXE_X64   "snponly.efi"
#define IPXE_ARM64 "snponly-arm64.efi"
#define GRUB_X64   "grub/x86_64-efi/core.efi"

const struct firmware firmware_table[FIRMWARE_ROWS] = {
	{ "bios",
	  0,
	  false,
	  { IPXE_BIOS, [CLUSTER_PXELINUX] = "pxelinux.0",
	    [CLUSTER_GRUB] = "grub/i386-pc/core.0" } },
	{ "efi-x64",
	  7,
	  false,
	  { IPXE_X64, [CLUSTER_GRUB] = GRUB_X64, [CLUSTER_UKI] = FIRMWARE_UKI } },
	{ "efi-x64",
	  9,
	  false,
	  { IPXE_X64, [CLUSTER_GRUB] = GRUB_X64, [CLUSTER_UKI] = FIRMWARE_UKI } },
	{ "efi-arm64", 11, false, { IPXE_ARM64, [CLUSTER_GRUB] = "grub/arm64-efi/core.efi" } },
	{ "http-x64", 16, true, { IPXE_X64, [CLUSTER_UKI] = FIRMWARE_UKI } },
	{ "http-arm64", 19, true, { IPXE_ARM64 } },
};

const char *const firmware_programs[FIRMWARE_PROGRAMS] = { IPXE_BIOS, IPXE_X64, IPXE_ARM64 };

const char *firmware_file(const struct firmware *f, const struct cluster *c)
{
	return f->files[c->loader] ? f->files[c->loader] : f->files[CLUSTER_IPXE];
}

bool firmware_chains(const struct firmware *f, const struct cluster *c)
{
	return c->loader == CLUSTER_IPXE || !f->files[c->loader];
}
