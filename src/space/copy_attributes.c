/*
 * copy_attributes.c - what else belongs to a file: access lists, capabilities, other attributes
 *
 * All of it is extended attributes to the kernel, in a form that is the same on every machine. They
 * come before the end of their file or folder and are kept until then, since some have to be set
 * before the owner and mode, and some behind them. A user who is not root keeps what he may have:
 * access lists and user.*; what is left out is said once.
 *
 * An access list that cannot be kept is an error, and the group then gets nothing: the group's bits
 * of the mode are those of the list's mask, and would let in whom the list did not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "space/copy_internal.h"

#define NAMES_MAX 65536 /* bytes of all names of a file, as the kernel has it */

static bool is_acl(const char *name)
{
	return !strcmp(name, COPY_ACL) || !strcmp(name, COPY_ACL_DEFAULT);
}

/* What a file system, or somebody who is not root, does not keep. */
static void say_once(bool *said, int err, char *name, const char *path)
{
	copy_printable(name);
	if (!*said)
		log_warn(err, "not kept, as others like it: the attribute '%s' of '%s'", name,
			 path);
	*said = true;
}

int copy_attributes_each(int fd, const char *path, bool *said, copy_attribute_fn take, void *owner)
{
	static char names[NAMES_MAX], value[COPY_DATA_MAX];
	ssize_t n = flistxattr(fd, names, sizeof(names));
	size_t sum = 0;
	int r = 0;

	if (n < 0 && errno != EOPNOTSUPP && errno != ENOSYS && !*said) {
		log_warn(-errno, "cannot read the attributes of '%s'", path);
		*said = true;
	}
	for (char *p = names, *next; r == 0 && p < names + n; p = next) {
		ssize_t size;

		next = p + strlen(p) + 1;
		if (!copy_attribute_valid(p))
			continue;
		if (geteuid() != 0 && !is_acl(p) && strncmp(p, "user.", 5) != 0) {
			/* A label is on every file where there are labels at all. */
			if (strcmp(p, "security.selinux") != 0)
				say_once(said, -EPERM, p, path);
			continue;
		}
		size = fgetxattr(fd, p, value, sizeof(value));
		if (size < 0 && errno == ENODATA)
			continue; /* it went meanwhile */
		sum += size < 0 ? 0 : (size_t)size + COPY_NAME_MAX + 4;
		if (size < 0 || sum > COPY_ATTRIBUTES_MAX)
			say_once(said, size < 0 ? -errno : -E2BIG, p, path);
		else
			r = take(owner, p, value, (size_t)size);
	}
	return r;
}

int copy_attributes_keep(struct receiver *rc, const struct copy_record *c)
{
	uint8_t head[4];
	struct writer w = WRITER(head, sizeof(head));
	int r;

	rc->has_acl = rc->has_acl || !strcmp(c->name, COPY_ACL);
	writer_be32(&w, (uint32_t)c->data_n);
	r = buffer_append(&rc->attributes, c->name, strlen(c->name) + 1);
	if (r == 0)
		r = buffer_append(&rc->attributes, head, sizeof(head));
	return r == 0 ? buffer_append(&rc->attributes, c->data, c->data_n) : r;
}

/* Set those of one kind. Return: 0, or what an access list failed with. */
static int set(struct receiver *rc, int fd, const char *name, bool first)
{
	struct reader r = READER(rc->attributes.data, rc->attributes.len);
	int e = 0;

	while (r.left > 0) {
		const char *key = reader_cstr(&r);
		size_t n = reader_be32(&r);
		const uint8_t *value = reader_bytes(&r, n);
		char path[PATH_MAX], shown[COPY_NAME_MAX];

		if (!key || !value)
			break; /* it is ours, and whole */
		if (first != !strncmp(key, "user.", 5) || fsetxattr(fd, key, value, n, 0) == 0)
			continue;
		if (is_acl(key)) {
			e = -errno;
			continue;
		}
		snprintf(shown, sizeof(shown), "%s", key);
		copy_path(rc, name, path);
		copy_printable(path);
		say_once(&rc->said, -errno, shown, path);
	}
	return e;
}

bool copy_attributes_inherited(int folder)
{
	return fgetxattr(folder, COPY_ACL_DEFAULT, NULL, 0) > 0;
}

void copy_attributes_before(struct receiver *rc, int fd, const char *name, bool has_lists)
{
	if (!rc->options->preserve)
		return;
	if (has_lists) { /* there may be none */
		(void)fremovexattr(fd, COPY_ACL);
		(void)fremovexattr(fd, COPY_ACL_DEFAULT);
	}
	(void)!set(rc, fd, name, true); /* no access list is among these */
}

uint32_t copy_attributes_mode(const struct receiver *rc, uint32_t mode)
{
	return rc->has_acl && rc->options->preserve ? mode & ~070u : mode;
}

int copy_attributes_behind(struct receiver *rc, int fd, const char *name)
{
	return rc->options->preserve ? set(rc, fd, name, false) : 0;
}

void copy_attributes_forget(struct receiver *rc)
{
	rc->attributes.len = 0;
	rc->has_acl = false;
}
