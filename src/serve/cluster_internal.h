/*
 * cluster_internal.h - the keys of the cluster file, for its parser and its writer
 */
#pragma once

#include "serve/cluster.h"

enum key_type {
	KEY_NAME,      /* char *: letters, digits, '.', '_', '-'; not first a '.' */
	KEY_INTERFACE, /* char *: name of a network interface */
	KEY_NETWORK,   /* network and prefix */
	KEY_ADDRESS,   /* struct in_addr */
	KEY_PATH,      /* char *: made absolute */
	KEY_INSIDE,    /* char *: path within the boot directory */
	KEY_UNKNOWN,   /* enum cluster_unknown */
	KEY_ENROL,     /* enum cluster_enrol */
	KEY_LOADER,    /* enum cluster_loader */
	KEY_SERVERS,   /* servers, n_servers; further lines are appended */
	KEY_WORDS,     /* char *: text; further lines are appended */
	KEY_RANGES,    /* ranges, n_ranges; further lines are appended */
	KEY_LEASE,     /* uint32_t seconds: 600, 10m, 12h, 7d */
	KEY_PORT,      /* uint32_t */
};

struct cluster_key {
	const char *section, *name;
	enum key_type type;
	size_t offset;
	const char *otherwise; /* text that stands for a missing line; NULL: see required */
	bool required;
};

extern const struct cluster_key cluster_keys[]; /* in the order in which they are written */
extern const size_t cluster_n_keys;
