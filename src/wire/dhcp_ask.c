/*
 * dhcp_ask.c - what a machine says of itself when it asks for an address
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/reader.h"
#include "wire/dhcp_ask.h"

#define MAGIC 0x63825363u /* in front of the options */

enum {
	BOOTREQUEST = 1,
	ETHERNET = 1,
	CHADDR_BYTES = 16,
	NAMES_BYTES = 64 + 128, /* sname and file */

	OPT_PAD = 0,
	OPT_HOSTNAME = 12,
	OPT_TYPE = 53,
	OPT_VENDOR_CLASS = 60,
	OPT_USER_CLASS = 77,
	OPT_ARCH = 93,
	OPT_END = 255,
};

static void take_text(struct reader *r, char ret[static DHCP_ASK_TEXT_MAX])
{
	size_t n = MIN(r->left, (size_t)DHCP_ASK_TEXT_MAX - 1);

	for (size_t i = 0; i < n; i++) {
		uint8_t c = reader_u8(r);

		ret[i] = c >= ' ' && c < 127 ? (char)c : '?';
	}
	ret[n] = 0;
}

/* RFC 3004 has lengths between the words; iPXE and others send the word alone. */
static void take_user_class(struct reader *r, char ret[static DHCP_ASK_TEXT_MAX])
{
	if (r->left > 1 && r->p[0] < ' ' && r->p[0] <= r->left - 1)
		*r = (struct reader){ .p = r->p + 1, .left = r->p[0] };
	take_text(r, ret);
}

static void take_option(uint8_t code, struct reader *r, struct dhcp_ask *a)
{
	switch (code) {
	case OPT_HOSTNAME:
		take_text(r, a->hostname);
		break;
	case OPT_TYPE:
		a->type = r->left == 1 && r->p[0] < DHCP_TYPE_MAX_ ? r->p[0] : DHCP_NONE;
		break;
	case OPT_VENDOR_CLASS:
		take_text(r, a->vendor_class);
		break;
	case OPT_USER_CLASS:
		take_user_class(r, a->user_class);
		break;
	case OPT_ARCH:
		if (r->left >= 2)
			a->arch = reader_be16(r);
		break;
	}
}

int dhcp_ask_parse(const void *buf, size_t n, struct dhcp_ask *ret)
{
	struct dhcp_ask a = { .type = DHCP_NONE, .arch = DHCP_ASK_NO_ARCH };
	struct reader r = READER(buf, n);
	uint8_t op = reader_u8(&r), type = reader_u8(&r), length = reader_u8(&r);

	reader_skip(&r, 1 + 4 + 2 + 2 + 4 * 4); /* hops, xid, secs, flags, four addresses */
	reader_copy(&r, a.mac.b, MAC_BYTES);
	reader_skip(&r, CHADDR_BYTES - MAC_BYTES + NAMES_BYTES);
	if (op != BOOTREQUEST || type != ETHERNET || length != MAC_BYTES ||
	    reader_be32(&r) != MAGIC || r.err < 0)
		return -EBADMSG;
	while (r.left > 0) {
		uint8_t code = reader_u8(&r);
		struct reader option;

		if (code == OPT_PAD)
			continue;
		if (code == OPT_END)
			break;
		option = reader_sub(&r, reader_u8(&r));
		if (r.err < 0)
			return -EBADMSG;
		take_option(code, &option, &a);
	}
	*ret = a;
	return 0;
}

const char *dhcp_arch_name(uint16_t arch, char buf[static 24])
{
	static const struct {
		uint16_t arch;
		const char *name;
	} names[] = {
		{ 0, "BIOS" },		 { 6, "x86 UEFI" },
		{ 7, "x64 UEFI" },	 { 9, "x64 UEFI" },
		{ 10, "arm UEFI" },	 { 11, "arm64 UEFI" },
		{ 15, "x86 UEFI HTTP" }, { 16, "x64 UEFI HTTP" },
		{ 18, "arm UEFI HTTP" }, { 19, "arm64 UEFI HTTP" },
		{ 27, "riscv64 UEFI" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].arch == arch)
			return names[i].name;
	}
	snprintf(buf, 24, "architecture %u", arch);
	return buf;
}
