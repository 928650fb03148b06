/*
 * pins.c - the keys of nodes, a line a machine
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "wire/pins.h"

#define WORDS	3
#define LASTING "lasting"
#define BOOT	"boot="

int pins_write(struct buffer *to, const struct pin *p)
{
	char mac[MAC_STR_MAX], hex[2 * PINS_KEY_BYTES + 1];

	format_hex(p->key, sizeof(p->key), hex);
	mac_format(&p->mac, mac);
	if (p->lasting)
		return buffer_printf(to, "%s " LASTING " %s\n", mac, hex);
	return buffer_printf(to, "%s " BOOT "%08" PRIx32 " %s\n", mac, p->boot, hex);
}

int pins_read(char *const *words, size_t n, struct pin *ret)
{
	struct pin p = { 0 };
	uint8_t b[4] = { 0 };
	const char *boot;

	if (n != WORDS || mac_parse(words[0], &p.mac) < 0)
		return -EBADMSG;
	boot = words[1] + strlen(BOOT);
	p.lasting = !strcmp(words[1], LASTING);
	if (!p.lasting && (strncmp(words[1], BOOT, strlen(BOOT)) != 0 ||
			   strlen(boot) != 2 * sizeof(b) || parse_hex(boot, b, sizeof(b)) < 0))
		return -EBADMSG;
	if (strlen(words[2]) != 2 * sizeof(p.key) || parse_hex(words[2], p.key, sizeof(p.key)) < 0)
		return -EBADMSG;
	p.boot = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	*ret = p;
	return 0;
}
