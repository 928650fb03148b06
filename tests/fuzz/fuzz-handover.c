/*
 * fuzz-handover.c - a boot file that is accepted names a machine and a port
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "space/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mac none;
	const char *why = NULL;
	struct handover h;
	int r = handover_parse((const char *)data, size, &h, &why);

	if (r < 0 && !why)
		abort();
	if (r == 0 && (mac_equal(&h.mac, &none) || h.port == 0))
		abort();
	return 0;
}
