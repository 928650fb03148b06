/*
 * place.h - a program's loader and libraries at their own paths, for that program alone
 */
#pragma once

#include <stddef.h>

#include "base/lang.h"
#include "wire/message.h"

#define PLACE_SHADOWS_MAX 64 /* folders that are laid over the node's for one program */

/* Where the files of a spec are. */
struct place {
	const char *view; /* folder that has those that travelled (space/cache.h); NULL: none did */
	const char *stage; /* an empty folder of the node */
	const char
		*program; /* what is to be executed; NULL: the spec's command, looked for as ever */
	const struct message_file *files;
	const bool *travelled; /* of each file: it is in the view; else it is the node's own */
	size_t n;
};

/*
 * In a child that is still root: show the loader and the libraries that travelled at their paths.
 * Nothing outside of the child sees it. Return: 0, or negative errno with words.
 */
_must_check_ int place_files(const struct place *p, char ret_words[static MESSAGE_WORDS_MAX]);
