/*
 * root.c - where the index of the image is
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/boot.h"
#include "init/root.h"

#define HINT "set root=tftp://SERVER/NAME.index on the kernel command line"

/* What loaders' examples pass for any initramfs; it means "the initramfs knows". */
bool root_means_nothing(const char *root)
{
	return !root || !strcmp(root, "/dev/ram0") || !strcmp(root, "/dev/ram");
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n >= k && !strcmp(s + n - k, suffix);
}

/* "tftp:///PATH" becomes a URL at @server, "PATH" likewise; a whole URL stays. */
static int complete(const char *what, const char *text, struct in_addr server,
		    struct fetch_url *ret, char why[static ROOT_WHY_MAX])
{
	static const char empty_host[] = "tftp:///";
	char url[FETCH_URL_MAX], address[INET_ADDRSTRLEN];
	const char *path = NULL, *expected;
	int r;

	if (!strncmp(text, empty_host, strlen(empty_host)))
		path = text + strlen(empty_host);
	else if (!strstr(text, "://"))
		path = text + (text[0] == '/');
	if (path && server.s_addr == 0) {
		snprintf(why, ROOT_WHY_MAX,
			 "%s '%s' names no server and the DHCP answer no boot server "
			 "(next-server); " HINT,
			 what, text);
		return -EDESTADDRREQ;
	}
	if (path && (size_t)snprintf(url, sizeof(url), "tftp://%s/%s", ipv4_format(server, address),
				     path) >= sizeof(url)) {
		snprintf(why, ROOT_WHY_MAX, "%s is longer than %d bytes", what, FETCH_URL_MAX - 1);
		return -EINVAL;
	}
	r = fetch_url_parse(path ? url : text, ret, &expected);
	if (r < 0)
		snprintf(why, ROOT_WHY_MAX, "%s '%.100s' cannot be used: %s", what, text,
			 r == -EINVAL ? expected : "only tftp:// and http:// are known");
	return r < 0 ? -EINVAL : 0;
}

int root_decide(const char *root, const struct dhcp_lease *lease, struct fetch_url *ret,
		char why[static ROOT_WHY_MAX])
{
	if (!root_means_nothing(root)) {
		if (!strstr(root, "://")) {
			snprintf(why, ROOT_WHY_MAX,
				 "root=%.100s is neither a URL nor a disk; expected "
				 "root=tftp://SERVER/NAME.index, nfs:SERVER:/PATH, "
				 "/dev/NAME, LABEL=NAME or UUID=NUMBER",
				 root);
			return -EINVAL;
		}
		return complete("root=", root, lease->next_server, ret, why);
	}
	if (lease->root_path[0])
		return complete("the DHCP root-path", lease->root_path, lease->next_server, ret,
				why);
	if (lease->next_server.s_addr == 0) {
		snprintf(why, ROOT_WHY_MAX,
			 "the answer names no boot server (next-server) and no root-path; " HINT);
		return -EDESTADDRREQ;
	}
	if (has_suffix(lease->boot_file, ".index"))
		return complete("the DHCP boot file", lease->boot_file, lease->next_server, ret,
				why);
	snprintf(why, ROOT_WHY_MAX,
		 "the answer names no image: root-path (option 17) is missing and the boot file is "
		 "'%.80s', "
		 "not a NAME.index; " HINT,
		 lease->boot_file);
	return -ENOENT;
}

/* Where the next URL of a list begins: behind a comma that a scheme follows. Or the end. */
static const char *url_end(const char *s)
{
	while (*s && !(s[0] == ',' &&
		       (!strncmp(s + 1, "tftp://", 7) || !strncmp(s + 1, "http://", 7))))
		s++;
	return s;
}

int root_decide_all(const char *root, const struct dhcp_lease *lease,
		    struct fetch_url ret[static FETCH_SERVERS_MAX], size_t *ret_n,
		    char why[static ROOT_WHY_MAX])
{
	struct dhcp_lease one = *lease;
	bool by_dhcp = root_means_nothing(root);
	const char *p = by_dhcp ? lease->root_path : root;
	char text[FETCH_URL_MAX];
	size_t n = 0;
	int r;

	do {
		const char *end = url_end(p);

		if (n == FETCH_SERVERS_MAX) {
			snprintf(why, ROOT_WHY_MAX, "more than %d servers are named",
				 FETCH_SERVERS_MAX);
			return -E2BIG;
		}
		snprintf(text, sizeof(text), "%.*s", (int)MIN(end - p, FETCH_URL_MAX), p);
		if (by_dhcp)
			snprintf(one.root_path, sizeof(one.root_path), "%.*s",
				 (int)sizeof(one.root_path) - 1, text);
		r = root_decide(by_dhcp ? NULL : text, &one, &ret[n], why);
		if (r < 0)
			return r;
		n++;
		p = end + (*end == ',');
	} while (*p);
	*ret_n = n;
	return 0;
}

/* Who hears of this boot: whom the command line names, else the boot server, else who gave the
 * address. */
void connect_reporter(struct boot *b, bool have_url)
{
	const struct cmdline *c = &b->cmdline;
	char text[IP_STR_MAX];
	struct ipaddr to;
	int r;

	if (c->have_log || c->have_master)
		to = c->have_log ? c->log : c->master;
	else if (have_url)
		to = b->url.host;
	else
		to = ip_from_v4(b->lease.next_server.s_addr ? b->lease.next_server
							    : b->lease.server_id);
	if (!ip_is_set(&to))
		return;
	r = reporter_connect(&b->reporter, &to,
			     c->have_log && c->log_port ? c->log_port : REPORTER_PORT);
	if (r < 0)
		stage_warn(b, REPORT_DHCP, "cannot report to %s: %s", ip_format(&to, text),
			   strerror(-r));
}

/* Find the servers that have names; those that are not found are left out, if there are others. */
static int resolve_all(struct boot *b)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < b->n_urls; i++) {
		r = resolve_url(b, &b->urls[i]);
		if (r == 0)
			b->urls[n++] = b->urls[i];
	}
	b->n_urls = n;
	return n ? 0 : r;
}

int root_stage(struct boot *b)
{
	char why[ROOT_WHY_MAX] = "", url[FETCH_URL_MAX], server[INET_ADDRSTRLEN];
	const char *root = b->cmdline.root;
	int r;

	if (nfs_is_meant(b))
		return nfs_stage(b);
	if (root_means_nothing(root) && has_suffix(b->lease6.boot_url, ".index"))
		root = b->lease6.boot_url;
	r = root_decide_all(root, &b->lease, b->urls, &b->n_urls, why);
	if (r == 0)
		r = resolve_all(b);
	if (r < 0 && !*why) /* said */
		return r;

	if (r == 0)
		b->url = b->urls[0];
	connect_reporter(b, r == 0);
	if (r < 0 && b->lease.server_id.s_addr)
		return stage_fail(b, REPORT_DHCP, r, "%s: DHCP server %s: %s", b->link.name,
				  ipv4_format(b->lease.server_id, server), why);
	if (r < 0)
		return stage_fail(b, REPORT_DHCP, r, "%s", why);
	stage_begin(b, REPORT_INDEX, b->n_urls > 1 ? "%s and %zu more" : "%s",
		    fetch_url_format(&b->url, url), b->n_urls - 1);
	return 0;
}
