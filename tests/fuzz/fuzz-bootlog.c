/*
 * fuzz-bootlog.c - a line of a boot log that is accepted is written, and read back the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/bootlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bootlog_entry e, again;
	char line[BOOTLOG_LINE_MAX], *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (bootlog_parse(text, &e) == 0) {
		if (bootlog_format(&e, line, sizeof(line)) < 0 || bootlog_parse(line, &again) < 0 ||
		    e.wall_ms != again.wall_ms ||
		    memcmp(&e.report, &again.report, sizeof(e.report)) != 0)
			abort();
	}
	free(text);
	return 0;
}
