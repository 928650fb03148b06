/*
 * file_servers.c - the boot directory as configuration of servers of files
 *
 * Each of them serves one directory on one address and knows nothing of nodes. Debian's units for
 * the TFTP servers split the words of /etc/default/NAME at blanks and know no quotes, so that a
 * path that would need them is refused here rather than misread there.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "serve/dnsmasq.h"
#include "serve/file_servers.h"

#define TFTPD_HPA_BLOCKSIZE 1428 /* with its headers within 1500 bytes, also in a tunnel */

static int check_path(const struct cluster *c, const char *server)
{
	for (const char *p = c->boot; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("/._-+,", *p))
			return log_err(0,
				       "boot directory '%s': %s takes no path with '%c'; name "
				       "another in the cluster file (boot=)",
				       c->boot, server, *p),
			       -EINVAL;
	}
	return 0;
}

int tftpd_hpa_format(const struct cluster *c, struct buffer *to)
{
	char address[INET_ADDRSTRLEN];
	int r = check_path(c, "tftpd-hpa");

	return r ? r
		 : buffer_printf(to,
				 "# /etc/default/tftpd-hpa for cluster '%s', written by bpboot "
				 "config tftpd-hpa\n"
				 "TFTP_USERNAME=\"tftp\"\nTFTP_DIRECTORY=\"%s\"\n"
				 "TFTP_ADDRESS=\"%s:69\"\n"
				 "TFTP_OPTIONS=\"--secure --blocksize %d\"\n",
				 c->name, c->boot, ipv4_format(c->address, address),
				 TFTPD_HPA_BLOCKSIZE);
}

/* Its socket unit listens for it. Its own 100 threads stop a rack that boots together. */
int atftpd_format(const struct cluster *c, struct buffer *to)
{
	int r = check_path(c, "atftpd");

	return r ? r
		 : buffer_printf(to,
				 "# /etc/default/atftpd for cluster '%s', written by bpboot config "
				 "atftpd\n"
				 "OPTIONS=\"--maxthread %d --tftpd-timeout 300 --retry-timeout 1 "
				 "%s\"\n",
				 c->name, DNSMASQ_TFTP_MAX, c->boot);
}

/* Ranges and kept connections are nginx's defaults; a node asks for some hundred parts over one. */
int nginx_format(const struct cluster *c, struct buffer *to)
{
	char address[INET_ADDRSTRLEN];
	int r = check_path(c, "nginx");

	return r ? r
		 : buffer_printf(to,
				 "# nginx for cluster '%s', written by bpboot config nginx, for "
				 "/etc/nginx/conf.d\n"
				 "server {\n\tlisten %s:80;\n\troot \"%s\";\n"
				 "\tdefault_type application/octet-stream;\n\tsendfile on;\n"
				 "\tkeepalive_requests 100000;\n"
				 "\tlocation / { limit_except GET { deny all; } }\n"
				 "\t# what is not for nodes: stamps of builds, hidden files\n"
				 "\tlocation ~ (\\.stamp$|/\\.) { return 404; }\n}\n",
				 c->name, ipv4_format(c->address, address), c->boot);
}
