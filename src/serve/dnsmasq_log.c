/*
 * dnsmasq_log.c - what dnsmasq's log says of the nodes, line by line, as things that happened
 *
 * "dnsmasq-dhcp[17]: 3105 DHCPACK(br0) 10.1.1.0 52:54:00:12:34:56 n0": a part's name, the number of
 * the exchange when log-dhcp is on, what happened. The tags of an exchange come before its answer,
 * and dnsmasq answers one after the other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "serve/dnsmasq_log.h"

static void copy_text(struct dnsmasq_log *l, const char *from, size_t n)
{
	n = MIN(n, sizeof(l->text) - 1);
	for (size_t i = 0; i < n; i++)
		l->text[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	l->text[n] = 0;
}

/* The next word of *@p as text of at most 64 bytes. */
static const char *next_word(const char **p, char ret[static 64])
{
	size_t n;

	*p += strspn(*p, " ");
	n = strcspn(*p, " ");
	snprintf(ret, 64, "%.*s", (int)MIN(n, (size_t)63), *p);
	*p += n;
	return ret;
}

/* "DHCPACK(br0) 10.1.1.0 52:54:00:12:34:56 n0" */
static enum dnsmasq_event take_ack(struct dnsmasq_log *l, const char *p)
{
	char word[64];
	struct in_addr a;
	struct mac m;

	next_word(&p, word);
	if (ipv4_parse(next_word(&p, word), &a) < 0 || mac_parse(next_word(&p, word), &m) < 0)
		return DNSMASQ_NOTHING;
	l->address = a;
	l->mac = m;
	return DNSMASQ_LEASED;
}

/* "DHCPDISCOVER(br0) 52:54:00:12:34:56 ignored", and "PXE(br0) 52:54:00:12:34:56 proxy-ignored" */
static enum dnsmasq_event take_refusal(struct dnsmasq_log *l, const char *p)
{
	char word[64];
	struct mac m = { 0 };
	bool found = false;

	next_word(&p, word);
	while (*next_word(&p, word)) {
		if (mac_parse(word, &m) == 0) {
			found = true;
		} else if (found && (strstr(word, "ignored") || !strcmp(word, "no"))) {
			snprintf(l->text, sizeof(l->text), "%s",
				 !strcmp(word, "no") ? "no address is left"
						     : "it is not in the node table");
			l->mac = m;
			return DNSMASQ_REFUSED;
		}
	}
	return DNSMASQ_NOTHING;
}

/* "sent PATH to ADDRESS", "failed sending PATH to ADDRESS", "file PATH not found for ADDRESS" */
static enum dnsmasq_event take_file(struct dnsmasq_log *l, const char *p, const char *behind,
				    enum dnsmasq_event event)
{
	const char *end = NULL, *next;
	char word[64];

	for (next = strstr(p, behind); next; next = strstr(next + 1, behind))
		end = next; /* a file's name may hold the words */
	if (!end)
		return DNSMASQ_NOTHING;
	copy_text(l, p, (size_t)(end - p));
	end += strlen(behind);
	return ipv4_parse(next_word(&end, word), &l->address) == 0 ? event : DNSMASQ_NOTHING;
}

static void take_tags(struct dnsmasq_log *l, const char *tags)
{
	l->client = strstr(tags, " bpboot") ? DNSMASQ_INIT
		    : strstr(tags, " ipxe") ? DNSMASQ_IPXE
					    : DNSMASQ_FIRMWARE;
}

static enum dnsmasq_event take_dhcp(struct dnsmasq_log *l, const char *p)
{
	p += strspn(p, "0123456789"); /* of the exchange */
	p += strspn(p, " ");
	if (!strncmp(p, "tags:", 5))
		take_tags(l, p + 5);
	else if (!strncmp(p, "DHCPACK(", 8))
		return take_ack(l, p);
	else if (!strncmp(p, "DHCPDISCOVER(", 13) || !strncmp(p, "PXE(", 4))
		return take_refusal(l, p);
	return DNSMASQ_NOTHING;
}

static enum dnsmasq_event take_tftp(struct dnsmasq_log *l, const char *p)
{
	if (!strncmp(p, "sent ", 5))
		return take_file(l, p + 5, " to ", DNSMASQ_SENT);
	if (!strncmp(p, "failed sending ", 15))
		return take_file(l, p + 15, " to ", DNSMASQ_BROKEN);
	if (!strncmp(p, "file ", 5))
		return take_file(l, p + 5, " not found for ", DNSMASQ_MISSING);
	if (!strncmp(p, "cannot access ", 14) || !strncmp(p, "cannot read ", 12)) {
		copy_text(l, p, strlen(p));
		return DNSMASQ_TROUBLE;
	}
	return DNSMASQ_NOTHING;
}

enum dnsmasq_event dnsmasq_log_take(struct dnsmasq_log *l, const char *line)
{
	const char *p = strstr(line, ": ");
	size_t part = strcspn(line, "[:");

	if (!p)
		return DNSMASQ_NOTHING;
	p += 2;
	if (part == strlen("dnsmasq-dhcp") && !strncmp(line, "dnsmasq-dhcp", part))
		return take_dhcp(l, p);
	if (part == strlen("dnsmasq-tftp") && !strncmp(line, "dnsmasq-tftp", part))
		return take_tftp(l, p);
	if (part != strlen("dnsmasq") || strncmp(line, "dnsmasq", part))
		return DNSMASQ_NOTHING;
	if (!strncmp(p, "started", 7))
		return DNSMASQ_STARTED;
	if (!strncmp(p, "failed ", 7) || !strncmp(p, "cannot ", 7) || !strncmp(p, "bad ", 4) ||
	    !strncmp(p, "TFTP directory ", 15) || !strncmp(p, "unknown ", 8)) {
		copy_text(l, p, strlen(p));
		return DNSMASQ_TROUBLE;
	}
	return DNSMASQ_NOTHING;
}
