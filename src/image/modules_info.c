/*
 * modules_info.c - what each module says of itself
 *
 * libkmod reads a module's .modinfo section: `depends` names what the linker of the kernel build
 * found it to need, `softdep` what it asks for besides. Which kinds of packed modules libkmod reads
 * depends on how it was built (Debian's knows no gzip), so it gets them unpacked, in memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/modules_internal.h"

#define INFO_WORD_MAX 512 /* bytes of a value with NUL; longer ones are of no use here */

static void strings_clear(const char ***list)
{
	for (const char **p = *list; p && *p; p++)
		free((char *)*p);
	free(*list);
	*list = NULL;
}

void module_info_clear(struct module_info *i)
{
	strings_clear(&i->depends);
	strings_clear(&i->softdep_pre);
	strings_clear(&i->softdep_post);
	strings_clear(&i->aliases);
	strings_clear(&i->firmware);
}

/* Append the first @n bytes of @s; the list is as long as its end says. */
static int strings_add(const char ***list, const char *s, size_t n)
{
	size_t len = 0;
	const char **grown;

	while (*list && (*list)[len])
		len++;
	if (!*list ||
	    (len & (len + 1)) == 0) { /* full at 1, 3, 7, ...: with its end a power of two */
		grown = reallocarray(*list, 2 * (len + 1), sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		*list = grown;
	}
	(*list)[len] = strndup(s, n);
	(*list)[len + 1] = NULL;
	return (*list)[len] ? 0 : -ENOMEM;
}

/* Words of @s between any of @seps. */
static int strings_split(const char ***list, const char *s, const char *seps)
{
	int r = 0;

	for (s += strspn(s, seps); r == 0 && *s; s += strspn(s, seps)) {
		size_t n = strcspn(s, seps);

		r = strings_add(list, s, n);
		s += n;
	}
	return r;
}

/* "pre: a b post: c" */
static int take_softdep(struct module_info *i, const char *s)
{
	const char ***list = NULL;
	int r = 0;

	for (s += strspn(s, " \t"); r == 0 && *s; s += strspn(s, " \t")) {
		size_t n = strcspn(s, " \t");

		if (n == 4 && !strncmp(s, "pre:", n))
			list = &i->softdep_pre;
		else if (n == 5 && !strncmp(s, "post:", n))
			list = &i->softdep_post;
		else if (list)
			r = strings_add(list, s, n);
		s += n;
	}
	return r;
}

static int take_value(struct module_info *i, const char *key, const char *value)
{
	if (strlen(value) >= INFO_WORD_MAX)
		return 0;
	if (!strcmp(key, "depends"))
		return strings_split(&i->depends, value, ",");
	if (!strcmp(key, "softdep"))
		return take_softdep(i, value);
	if (!strcmp(key, "alias"))
		return strings_add(&i->aliases, value, strlen(value));
	if (!strcmp(key, "firmware"))
		return strings_add(&i->firmware, value, strlen(value));
	return 0;
}

static void kmod_module_unrefp(struct kmod_module **m)
{
	if (*m)
		kmod_module_unref(*m);
}

/* The unpacked bytes as a file in memory. */
static int unpack(const struct module *mod, int *ret_fd)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MODULES_BYTES_MAX);
	_cleanup_close_ int fd = memfd_create("module", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : modules_read(mod, &b);

	for (size_t done = 0; r == 0 && done < b.len;) {
		ssize_t n = write(fd, b.data + done, b.len - done);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n > 0)
			done += (size_t)n;
	}
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int read_info(struct modules *m, struct module_entry *e)
{
	_cleanup_(kmod_module_unrefp) struct kmod_module *k = NULL;
	_cleanup_close_ int fd = FD_NONE;
	struct kmod_list *list = NULL, *at;
	const char *path = e->pub.path;
	char unpacked[sizeof("/proc/self/fd/-2147483648")];
	int r = 0;

	if (!modules_loose(&e->pub)) {
		r = unpack(&e->pub, &fd);
		snprintf(unpacked, sizeof(unpacked), "/proc/self/fd/%d", fd);
		path = unpacked;
	}
	if (r == 0)
		r = kmod_module_new_from_path(m->kmod, path, &k);
	if (r == 0)
		r = kmod_module_get_info(k, &list);
	if (r < 0) {
		log_err(r, "cannot read what module '%s' needs", e->pub.path);
		return -EBADMSG;
	}
	r = 0;
	kmod_list_foreach(at, list)
	{
		if (r == 0)
			r = take_value(&e->info, kmod_module_info_get_key(at),
				       kmod_module_info_get_value(at));
	}
	kmod_module_info_free_list(list);
	e->known = r == 0;
	return r;
}

int modules_info(struct modules *m, const struct module *mod, const struct module_info **ret)
{
	struct module_entry *e = (struct module_entry *)mod; /* pub is its first member */
	int r = e->known ? 0 : read_info(m, e);

	if (r == 0)
		*ret = &e->info;
	return r;
}
