/*
 * reporter.h - send a boot's events to the master by UDP syslog (docs/boot-events.md)
 *
 * Events that happen before there is an address are kept, and sent when there is one. UDP gives no
 * receipt: what the other end refused is sent again, and reporter_again() sends everything kept
 * once more when something went wrong. Nothing here blocks or logs, and no boot fails because its
 * report does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ip.h"
#include "wire/report.h"

#define REPORTER_KEPT_MAX    256 /* events of a boot; then the oldest go */
#define REPORTER_PORT	     514
#define REPORTER_PROGRESS_MS 250 /* progress events come no faster */

struct reporter {
	int fd; /* FD_NONE while there is no address */
	struct mac mac;
	uint32_t boot;
	uint32_t seq;	      /* of the last event */
	uint64_t progress_ms; /* when the last progress event went out */
	size_t n_kept;
	size_t last; /* the kept event that was sent last; SIZE_MAX: none */
	struct reporter_kept {
		struct report e;
		bool sent;
	} kept[REPORTER_KEPT_MAX];
};

/* An empty reporter for boot number @boot. */
void reporter_init(struct reporter *r, uint32_t boot);
void reporter_deinit(struct reporter *r);

/* The machine, when it is known: all events carry it, earlier ones too. */
void reporter_set_mac(struct reporter *r, const struct mac *mac);

/*
 * Give @e its number, boot and machine; keep it and send it when there is an address. Progress is
 * sent or dropped, never kept, and says whether its time has come. Return: false when it is
 * progress that came too soon to be shown.
 */
bool reporter_add(struct reporter *r, struct report *e);

/* There is an address now: send to @to, first what was kept. @port in host order. Return: 0 or
 * negative errno. */
_must_check_ int reporter_connect(struct reporter *r, const struct ipaddr *to, uint16_t port);

/* The address is gone; events are kept. */
void reporter_disconnect(struct reporter *r);

/* Send everything kept once more. */
void reporter_again(struct reporter *r);
