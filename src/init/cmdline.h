/*
 * cmdline.h - the kernel command line as init understands it (docs/kernel-command-line.md)
 *
 * One table of parameters in cmdline.c; a test holds it against the manual. A value that makes no
 * sense is left out with a warning that says what was expected: a node with a typing error on its
 * command line still boots where it can.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ip.h"
#include "base/lang.h"

#define CMDLINE_BYTES_MAX	 4096 /* with NUL; more than any kernel takes on amd64 */
#define CMDLINE_BLACKLIST_MAX	 64
#define CMDLINE_BOND_OPTIONS_MAX 16
#define CMDLINE_NAMESERVERS_MAX	 4
#define CMDLINE_NODE_KEY_EFI	 "efi"
#define CMDLINE_SLAVES_MAX	 16
#define CMDLINE_VLAN_MAX	 4094
#define CMDLINE_WARNINGS_MAX	 8
#define CMDLINE_WARNING_MAX	 160
#define CMDLINE_MODULE_WORDS_MAX 64

/* How the address is found (ip=). EITHER6: by router advertisement or DHCPv6, what comes first. */
enum cmdline_ip {
	CMDLINE_IP_UNSAID, /* DHCP; or EITHER6 when root= names an IPv6 address */
	CMDLINE_IP_DHCP,
	CMDLINE_IP_STATIC,
	CMDLINE_IP_OFF,
	CMDLINE_IP_DHCP6,
	CMDLINE_IP_AUTO6,
	CMDLINE_IP_EITHER6,
};

struct cmdline_static {
	struct ipaddr address, gateway; /* of one family */
	struct in_addr server;
	uint8_t prefix;
	const char *hostname; /* or NULL */
	struct ipaddr dns[2], ntp;
};

/* vlan=NAME:NIC */
struct cmdline_vlan {
	const char *name, *under; /* NULL: not given */
	uint16_t id;
};

/* bond=NAME:NIC,...:OPTION=VALUE,...:MTU */
struct cmdline_bond {
	const char *name; /* NULL: not given */
	const char *slaves[CMDLINE_SLAVES_MAX];
	size_t n_slaves;
	const char *options[CMDLINE_BOND_OPTIONS_MAX]; /* "OPTION=VALUE" */
	size_t n_options;
	uint32_t mtu; /* 0: not said */
};

struct cmdline {
	const char *root, *rootfstype, *rootflags, *init, *rd_break; /* NULL: not given */
	const char *nfsroot, *netconsole;
	bool ro, quiet, debug, shell, have_panic, have_master, have_log, have_bootif;
	int32_t panic_s; /* 0: never reboot; negative: at once */
	bool rootwait, ip_given;
	uint32_t disk_s; /* patience with a disk that is not there yet */
	enum cmdline_ip ip;
	struct cmdline_static addr; /* with CMDLINE_IP_STATIC */
	const char *zram;	    /* a compressed ram disk, and how: "lz4", "zstd"; or NULL */
	const char *overlay_size;   /* as tmpfs takes it: 64M, 30%; NULL: half of the memory */
	const char *device;	    /* the one interface of ip=, or NULL */
	uint32_t mtu;		    /* of ip=; 0: not said */
	struct mac bootif;
	struct ipaddr nameservers[CMDLINE_NAMESERVERS_MAX];
	size_t n_nameservers;
	struct cmdline_vlan vlan;
	struct cmdline_bond bond;
	struct ipaddr master, log;
	uint16_t master_port, log_port;		 /* 0: the default */
	uint32_t retry_min_s, retry_max_s;	 /* back-off between attempts */
	uint32_t link_s, dhcp_s, dns_s, fetch_s; /* patience of each */
	uint32_t arp_ms;			 /* to find out who else has the address */
	bool arp_said;
	uint32_t sessions;			      /* transfers at once; 0: the default */
	const char *node_key;			      /* efi, or a path; NULL: not given */
	uint32_t watchdog_s; /* 0: not given */
	uint32_t blksize, windowsize;		      /* TFTP; 0: the default */
	const char *blacklist[CMDLINE_BLACKLIST_MAX]; /* modules */
	size_t n_blacklist;
	const char
		*module_words[CMDLINE_MODULE_WORDS_MAX]; /* "MODULE.PARAMETER=VALUE", for modules */
	size_t n_module_words;
	char warnings[CMDLINE_WARNINGS_MAX][CMDLINE_WARNING_MAX];
	size_t n_warnings;
	char text[CMDLINE_BYTES_MAX]; /* what the pointers point into */
};

/* Fill @c from @text; @c must not be moved afterwards. Never fails: see warnings. */
void cmdline_parse(const char *text, struct cmdline *c);

/* Is the module blacklisted? Dashes and underscores are the same. */
bool cmdline_blacklisted(const struct cmdline *c, const char *module);
