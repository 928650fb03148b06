/*
 * node_orders.c - what bpctl has a node do: speak to another master, start what comes in a folder
 *
 * Neither outlives bpslave. A node that nobody else answers comes back, since it could be reached
 * by nobody any more.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "space/node_internal.h"

int node_take_reconnect(void *owner, struct reader *r)
{
	struct node *n = owner;
	struct ipaddr master;
	const char *word;
	uint16_t port;
	int e = message_word_read(r, &word);

	if (e == 0)
		e = handover_endpoint(word, &master, &port);
	if (e < 0)
		return -EBADMSG;
	log_info("told to connect to the bpmaster at %s", word);
	n->other = master;
	n->other_port = port;
	n->other_until_ms = clock_ms() + NODE_OTHER * n->silence_ms;
	backoff_reset(&n->backoff);
	stream_fail(&n->stream, 0, "told to connect to another bpmaster");
	return 0;
}

void node_choose_master(struct node *n)
{
	char text[IP_STR_MAX];

	if (ip_is_set(&n->config->master)) {
		n->boot.master = n->config->master;
		n->boot.port = n->config->port;
	}
	if (!ip_is_set(&n->other))
		return;
	if (n->other_until_ms > 0 && clock_ms() > n->other_until_ms) {
		log_warn(0, "the bpmaster at %s:%u does not take this node: back to the one before",
			 ip_format(&n->other, text), n->other_port);
		n->other = (struct ipaddr){ 0 };
		return;
	}
	n->boot.master = n->other;
	n->boot.port = n->other_port;
}

int node_take_chroot(void *owner, struct reader *r)
{
	struct node *n = owner;
	char words[MESSAGE_WORDS_MAX];
	struct message_small m;
	const char *path;
	int e = message_word_read(r, &path);

	if (e < 0)
		return e;
	e = realm_chroot(&n->processes.realm, path);
	if (e == 0) {
		log_info("what is started has '%s' as its root", path);
		return 0;
	}
	log_warn(e, "cannot have '%s' as the root of what is started", path);
	snprintf(words, sizeof(words), "cannot have '%.200s' as the root of what is started: %s",
		 path, strerror(-e));
	message_words_write(message_begin(&m, MESSAGE_TROUBLE), MESSAGE_TROUBLE, words);
	node_say(n, &m);
	return 0;
}
