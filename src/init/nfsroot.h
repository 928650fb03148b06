/*
 * nfsroot.h - where an NFS root is, as root=nfs:, nfsroot= and DHCP's root-path say it
 *
 * Pure: text to struct and back. docs/kernel-command-line.md has the syntax.
 */
#pragma once

#include <stdbool.h>

#include "base/lang.h"

#define NFSROOT_SERVER_MAX  256 /* each with NUL */
#define NFSROOT_PATH_MAX    256
#define NFSROOT_OPTIONS_MAX 256
#define NFSROOT_TEXT_MAX    (NFSROOT_SERVER_MAX + NFSROOT_PATH_MAX + NFSROOT_OPTIONS_MAX + 8)

struct nfsroot {
	char server[NFSROOT_SERVER_MAX]; /* an address without brackets, or a name; "": not said */
	char path[NFSROOT_PATH_MAX];
	char options[NFSROOT_OPTIONS_MAX]; /* words with commas between, "": none */
	bool only4;			   /* root=nfs4: */
};

/*
 * "[SERVER:]/PATH[,OPTIONS]", where SERVER may be an IPv6 address in brackets and a colon may stand
 * before OPTIONS, or "//SERVER/PATH[,OPTIONS]"; before it "nfs:" or "nfs4:" may stand. Return: 0,
 * or -EINVAL with *ret_why set to what was expected.
 */
_must_check_ int nfsroot_parse(const char *text, struct nfsroot *ret, const char **ret_why);

/* The same in its plainest form. */
const char *nfsroot_format(const struct nfsroot *n, char ret[static NFSROOT_TEXT_MAX]);

/* Does @text begin with "nfs:" or "nfs4:"? NULL does not. */
bool nfsroot_is_meant(const char *text);

/* Do the options name a version of NFS? */
bool nfsroot_names_version(const struct nfsroot *n);

/*
 * In the path, the first "%s" becomes @name (the kernel's way to a root for each node).
 * Return: 0 or -ENAMETOOLONG.
 */
_must_check_ int nfsroot_expand(struct nfsroot *n, const char *name);
