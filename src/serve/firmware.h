/*
 * firmware.h - the kinds of firmware that boot by network, and what each of them loads first
 */
#pragma once

#define FIRMWARE_ROWS 4

struct firmware {
	const char *tag;  /* of the kind; kinds that load the same share it, and stand together */
	const char *file; /* a network boot program, as Debian's package ipxe names it */
	int arch;	  /* RFC 4578, option 93 */
};

extern const struct firmware firmware_table[FIRMWARE_ROWS];
