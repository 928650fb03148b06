/*
 * nfsroot.c - where an NFS root is: text to struct and back
 *
 * The kernel's own syntax (its nfsroot documentation), dracut's, which has a colon before the
 * options, and a URL's. What the options mean is left to the kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/nfsroot.h"

#define PREFIX	   "nfs:"
#define PREFIX4	   "nfs4:"
#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define V6_CHARS   "abcdefABCDEF0123456789:."

bool nfsroot_is_meant(const char *text)
{
	return text &&
	       (!strncmp(text, PREFIX, strlen(PREFIX)) || !strncmp(text, PREFIX4, strlen(PREFIX4)));
}

/* The first @n bytes of @s. Return: 0 or -EINVAL when they are too many. */
static int take(const char *s, size_t n, char *to, size_t size)
{
	if (n >= size)
		return -EINVAL;
	memcpy(to, s, n);
	to[n] = 0;
	return 0;
}

/* The server at *p, and *p behind what ends it. */
static int take_server(const char **p, char to[static NFSROOT_SERVER_MAX])
{
	const char *s = *p;
	bool url = s[0] == '/' && s[1] == '/', v6;
	size_t n;

	to[0] = 0;
	if (s[0] == '/' && !url)
		return 0;
	s += url ? 2 : 0;
	v6 = s[0] == '[';
	s += v6;
	n = strspn(s, v6 ? V6_CHARS : HOST_CHARS);
	if (n == 0 || take(s, n, to, NFSROOT_SERVER_MAX) < 0)
		return -EINVAL;
	s += n;
	if (v6 && *s++ != ']')
		return -EINVAL;
	if (*s != (url ? '/' : ':'))
		return -EINVAL;
	*p = s + !url;
	return 0;
}

int nfsroot_parse(const char *text, struct nfsroot *ret, const char **ret_why)
{
	struct nfsroot n = { .only4 = !strncmp(text, PREFIX4, strlen(PREFIX4)) };
	const char *p = text;
	size_t len;

	*ret_why = "expected nfs:[SERVER:]/PATH[,OPTIONS]";
	if (nfsroot_is_meant(p))
		p = strchr(p, ':') + 1;
	if (take_server(&p, n.server) < 0 || *p != '/')
		return -EINVAL;
	len = strcspn(p, ",:");
	*ret_why = "path or options are too long";
	if (take(p, len, n.path, sizeof(n.path)) < 0)
		return -EINVAL;
	p += len + (p[len] != 0);
	if (take(p, strlen(p), n.options, sizeof(n.options)) < 0)
		return -EINVAL;
	*ret = n;
	return 0;
}

const char *nfsroot_format(const struct nfsroot *n, char ret[static NFSROOT_TEXT_MAX])
{
	bool v6 = strchr(n->server, ':') != NULL;

	/* A path that begins with two slashes would be a server's name without one. */
	snprintf(ret, NFSROOT_TEXT_MAX, "%s%s%s%s%s%s%s%s", n->only4 ? PREFIX4 : PREFIX,
		 v6 ? "[" : "", n->server, v6 ? "]" : "", n->server[0] ? ":" : "", n->path,
		 n->options[0] ? "," : "", n->options);
	return ret;
}

bool nfsroot_names_version(const struct nfsroot *n)
{
	for (const char *p = n->options; *p;) {
		size_t len = strcspn(p, ",");

		if (!strncmp(p, "vers=", 5) || !strncmp(p, "nfsvers=", 8) ||
		    (len >= 2 && p[0] == 'v' && p[1] >= '2' && p[1] <= '4'))
			return true;
		p += len + (p[len] == ',');
	}
	return false;
}

int nfsroot_expand(struct nfsroot *n, const char *name)
{
	char whole[NFSROOT_PATH_MAX];
	char *at = strstr(n->path, "%s");

	if (!at)
		return 0;
	if ((size_t)snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(at - n->path), n->path, name,
			     at + 2) >= sizeof(whole))
		return -ENAMETOOLONG;
	memcpy(n->path, whole, sizeof(whole));
	return 0;
}
