/*
 * message-sizes.c - the table of the protocol's messages as the code has it, for
 * tests/structure/protocol.sh
 *
 * A line a message: number, name, fewest and most bytes of its body.
 */
#include <stdio.h>

#include "wire/message.h"

int main(void)
{
	for (int i = 0; i < MESSAGE_TYPE_MAX_; i++) {
		const struct message_kind *k = &message_kinds[i];

		if (k->name)
			printf("%d %s %u %u\n", i, k->name, k->min, k->max);
	}
	return 0;
}
