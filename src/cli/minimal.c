/*
 * minimal.c - the modules that nodes have reported, for an initramfs that holds no others
 *
 * init's events of the stage "drivers" name each module that found its device
 * (docs/boot-events.md); bpmaster keeps them. A set made of them boots the same machines, and no
 * machine that changed: the next card needs an initramfs of the whole set once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/log.h"
#include "cli/minimal.h"
#include "cli/timeline.h"
#include "serve/cluster.h"
#include "serve/nodes.h"
#include "serve/sets.h"

#define LIST_MAX (64u << 10)  /* bytes of the list */
#define MODULES	 " modules: " /* in the words of an event */

/* Append the name unless the list, "a,b,", has it. */
static int add(struct buffer *list, const char *name, size_t n)
{
	const char *s = buffer_str(list);

	for (; *s; s += strcspn(s, ",") + 1) {
		if (strcspn(s, ",") == n && !memcmp(s, name, n))
			return 0;
	}
	return buffer_printf(list, "%.*s,", (int)n, name);
}

/* "3 modules: a, b, c". Return: the number of names, or negative errno. */
static int take_event(const struct report *e, struct buffer *list)
{
	const char *s = strstr(e->words, MODULES);
	int count = 0;

	if (e->stage != REPORT_DRIVERS || e->state != REPORT_OK || !s)
		return 0;
	for (s += strlen(MODULES); *s; count++) {
		size_t n = strcspn(s, ", ");
		int r = n > 0 ? add(list, s, n) : -EBADMSG;

		if (r < 0)
			return r;
		s += n + strspn(s + n, ", ");
	}
	return count;
}

static int take_node(const struct cluster *c, const struct node *node, struct buffer *list)
{
	_cleanup_timeline_ struct timeline t = TIMELINE();
	_cleanup_free_ char *path = NULL;
	char mac[MAC_STR_MAX], name[NODES_NAME_MAX];
	int count = 0, r;

	if (asprintf(&path, "%s/boots/%s.events", c->master_state, mac_format(&node->mac, mac)) <
	    0) {
		path = NULL;
		return log_err(-ENOMEM, "cannot read what a node has reported");
	}
	r = timeline_read(path, NULL, &t);
	for (size_t i = 0; r >= 0 && i < t.n; i++) {
		r = take_event(&t.events[i].report, list);
		if (r < 0)
			log_err(r, "'%s': cannot take the modules of an event", path);
		count += MAX(r, 0);
	}
	if (r < 0)
		return r;
	if (count == 0)
		return log_err(
			-ENOENT,
			"node %u (%s) has not reported its modules in '%s': boot it once with an "
			"initramfs of the whole set",
			node->number, node_name(node, name), path);
	return 0;
}

int minimal_modules(const char *nodes, const char *cluster, const char *further, char **ret)
{
	_cleanup_cluster_ struct cluster c = { 0 };
	_cleanup_nodes_ struct nodes t = { 0 };
	_cleanup_nodeset_ struct nodeset set = NODESET();
	_cleanup_buffer_ struct buffer list = BUFFER(LIST_MAX);
	int r = cluster_load(cluster ? cluster : MINIMAL_CLUSTER, &c);

	if (r == 0)
		r = nodes_load(c.nodes, &t);
	if (r == 0)
		r = sets_take(&c, &t, nodes, &set);
	for (size_t i = 0; r == 0 && i < set.n; i++) {
		const struct node *n = nodes_by_number(&t, set.numbers[i]);

		r = n ? take_node(&c, n, &list)
		      : log_err(-ENOENT, "no node %u in '%s'", set.numbers[i], c.nodes);
	}
	if (r == 0)
		r = buffer_printf(&list, "%s", further ? further : "");
	if (r < 0)
		return r;
	*ret = (char *)TAKE_PTR(list.data);
	return 0;
}
