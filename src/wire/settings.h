/*
 * settings.h - what bpctl has set, as bpmaster keeps it over a restart: STATE/settings
 *
 *   52:54:00:00:00:01 mode=110 user=0 group=100 boot=1a2b3c4d state=drained "rack=r 12" ...
 *
 * One line a node, known by its MAC, since numbers may be given anew. A state belongs to the boot
 * in which it was set; 0: while the node had no connection. Attributes follow the state, which is
 * empty where none is set. The quoting is that of base/lines.h; the file is bpmaster's own, but
 * read as any other.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/lang.h"
#include "wire/attributes.h"
#include "wire/message.h"

#define SETTINGS_BYTES_MAX (64u << 20) /* of the file */
#define SETTINGS_MODE	   0111u       /* everyone may run there */

struct settings {
	struct mac mac;
	uint32_t mode, uid, gid;
	uint32_t boot;		       /* in which @state was set */
	char state[MESSAGE_STATE_MAX]; /* set by bpctl, or "" */
	char *attributes;	       /* owned; NULL: none */
};

#define SETTINGS()	   ((struct settings){ .mode = SETTINGS_MODE })
#define _cleanup_settings_ _cleanup_(settings_clear)
void settings_clear(struct settings *s);

/* Append the line of a node. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int settings_write(struct buffer *to, const struct settings *s);

/*
 * Read the words of one line. Return: 0, -EBADMSG or -ENOMEM. settings_clear() frees what *ret
 * holds.
 */
_must_check_ int settings_read(char *const *words, size_t n, struct settings *ret);
