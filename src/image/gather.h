/*
 * gather.h - from a manifest to the tree of an image
 *
 * Looks at the sources, follows what programs need, and puts every name where it belongs. Nothing
 * is read but names, attributes, ELF headers and symlinks; file data is read when the image is
 * written.
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "image/manifest.h"
#include "image/root.h"
#include "image/tree.h"
#include "wire/index.h"

#define GATHER_SLAVE_TARGET "/usr/sbin/bpslave"
#define GATHER_KEY_TARGET   "/etc/bpboot/master.pub"
#define GATHER_KEY_NAME	    "master.pub"
#define GATHER_INIT_DEFAULT "/sbin/init"

struct gather_spec {
	const struct root *root;	 /* where programs and libraries are taken from */
	bool foreign;			 /* that is not this machine's: bpslave is the root's own */
	const struct manifest *manifest; /* borrowed as long as the tree lives */
	const char *file;		 /* its name, for messages */
	int dirfd;	     /* its folder, for relative sources; borrowed as long as the tree */
	const char *key_dir; /* for bpslave */
	const char *kernel;  /* for modules; NULL: none was named */
	int64_t time_s;	     /* of all files, for what programs make */
	/* Finds a program of ours; logs. Caller frees *ret. */
	int (*find_program)(const char *name, char **ret);
};

struct gathered {
	struct tree *tree; /* owned */
	struct seen *seen; /* what was looked at, when there is a line "from"; owned; or NULL */
	const char *init;  /* borrowed from the manifest, or the default */
	bool has_init;	   /* the image has it */
	enum index_arch arch;
};

#define _cleanup_gathered_ _cleanup_(gathered_clear)
void gathered_clear(struct gathered *g);

/* Logs, with file and line. Return: 0 or negative errno. */
_must_check_ int gather(const struct gather_spec *spec, struct gathered *ret);
