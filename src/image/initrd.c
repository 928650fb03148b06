/*
 * initrd.c - the initramfs as an archive (docs/initrd.md)
 *
 * Everything is owned by root, has one time and stands in one order, so that the same input gives
 * the same bytes. Modules are stored as they came from the kernel's build, signatures included,
 * only unpacked: the archive is compressed as a whole, which is smaller than the sum of compressed
 * modules.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "image/elf.h"
#include "image/initrd.h"
#include "image/modindex.h"
#include "wire/newc.h"

#define INITRD_PROGRAM_MAX  (64u << 20) /* of init, of busybox */
#define INITRD_INDEX_MAX    (16u << 20)
#define INITRD_FIRMWARE_MAX (256u << 20) /* of one file */
#define INITRD_PATH_MAX	    NEWC_NAME_MAX

struct maker {
	const struct initrd_spec *spec;
	struct buffer *to;
	uint32_t ino; /* of the entry made last */
	char **dirs;  /* owned; directories that have been made */
	size_t n_dirs;
	struct initrd_sizes sizes;
};

void initrd_sizes_clear(struct initrd_sizes *s)
{
	for (size_t i = 0; i < s->n_missing; i++)
		free(s->missing[i]);
	free(s->missing);
	*s = (struct initrd_sizes){ 0 };
}

static void maker_clear(struct maker *k)
{
	for (size_t i = 0; i < k->n_dirs; i++)
		free(k->dirs[i]);
	free(k->dirs);
	initrd_sizes_clear(&k->sizes);
}

static int add(struct maker *k, const char *name, uint32_t mode, uint32_t rdev_major,
	       uint32_t rdev_minor, const void *data, size_t n)
{
	struct newc e = {
		.ino = ++k->ino,
		.mode = mode,
		.nlink = S_ISDIR(mode) ? 2 : 1,
		.mtime = k->spec->mtime,
		.size = (uint32_t)n,
		.rdev_major = rdev_major,
		.rdev_minor = rdev_minor,
	};
	int r;

	if (strlen(name) >= sizeof(e.name))
		return -ENAMETOOLONG;
	snprintf(e.name, sizeof(e.name), "%s", name);
	r = newc_format(&e, k->to);
	if (r == 0)
		r = buffer_append(k->to, data, n);
	return r == 0 ? newc_pad(k->to) : r;
}

/* Make the directories above @name that have not been made. */
static int add_parents(struct maker *k, const char *name)
{
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *dir = strndup(name, (size_t)(slash - name));
		char **grown;
		size_t i;
		int r;

		if (!dir)
			return -ENOMEM;
		for (i = 0; i < k->n_dirs && strcmp(k->dirs[i], dir); i++)
			;
		if (i < k->n_dirs)
			continue;
		grown = reallocarray(k->dirs, k->n_dirs + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		k->dirs = grown;
		r = add(k, dir, S_IFDIR | 0755, 0, 0, NULL, 0);
		if (r < 0)
			return r;
		k->dirs[k->n_dirs++] = TAKE_PTR(dir);
	}
	return 0;
}

static int add_file(struct maker *k, const char *name, uint32_t mode, const void *data, size_t n)
{
	int r = add_parents(k, name);

	return r == 0 ? add(k, name, S_IFREG | mode, 0, 0, data, n) : r;
}

static int add_node(struct maker *k, const char *name, uint32_t major, uint32_t minor)
{
	int r = add_parents(k, name);

	return r == 0 ? add(k, name, S_IFCHR | 0600, major, minor, NULL, 0) : r;
}

/* A program that runs with nothing else in the archive. */
static int add_program(struct maker *k, const char *name, const char *path, uint64_t *ret_bytes)
{
	_cleanup_buffer_ struct buffer b = BUFFER(INITRD_PROGRAM_MAX);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_elf_ struct elf e = { 0 };
	int r;

	if (fd < 0)
		return log_err(-errno, "cannot open '%s'", path);
	r = elf_read(fd, &e);
	if (r < 0)
		return log_err(r, "'%s' is no program that can go into the initramfs", path);
	if (e.interpreter)
		return log_err(-EINVAL,
			       "'%s' is linked dynamically; the initramfs needs a static program",
			       path);
	r = file_read(AT_FDCWD, path, &b);
	if (r < 0)
		return log_err(r, "cannot read '%s'", path);
	*ret_bytes = b.len;
	return add_file(k, name, 0755, b.data, b.len);
}

static int add_keys(struct maker *k)
{
	for (size_t i = 0; i < k->spec->n_keys; i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
		char name[INITRD_PATH_MAX] = "etc/bpboot/sign.pub";
		int r = minisign_key_format(&k->spec->keys[i], &b);

		if (i > 0)
			snprintf(name, sizeof(name), "etc/bpboot/sign%zu.pub", i + 1);
		if (r == 0)
			r = add_file(k, name, 0644, b.data, b.len);
		if (r < 0)
			return r;
		k->sizes.keys += b.len;
	}
	return 0;
}

static int add_min_counter(struct maker *k)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)k->spec->min_counter);

	return k->spec->min_counter ? add_file(k, "etc/bpboot/min-counter", 0644, text, (size_t)n)
				    : 0;
}

static int add_modules(struct maker *k, struct modules *m, const struct driverset *set)
{
	_cleanup_buffer_ struct buffer index = BUFFER(INITRD_INDEX_MAX);
	int r = modindex_format(m, set, &index);

	if (r == 0)
		r = add_file(k, "lib/bpboot/modules.index", 0644, index.data, index.len);
	k->sizes.index = index.len;
	for (size_t i = 0; r == 0 && i < set->all.n; i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(MODULES_BYTES_MAX);
		char name[INITRD_PATH_MAX];

		snprintf(name, sizeof(name), "lib/bpboot/modules/%s.ko", set->all.items[i]->name);
		r = modules_read(set->all.items[i], &b);
		if (r == 0)
			r = add_file(k, name, 0644, b.data, b.len);
		k->sizes.modules += b.len;
	}
	return r;
}

static int string_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every firmware name of every module, sorted, each once. Caller frees the list, not the names. */
static int firmware_names(struct modules *m, const struct driverset *set, const char ***ret,
			  size_t *ret_n)
{
	_cleanup_free_ const char **names = NULL;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < set->all.n; i++) {
		const struct module_info *info;
		int r = modules_info(m, set->all.items[i], &info);

		for (const char **f = r == 0 ? info->firmware : NULL; f && *f; f++) {
			const char **grown = reallocarray(names, n + 1, sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			names = grown;
			names[n++] = *f;
		}
		if (r < 0)
			return r;
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), string_compare);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || strcmp(names[kept - 1], names[i]))
			names[kept++] = names[i];
	}
	*ret = TAKE_PTR(names);
	*ret_n = kept;
	return 0;
}

/*
 * The file called @name, or its packed form, which the kernel unpacks itself. Return: 0 or -ENOENT.
 */
static int add_firmware_file(struct maker *k, const char *name)
{
	static const char *const ends[] = { "", ".xz", ".zst" };

	for (size_t i = 0; k->spec->firmware_dir && i < ARRAY_SIZE(ends); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(INITRD_FIRMWARE_MAX);
		_cleanup_free_ char *path = NULL;
		char inside[INITRD_PATH_MAX];
		int r;

		if (asprintf(&path, "%s/%s%s", k->spec->firmware_dir, name, ends[i]) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = file_read(AT_FDCWD, path, &b);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return log_err(r, "cannot read firmware '%s'", path);
		snprintf(inside, sizeof(inside), "lib/firmware/%s%s", name, ends[i]);
		k->sizes.firmware += b.len;
		k->sizes.n_firmware++;
		return add_file(k, inside, 0644, b.data, b.len);
	}
	return -ENOENT;
}

static int add_firmware(struct maker *k, struct modules *m, const struct driverset *set)
{
	_cleanup_free_ const char **names = NULL;
	size_t n = 0;
	int r = firmware_names(m, set, &names, &n);

	if (r == 0 && n > 0) {
		k->sizes.missing = calloc(n, sizeof(*k->sizes.missing));
		if (!k->sizes.missing)
			return -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = add_firmware_file(k, names[i]);
		if (r != -ENOENT)
			continue;
		k->sizes.missing[k->sizes.n_missing] = strdup(names[i]);
		r = k->sizes.missing[k->sizes.n_missing++] ? 0 : -ENOMEM;
	}
	return r;
}

static int make_all(struct maker *k, struct modules *m, const struct driverset *set)
{
	const struct initrd_spec *s = k->spec;
	int r = add_node(k, "dev/console", 5, 1);

	if (r == 0)
		r = add_node(k, "dev/kmsg", 1, 11);
	if (r == 0)
		r = add_node(k, "dev/null", 1, 3);
	if (r == 0)
		r = add_program(k, "init", s->init_path, &k->sizes.init);
	if (r == 0)
		r = add_keys(k);
	if (r == 0)
		r = add_min_counter(k);
	if (r == 0)
		r = add_modules(k, m, set);
	if (r == 0)
		r = add_firmware(k, m, set);
	if (r == 0 && s->shell_path)
		r = add_program(k, "bin/sh", s->shell_path, &k->sizes.shell);
	return r == 0 ? add(k, NEWC_TRAILER, 0, 0, 0, NULL, 0) : r;
}

int initrd_make(const struct initrd_spec *spec, struct modules *m, const struct driverset *set,
		struct buffer *to, struct initrd_sizes *ret)
{
	_cleanup_(maker_clear) struct maker k = { .spec = spec, .to = to };
	int r = make_all(&k, m, set);

	if (r == -E2BIG)
		return log_err(r, "the initramfs is larger than %u bytes", INITRD_BYTES_MAX);
	if (r < 0)
		return r;
	*ret = k.sizes;
	k.sizes = (struct initrd_sizes){ 0 };
	return 0;
}
