/*
 * cluster_servers.c - who serves the boot directory, and what loads it first
 *
 * A server is an address, not a name: firmware and loaders have no resolver. What init is to fetch
 * is one DHCP option with the URLs of all servers in it, so that it can go on with the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/parse.h"
#include "serve/cluster.h"

#define PATH_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+/"

const char *cluster_enrol_name(enum cluster_enrol e)
{
	static const char *const names[CLUSTER_ENROL_MAX_] = {
		[CLUSTER_ENROL_UNSAID] = "",
		[CLUSTER_ENROL_KNOWN] = "known",
		[CLUSTER_ENROL_FIRST] = "first",
		[CLUSTER_ENROL_ACCEPT] = "accept",
	};

	return names[e];
}

enum cluster_enrol cluster_enrol_find(const char *name)
{
	for (int i = CLUSTER_ENROL_UNSAID + 1; i < CLUSTER_ENROL_MAX_; i++) {
		if (!strcmp(name, cluster_enrol_name((enum cluster_enrol)i)))
			return (enum cluster_enrol)i;
	}
	return CLUSTER_ENROL_UNSAID;
}

const char *cluster_loader_name(enum cluster_loader l)
{
	static const char *const names[CLUSTER_LOADER_MAX_] = {
		[CLUSTER_IPXE] = "ipxe",
		[CLUSTER_PXELINUX] = "pxelinux",
		[CLUSTER_GRUB] = "grub",
		[CLUSTER_UKI] = "uki",
	};

	return names[l];
}

int cluster_server_parse(const char *word, struct cluster_server *ret)
{
	struct cluster_server s = { .http = !strncmp(word, "http://", 7), .plain = true };
	char host[INET_ADDRSTRLEN + 8], address[INET_ADDRSTRLEN], tail[16] = "";
	const char *rest = s.http || !strncmp(word, "tftp://", 7) ? word + 7 : word, *path;
	char *colon;
	size_t n = strcspn(rest, "/");
	uint32_t port;
	int len;

	if (n >= sizeof(host))
		return -EBADMSG;
	snprintf(host, sizeof(host), "%.*s", (int)n, rest);
	colon = strchr(host, ':');
	if (colon) {
		*colon = 0;
		if (parse_u32(colon + 1, 1, 65535, &port) < 0)
			return -EBADMSG;
		s.plain = port == (s.http ? 80 : 69);
		if (!s.plain)
			snprintf(tail, sizeof(tail), ":%u", port);
	}
	if (ipv4_parse(host, &s.address) < 0 || !s.address.s_addr)
		return -EBADMSG;
	path = rest + n;
	n = strlen(path);
	while (n > 0 && path[n - 1] == '/')
		n--;
	if (strspn(path, PATH_LETTERS) != strlen(path) || strstr(path, "..") || strstr(path, "//"))
		return -EBADMSG;
	s.plain = s.plain && n == 0;
	len = snprintf(s.url, sizeof(s.url), "%s://%s%s%.*s", s.http ? "http" : "tftp",
		       ipv4_format(s.address, address), tail, (int)n, path);
	if (len >= (int)sizeof(s.url))
		return -EBADMSG;
	*ret = s;
	return 0;
}

int cluster_root(const struct cluster *c, const char *image, char ret[static CLUSTER_ROOT_MAX])
{
	char text[CLUSTER_ROOT_MAX], address[INET_ADDRSTRLEN];
	int n = 0;

	if (c->n_servers == 0)
		n = snprintf(text, sizeof(text), "tftp://%s/%s.index",
			     ipv4_format(c->address, address), image);
	for (size_t i = 0; i < c->n_servers && n < (int)sizeof(text); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s/%s.index", i ? "," : "",
			      c->servers[i].url, image);
	if (n >= (int)sizeof(text))
		return log_err(-EINVAL,
			       "image '%s' on %zu servers is longer than the %d bytes of a DHCP "
			       "option; name fewer servers",
			       image, c->n_servers, CLUSTER_ROOT_MAX - 1);
	memcpy(ret, text, (size_t)n + 1);
	return 0;
}

struct in_addr cluster_boot_server(const struct cluster *c)
{
	for (size_t i = 0; i < c->n_servers; i++) {
		if (!c->servers[i].http && c->servers[i].plain)
			return c->servers[i].address;
	}
	return c->address;
}

const char *cluster_http_base(const struct cluster *c, char ret[static CLUSTER_SERVER_MAX])
{
	char address[INET_ADDRSTRLEN];

	for (size_t i = 0; i < c->n_servers; i++) {
		if (c->servers[i].http) {
			snprintf(ret, CLUSTER_SERVER_MAX, "%s", c->servers[i].url);
			return ret;
		}
	}
	snprintf(ret, CLUSTER_SERVER_MAX, "http://%s", ipv4_format(c->address, address));
	return ret;
}
