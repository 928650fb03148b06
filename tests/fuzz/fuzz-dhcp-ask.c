/*
 * fuzz-dhcp-ask.c - what a machine says of itself is printable text within its limits, whatever it
 * sent
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dhcp_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char text[static DHCP_ASK_TEXT_MAX])
{
	size_t n = strnlen(text, DHCP_ASK_TEXT_MAX);

	if (n == DHCP_ASK_TEXT_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (text[i] < ' ' || text[i] > '~')
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp_ask a;
	char buf[24];

	if (dhcp_ask_parse(data, size, &a) < 0)
		return 0;
	check(a.vendor_class);
	check(a.user_class);
	check(a.hostname);
	if (a.type >= DHCP_TYPE_MAX_ || strlen(dhcp_arch_name(a.arch, buf)) >= sizeof(buf))
		abort();
	return 0;
}
