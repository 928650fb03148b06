/*
 * fuzz-nodes.c - a node table that is accepted can be written and read back the same, and each node
 * is found by its number, name and MAC
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "serve/nodes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_nodes_ struct nodes a = { 0 }, b = { 0 };
	_cleanup_buffer_ struct buffer one = BUFFER(NODES_BYTES_MAX), two = BUFFER(NODES_BYTES_MAX);
	char why[256], name[NODES_NAME_MAX];
	unsigned line;

	if (nodes_parse(data, size, &a, &line, why) < 0)
		return 0;
	if (nodes_format(&a, &one) < 0 ||
	    nodes_parse(buffer_str(&one), one.len, &b, &line, why) < 0 ||
	    nodes_format(&b, &two) < 0)
		abort();
	if (a.n != b.n || strcmp(buffer_str(&one), buffer_str(&two)))
		abort();
	for (size_t i = 0; i < a.n; i++) {
		const struct node *n = &a.list[i];

		if (nodes_by_number(&a, n->number) != n || nodes_by_mac(&a, &n->mac) != n ||
		    nodes_find(&a, node_name(n, name)) != n)
			abort();
	}
	return 0;
}
