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
#define CMDLINE_WARNINGS_MAX	 8
#define CMDLINE_WARNING_MAX	 160
#define CMDLINE_MODULE_WORDS_MAX 64

enum cmdline_ip { CMDLINE_IP_DHCP, CMDLINE_IP_STATIC, CMDLINE_IP_OFF };

struct cmdline_static {
	struct in_addr address, server, gateway;
	uint8_t prefix;
	const char *hostname; /* or NULL */
	struct in_addr dns[2], ntp;
};

struct cmdline {
	const char *root, *rootfstype, *rootflags, *init, *rd_break; /* NULL: not given */
	bool ro, quiet, debug, shell, have_panic, have_master, have_log, have_bootif;
	int32_t panic_s; /* 0: never reboot; negative: at once */
	enum cmdline_ip ip;
	struct cmdline_static addr; /* with CMDLINE_IP_STATIC */
	const char *device;	    /* the one interface of ip=, or NULL */
	struct mac bootif;
	struct ipaddr master, log;
	uint16_t master_port, log_port;		      /* 0: the default */
	uint32_t retry_min_s, retry_max_s;	      /* back-off between attempts */
	uint32_t link_s, dhcp_s, fetch_s;	      /* patience of each */
	uint32_t sessions;			      /* transfers at once; 0: the default */
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
