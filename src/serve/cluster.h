/*
 * cluster.h - the cluster file: what a site says about its cluster, once (docs/cluster.md)
 *
 * An INI file, read with libinih. Relative paths in it are relative to the directory that it lies
 * in. One table of keys in cluster.c is the parser, the writer and the order of the manual.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define CLUSTER_BYTES_MAX   (64u << 10) /* the file */
#define CLUSTER_NAME_MAX    64		/* with NUL; letters, digits, '.', '_', '-' */
#define CLUSTER_PATH_MAX    180		/* bytes of a path made absolute: KEY=PATH fits a line */
#define CLUSTER_CMDLINE_MAX 2048	/* with NUL; what the kernel takes on x86 */
#define CLUSTER_GROUPS_MAX  256
#define CLUSTER_SERVERS_MAX 8	/* what init takes */
#define CLUSTER_SERVER_MAX  96	/* with NUL; a server's URL */
#define CLUSTER_ROOT_MAX    256 /* with NUL; a DHCP option */
#define CLUSTER_RANGES_MAX  8
#define CLUSTER_KEYS	    23 /* that the file may have */
#define CLUSTER_MASTER_PORT 2223
#define CLUSTER_LOG_PORT    514
#define CLUSTER_LEASE_MIN_S 120
#define CLUSTER_LEASE_MAX_S 31536000

enum cluster_unknown { CLUSTER_REFUSE, CLUSTER_ACCEPT, CLUSTER_UNKNOWN_MAX_ };

/* Which machines bpmaster takes as nodes. */
enum cluster_enrol {
	CLUSTER_ENROL_UNSAID, /* follows from @unknown: known when those are refused, else first */
	CLUSTER_ENROL_KNOWN,  /* those of the node table */
	CLUSTER_ENROL_FIRST,  /* all */
	CLUSTER_ENROL_ACCEPT, /* those whose key somebody has accepted */
	CLUSTER_ENROL_MAX_
};
/* Return: CLUSTER_ENROL_UNSAID when there is no such policy. */
enum cluster_enrol cluster_enrol_find(const char *name);
const char *cluster_enrol_name(enum cluster_enrol e);

enum cluster_loader {
	CLUSTER_IPXE,
	CLUSTER_PXELINUX,
	CLUSTER_GRUB,
	CLUSTER_UKI,
	CLUSTER_LOADER_MAX_
};

/* Who serves the boot directory's files. */
struct cluster_server {
	bool http; /* else TFTP */
	struct in_addr address;
	bool plain;		      /* the protocol's own port, and the server's top folder */
	char url[CLUSTER_SERVER_MAX]; /* "http://10.1.0.2:8080/boot": no '/' at its end */
};

/* Addresses of the network, both ends included. */
struct cluster_range {
	struct in_addr first, last;
};

/* A name for a set of nodes. */
struct cluster_group {
	char *name;    /* letters, digits, '.', '_' */
	char *text;    /* a set (base/nodeset.h), which may hold groups that stand above this one */
	unsigned line; /* where it begins */
};

struct cluster {
	char *file; /* absolute */

	/* [cluster] */
	char *name;
	char *interface;	/* of the front end, to the nodes */
	struct in_addr network; /* host bits are zero */
	uint32_t prefix;	/* 8 to 30 */
	struct in_addr address; /* of the front end, within the network */
	char *boot;		/* boot directory */
	char *image;		/* name of the image of nodes that name none */
	char *nodes;		/* node table (nodes.h); NULL: no node is known */
	enum cluster_unknown unknown;
	enum cluster_loader loader; /* what firmware loads first, where there is a choice */
	struct cluster_server servers[CLUSTER_SERVERS_MAX]; /* in the order in which init asks */
	size_t n_servers;				    /* 0: TFTP of the front end */
	char *kernel;					    /* within the boot directory */
	char *initrd;					    /* within the boot directory */
	char *cmdline; /* words behind our own on the kernel command line; "" for none */

	/* [dhcp] */
	struct cluster_range ranges[CLUSTER_RANGES_MAX]; /* for nodes without an address of their
							    own and unknown machines; apart */
	size_t n_ranges;				 /* 0: those get none */
	uint32_t lease_s;

	/* [master] */
	struct in_addr master_address; /* what bpmaster listens on and nodes connect to; [cluster]
					  address if not said */
	enum cluster_enrol enrol;
	uint32_t master_port;	       /* TCP, process space */
	uint32_t master_log_port;      /* UDP, boot events */
	char *master_state;	       /* directory */
	char *master_socket;	       /* unix socket */
	char *master_key;	       /* secret key file */
	char *master_consoles; /* directory of console captures, NAME.log or NUMBER.log; NULL: none
				*/

	/* [groups] */
	struct cluster_group *groups; /* owned; in the order of the file */
	size_t n_groups;

	unsigned lines[CLUSTER_KEYS]; /* where each key stands: see cluster_line() */
};

#define _cleanup_cluster_ _cleanup_(cluster_clear)
void cluster_clear(struct cluster *c);

/*
 * Parse the text of a cluster file; relative paths in it are relative to where @file, an absolute
 * path, lies. Return: 0; -EBADMSG with *ret_line and *ret_why (static text) set; -ENOMEM. Does not
 * log. *ret_line is 0 when the fault is of the whole (a key that is missing).
 */
_must_check_ int cluster_parse(const char *file, const void *text, size_t n, struct cluster *ret,
			       unsigned *ret_line, char ret_why[static 256]);

/* Read and parse the file; errors are logged as "FILE:LINE: what". Return: 0 or negative errno. */
_must_check_ int cluster_load(const char *file, struct cluster *ret);

/* Append the text of @c; parsing it as the same file gives @c again. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int cluster_format(const struct cluster *c, struct buffer *to);

/* The line of the file in which a key stands. Return: 0 when it does not. */
unsigned cluster_line(const struct cluster *c, const char *section, const char *name);

/* Word of the cluster file: "ipxe". */
const char *cluster_loader_name(enum cluster_loader l);

/*
 * Parse one server: "10.1.0.1", "tftp://10.1.0.1", "http://10.1.0.1:8080/boot". Return: 0 or
 * -EBADMSG. Does not log.
 */
_must_check_ int cluster_server_parse(const char *word, struct cluster_server *ret);

/* What init is to fetch for an image: URLs with commas between. Return: 0, or -EINVAL when that is
 * longer than DHCP can say (logged). */
_must_check_ int cluster_root(const struct cluster *c, const char *image,
			      char ret[static CLUSTER_ROOT_MAX]);

/* Where firmware and loaders find their files: by TFTP, and by HTTP ("http://10.1.0.1"). */
struct in_addr cluster_boot_server(const struct cluster *c);
const char *cluster_http_base(const struct cluster *c, char ret[static CLUSTER_SERVER_MAX]);

/* Whether a group may be called so. */
bool cluster_is_group_name(const char *name);

/* The range that @a is in. Return: NULL when there is none. Borrowed. */
const struct cluster_range *cluster_range_of(const struct cluster *c, struct in_addr a);

/* Whether @a is a host address within the cluster's network: not its number, not its broadcast
 * address. */
bool cluster_holds(const struct cluster *c, struct in_addr a);
