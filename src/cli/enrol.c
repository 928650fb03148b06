/*
 * enrol.c - bpctl's part about the keys of nodes: accept, forget, show
 *
 * bpmaster knows machines by MAC, whether they are nodes or not; a node set is turned into MACs
 * here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/enrol.h"
#include "space/cipher.h"

/* MAC or MAC=FINGERPRINT. */
static int machine_set(struct caller *c, struct message_enrol *m, const char *which)
{
	_cleanup_free_ char *copy = strdup(which);
	char *fingerprint = copy ? strchr(copy, '=') : NULL;

	if (!copy)
		return log_err(-ENOMEM, "cannot ask bpmaster");
	if (fingerprint)
		*fingerprint++ = 0;
	if (mac_parse(copy, &m->mac) < 0)
		return log_err(-EINVAL, "'%s' is neither a node set nor a MAC", copy);
	m->fingerprint = fingerprint ? fingerprint : "";
	if (fingerprint &&
	    (m->what == MESSAGE_ENROL_FORGET || strlen(fingerprint) != MESSAGE_FINGERPRINT_MAX - 1))
		return log_err(-EINVAL,
			       "'%s': expected a MAC%s as 'bpctl --keys' shows it, not '%s'", which,
			       m->what == MESSAGE_ENROL_FORGET ? "" : " and a fingerprint",
			       fingerprint);
	return caller_enrol(c, m);
}

int enrol_set(struct caller *c, bool forget, const char *which)
{
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	_cleanup_nodeset_ struct nodeset nodes = NODESET();
	struct message_enrol m = { .what = forget ? MESSAGE_ENROL_FORGET : MESSAGE_ENROL_ACCEPT,
				   .fingerprint = "" };
	int ret = 0, r;

	if (strchr(which, ':'))
		return machine_set(c, &m, which);
	r = caller_list(c, false, &known);
	if (r == 0)
		r = caller_nodeset(&known, which, &nodes);
	if (r == 0 && nodes.n == 0)
		r = (log_err(0, "no node is in '%s'", which), -ENODEV);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nodes.n; i++) {
		const struct message_node *n = caller_node(&known, nodes.numbers[i]);

		if (!n) {
			r = (log_err(0, "there is no node %u", nodes.numbers[i]), -ENODEV);
		} else {
			m.mac = n->mac;
			r = caller_enrol(c, &m);
		}
		ret = ret < 0 ? ret : r;
		if (r == -EPERM)
			break; /* nor may we of the others */
	}
	return ret;
}

static int print_key(void *owner, struct reader *body)
{
	static const char *const states[MESSAGE_PIN_STATE_MAX_] = {
		[MESSAGE_PIN_PINNED] = "pinned",
		[MESSAGE_PIN_WAITS] = "waits",
		[MESSAGE_PIN_CHANGED] = "refused",
	};
	const struct caller_nodes *known = owner;
	char mac[MAC_STR_MAX], fingerprint[CIPHER_FINGERPRINT], boot[16] = "lasting",
								number[12] = "-";
	struct message_pin k;
	int r = message_pin_read(body, &k);

	if (r < 0)
		return log_err(r, "bpmaster sent something else than a key");
	if (!k.lasting)
		snprintf(boot, sizeof(boot), "%08" PRIx32, k.boot);
	for (size_t i = 0; i < known->n; i++) {
		if (mac_equal(&known->list[i].mac, &k.mac))
			snprintf(number, sizeof(number), "%u", known->list[i].number);
	}
	printf("%-6s %-17s %-8s %-8s %s%s%s\n", number, mac_format(&k.mac, mac), states[k.state],
	       boot, cipher_fingerprint(k.key, fingerprint), *k.words ? " " : "", k.words);
	return 0;
}

int enrol_list(struct caller *c)
{
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	int r = caller_list(c, false, &known);

	if (r < 0)
		return r;
	printf("%-6s %-17s %-8s %-8s %s\n", "Node", "MAC", "Key is", "Boot", "Fingerprint");
	return caller_each(c, MESSAGE_PINS, MESSAGE_PIN, print_key, &known);
}
