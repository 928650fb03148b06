/*
 * fuzz-report.c - an event that is accepted, as datagram or console line, is written and read back
 * the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char buf[REPORT_DATAGRAM_MAX], line[REPORT_LINE_MAX], *text;
	struct report e, again;
	size_t n;

	if (report_parse(data, size, &e) == 0) {
		if (report_format(&e, buf, sizeof(buf), &n) < 0 ||
		    report_parse(buf, n, &again) < 0 || memcmp(&e, &again, sizeof(e)))
			abort();
		if (report_line_format(&e, line, sizeof(line)) < 0)
			abort();
	}
	text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (report_line_parse(text, &e) == 0) {
		if (report_line_format(&e, line, sizeof(line)) < 0 ||
		    report_line_parse(line, &again) < 0 || memcmp(&e, &again, sizeof(e)))
			abort();
	}
	free(text);
	return 0;
}
