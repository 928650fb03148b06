/*
 * check.h - what is wrong with a cluster's files before a node finds out
 *
 * Looks at the cluster file, the node table, the boot directory, the signatures and the interface,
 * and tells of everything, not only of the first. Reads only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/lang.h"
#include "serve/cluster.h"
#include "wire/minisign.h"

#define CHECK_WORDS_MAX 512
#define CHECK_KEYS_MAX	16

struct check_finding {
	bool fatal;	  /* some node will not boot; else it is worth a look */
	const char *file; /* where; borrowed during the call */
	unsigned line;	  /* 0: the whole */
	const char *words;
};

typedef void check_tell_fn(void *ctx, const struct check_finding *f);

struct check_key {
	const char *path; /* for words */
	struct minisign_key key;
};

struct check_spec {
	const char *cluster_file;
	const struct check_key *keys; /* that signatures are looked for; borrowed */
	size_t n_keys;		      /* at most CHECK_KEYS_MAX */
	check_tell_fn *tell;
	void *ctx;
};

struct check_result {
	size_t nodes, images, errors, warnings;
};

/* Return: 0 when all was looked at, whatever was found; -ENOMEM. */
_must_check_ int check_site(const struct check_spec *spec, struct check_result *ret);
