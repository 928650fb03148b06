/*
 * firmware.c - the kinds of firmware that boot by network, and what each of them loads first
 *
 * Network boot programs as Debian's package ipxe names them. Loaders that are iPXE already never
 * ask for them. x64 UEFI says 7 or 9, for the standard's number was printed wrongly once.
 */
#include "serve/firmware.h"

const struct firmware firmware_table[FIRMWARE_ROWS] = {
	{ "bios", "undionly.kpxe", 0 },
	{ "efi-x64", "snponly.efi", 7 },
	{ "efi-x64", "snponly.efi", 9 },
	{ "efi-arm64", "snponly-arm64.efi", 11 },
};
