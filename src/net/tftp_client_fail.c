/*
 * tftp_client_fail.c - how a TFTP transfer fails: in words that say what was asked of whom, and
 * what came
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/tftp_client_internal.h"

static const char *server_text(const struct tftp_client *c, char ret[static IP_STR_MAX])
{
	struct ipaddr a = ip_sock_host(&c->server);

	return ip_format(&a, ret);
}

/* The server broke the protocol: tell it and give up. */
void tftp_fail_proto(struct tftp_client *c, uint16_t error, const char *what)
{
	char server[IP_STR_MAX], why[TFTP_CLIENT_WHY_MAX];

	tftp_client_send_error(c, &c->peer, error, what);
	snprintf(why, sizeof(why), "the TFTP server %s breaks the protocol with '%.80s': %s",
		 server_text(c, server), c->path, what);
	tftp_client_finish(c, -EPROTO, why);
}

void tftp_fail_too_long(struct tftp_client *c, uint64_t bytes)
{
	char why[TFTP_CLIENT_WHY_MAX];

	tftp_client_send_error(c, &c->peer, TFTP_ENOSPACE, "file is longer than expected");
	snprintf(why, sizeof(why),
		 "'%.100s' is too long: %llu bytes or more, expected at most %llu", c->path,
		 (unsigned long long)bytes, (unsigned long long)c->max_bytes);
	tftp_client_finish(c, -E2BIG, why);
}

void tftp_fail_timeout(struct tftp_client *c)
{
	char server[IP_STR_MAX], other[IP_STR_MAX], why[TFTP_CLIENT_WHY_MAX];
	const char *s = server_text(c, server);

	if (c->state == STATE_DATA)
		snprintf(why, sizeof(why),
			 "the TFTP server %s fell silent for %.0f s in '%.80s' after %llu bytes", s,
			 c->stall, c->path, (unsigned long long)c->bytes);
	else if (ip_is_set(&c->stranger))
		snprintf(why, sizeof(why),
			 "no answer from the TFTP server %s to '%.80s' in %.0f s, but one from %s, "
			 "which was not asked",
			 s, c->path, c->stall, ip_format(&c->stranger, other));
	else
		snprintf(why, sizeof(why), "no answer from the TFTP server %s to '%.80s' in %.0f s",
			 s, c->path, c->stall);
	if (c->state == STATE_DATA)
		tftp_client_send_error(c, &c->peer, TFTP_EUNDEF, "timed out");
	tftp_client_finish(c, -ETIMEDOUT, why);
}

void tftp_fail_refused(struct tftp_client *c)
{
	char server[IP_STR_MAX], why[TFTP_CLIENT_WHY_MAX];

	server_text(c, server);
	if (c->state == STATE_DATA)
		snprintf(why, sizeof(why), "the TFTP server %s stopped in '%.80s' after %llu bytes",
			 server, c->path, (unsigned long long)c->bytes);
	else
		snprintf(why, sizeof(why), "no TFTP server at %s port %u", server,
			 ip_sock_port(&c->server));
	tftp_client_finish(c, -ECONNREFUSED, why);
}

void tftp_fail_remote(struct tftp_client *c, const struct tftp_packet *p)
{
	char why[TFTP_CLIENT_WHY_MAX];
	int err = p->error == TFTP_ENOENT    ? -ENOENT
		  : p->error == TFTP_EACCESS ? -EACCES
					     : -EREMOTEIO;

	snprintf(why, sizeof(why), "%s on the server: '%.80s' (TFTP error %u%s%.80s)",
		 tftp_error_name(p->error), c->path, p->error, *p->message ? ": " : "", p->message);
	tftp_client_finish(c, err, why);
}
