/*
 * fuzz-dnsmasq-log.c - whatever dnsmasq's log says, what is told of it is short, printable, and
 * told only with what it needs; and a line tells the same however often it is read
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/dnsmasq_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
	size_t n = strnlen(text, DNSMASQ_LOG_TEXT_MAX);

	if (n == DNSMASQ_LOG_TEXT_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (text[i] < ' ' || text[i] > '~')
			abort();
	}
}

static void take(struct dnsmasq_log *l, const char *line)
{
	struct dnsmasq_log before = *l, again = *l;
	enum dnsmasq_event event = dnsmasq_log_take(l, line);

	if (dnsmasq_log_take(&again, line) != event || memcmp(&again, l, sizeof(again)) != 0)
		abort();
	check_text(l->text);
	if (l->client > DNSMASQ_INIT)
		abort();
	if (event == DNSMASQ_TROUBLE && !*l->text)
		abort();
	if (event != DNSMASQ_LEASED && event != DNSMASQ_REFUSED && !mac_equal(&l->mac, &before.mac))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dnsmasq_log l;

	memset(&l, 0, sizeof(l));
	for (size_t at = 0, n; at < size; at += n + 1) {
		const uint8_t *nl = memchr(data + at, '\n', size - at);
		char *line;

		n = nl ? (size_t)(nl - data) - at : size - at;
		line = malloc(n + 1);
		if (!line)
			return 0;
		memcpy(line, data + at, n);
		line[n] = 0; /* a NUL inside ends the line, as in what dnsmasq writes */
		take(&l, line);
		free(line);
	}
	return 0;
}
