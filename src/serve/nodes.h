/*
 * nodes.h - the node table: which machine is which node (docs/cluster.md)
 *
 * One line a node: `NUMBER MAC [ADDRESS|-] [IMAGE|-] [NAME|-]`. Blanks between, '#' begins a
 * comment. A number, MAC, address or name stands once.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/lang.h"

#define NODES_BYTES_MAX	 (4u << 20)
#define NODES_MAX	 16384	/* nodes of a table */
#define NODES_NUMBER_MAX 99999u /* highest node number; the lowest is 0 */
#define NODES_NAME_MAX	 64	/* host or image name with NUL */

struct node {
	uint32_t number;
	struct mac mac;
	struct in_addr address;	    /* 0.0.0.0: none is reserved */
	char image[NODES_NAME_MAX]; /* "": the cluster's */
	char name[NODES_NAME_MAX];  /* host name: letters, digits, '-'; "": "nNUMBER", see
				       node_name() */
	unsigned line;		    /* where it stands */
};

struct nodes {
	struct node *list; /* owned; by number */
	size_t n;
};

#define _cleanup_nodes_ _cleanup_(nodes_clear)
void nodes_clear(struct nodes *t);

/*
 * Parse the text of a node table.
 * Return: 0; -EBADMSG with *ret_line and ret_why set; -ENOMEM. Does not log.
 */
_must_check_ int nodes_parse(const void *text, size_t n, struct nodes *ret, unsigned *ret_line,
			     char ret_why[static 256]);

/*
 * Parse as far as lines are nodes, and tell of every fault. Nodes whose line is faulty are not in
 * *ret; ones that are there twice are. Return: 0, -ENOMEM.
 */
typedef void nodes_fault_fn(void *ctx, unsigned line, const char *why);
_must_check_ int nodes_scan(const void *text, size_t n, nodes_fault_fn *each, void *ctx,
			    struct nodes *ret);

/* Set a property from a word of the table; "-" for none. Return: 0 or -EBADMSG with @why written.
 */
_must_check_ int node_set_mac(struct node *n, const char *word, char why[static 256]);
_must_check_ int node_set_address(struct node *n, const char *word, char why[static 256]);
_must_check_ int node_set_image(struct node *n, const char *word, char why[static 256]);
_must_check_ int node_set_name(struct node *n, const char *word, char why[static 256]);

/* Read and parse the file; errors are logged as "FILE:LINE: what". @file NULL gives an empty table.
 */
_must_check_ int nodes_load(const char *file, struct nodes *ret);

/* Append the text of @t; parsing it gives @t again, lines aside. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int nodes_format(const struct nodes *t, struct buffer *to);

/* Return: NULL when there is none. Borrowed. */
const struct node *nodes_by_number(const struct nodes *t, uint32_t number);
const struct node *nodes_by_mac(const struct nodes *t, const struct mac *mac);

/* By number, name, "nNUMBER" or MAC. Return: NULL when there is none. Borrowed. */
const struct node *nodes_find(const struct nodes *t, const char *which);

/* Its host name: what the table says, else "n" and the number. Return: @ret. */
const char *node_name(const struct node *n, char ret[static NODES_NAME_MAX]);
