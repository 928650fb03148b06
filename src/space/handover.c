/*
 * handover.c - what init left for bpslave
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "space/handover.h"
#include "space/node_key_efi.h"

int handover_endpoint(const char *s, struct ipaddr *ret, uint16_t *ret_port)
{
	return ip_parse_port(s, HANDOVER_PORT, ret, ret_port);
}

static const char *take_line(struct handover *h, const char *key, const char *value)
{
	uint8_t b[4];

	if (!strcmp(key, "MAC"))
		return mac_parse(value, &h->mac) < 0 ? "MAC is not a MAC address" : NULL;
	if (!strcmp(key, "MASTER"))
		return handover_endpoint(value, &h->master, &h->port) < 0
			       ? "MASTER is not ADDRESS[:PORT]"
			       : NULL;
	if (!strcmp(key, "NODE_KEY")) {
		if (strlen(value) >= sizeof(h->node_key) ||
		    (*value != '/' && strcmp(value, NODE_KEY_EFI) != 0))
			return "NODE_KEY is neither efi nor the path of a file";
		memcpy(h->node_key, value, strlen(value) + 1);
	}
	if (!strcmp(key, "BOOT")) {
		if (strlen(value) != 8 || parse_hex(value, b, sizeof(b)) < 0)
			return "BOOT is not 8 hexadecimal digits";
		h->boot = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	}
	if (!strcmp(key, "WATCHDOG_SECONDS") &&
	    parse_u32(value, 1, HANDOVER_WATCHDOG_MAX_S, &h->watchdog_s) < 0)
		return "WATCHDOG_SECONDS is not a number of seconds";
	return NULL;
}

int handover_parse(const char *text, size_t n, struct handover *ret, const char **ret_why)
{
	static const struct mac none;
	_cleanup_free_ char *copy = strndup(text, n);
	struct handover h = { .port = HANDOVER_PORT };
	char *line, *rest = copy;

	if (!copy)
		return -ENOMEM;
	for (line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = 0;
		*ret_why = take_line(&h, line, value);
		if (*ret_why)
			return -EBADMSG;
	}
	if (mac_equal(&h.mac, &none)) {
		*ret_why = "it has no MAC";
		return -EBADMSG;
	}
	*ret = h;
	return 0;
}

int handover_read(const char *path, struct handover *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(HANDOVER_BYTES_MAX);
	const char *why = "out of memory";
	int r = file_read(AT_FDCWD, path, &text);

	if (r < 0)
		return log_err(r, "cannot read '%s' (init writes it when it boots the node)", path);
	r = handover_parse(buffer_str(&text), text.len, ret, &why);
	return r < 0 ? log_err(0, "'%s': %s", path, why), r : 0;
}
