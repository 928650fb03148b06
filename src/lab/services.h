/*
 * services.h - the command lines of a lab's servers
 */
#pragma once

#include "base/lang.h"
#include "lab/place.h"
#include "lab/site.h"

#define SERVICES_MAX	  4  /* dnsmasq, another DHCP server, another TFTP server, bpmaster */
#define SERVICES_ARGS_MAX 16 /* with NULL */
#define SERVICES_TEXT_MAX 640

struct service {
	const char *name; /* what the record calls it; its log is NAME.log, bpmaster's master.log */
	const char *log;
	const char *argv[SERVICES_ARGS_MAX];
	char text[SERVICES_TEXT_MAX]; /* argv points into it */
	size_t n_text;
};

/* Return: how many there are. */
size_t services_list(const struct site *s, const struct place *p,
		     struct service ret[static SERVICES_MAX]);
