/*
 * search.h - where a loader looks for a library
 *
 * The machine's part of the search: its names for $LIB and $PLATFORM, ld.so.cache, the built-in
 * folders and ld.so.conf. The program's part, RPATH and RUNPATH, is closure.c's.
 */
#pragma once

#include "base/lang.h"
#include "image/elf.h"
#include "image/ldcache.h"
#include "image/root.h"

#define SEARCH_DIRS_MAX	      256  /* folders of ld.so.conf */
#define SEARCH_NAMES_MAX      4096 /* names of a folder that match */
#define SEARCH_CONF_DEPTH     8	   /* include in include */
#define SEARCH_CONF_BYTES_MAX (64u << 10)
#define SEARCH_HWCAPS_MAX     3

/* What a kind of machine calls its things. */
struct search_machine {
	uint16_t machine;
	uint8_t class;
	const char *platform; /* $PLATFORM */
	const char *triplet;  /* Debian's folder below /lib: "x86_64-linux-gnu" */
	const char *lib;      /* others' folder for it: "lib64" */
	const char *loader;   /* the interpreter that its programs name */
	uint32_t cache_flags;
	const char *musl; /* musl's name in "ld-musl-NAME.so.1" */
	const char
		*hwcaps[SEARCH_HWCAPS_MAX]; /* folders below glibc-hwcaps for better processors */
};

/* Return: NULL for a machine that is not in the table. */
const struct search_machine *search_machine(uint16_t machine, uint8_t class);

struct search {
	const struct root *root; /* borrowed */
	struct ldcache cache;
	char **conf_dirs; /* owned */
	size_t n_conf_dirs;
};

#define _cleanup_search_ _cleanup_(search_clear)
void search_clear(struct search *s);

/* Read what @root has of ld.so.cache and ld.so.conf; that neither is there is no error. */
_must_check_ int search_init(struct search *s, const struct root *root);

/* Names in a folder, sorted. */
struct search_names {
	char **names; /* owned, each and all */
	size_t n;
};

void search_names_clear(struct search_names *s);

/* Those in @dir of the root that match @pattern (fnmatch). Return: 0, -ENOENT, another errno. */
_must_check_ int search_names(const struct root *root, const char *dir, const char *pattern,
			      struct search_names *ret);

/* Append the whole of a small file of the root. Return: 0, -ENOENT, -E2BIG, another errno. */
_must_check_ int search_read(const struct root *root, const char *path, struct buffer *to);

/*
 * Folder number @i of those built into the loader. Return: NULL behind the last; caller frees *ret.
 */
_must_check_ int search_builtin_dir(const struct search_machine *m, unsigned i, char **ret);
