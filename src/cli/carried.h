/*
 * carried.h - the files of a command that go to the nodes with it
 */
#pragma once

#include "base/lang.h"
#include "wire/message.h"

struct carried {
	struct message_file *files; /* owned; the first one is the program */
	char **paths;		    /* owned, each and all: what the files name */
	size_t n;
};

#define _cleanup_carried_ _cleanup_(carried_clear)
void carried_clear(struct carried *c);

/*
 * Find what @command names here, as execvp(3) does, and all that it needs at its start. None, when
 * there is no such program here, or one that is not to be read or that runs as another user
 * (set-uid): what the nodes have is run then. What was found is remembered below $XDG_CACHE_HOME
 * and looked up there as long as no file of it has changed. Return: 0 or negative errno (logged).
 */
_must_check_ int carried_find(const char *command, struct carried *ret);
