/*
 * initrd.c - bpboot initrd: the initramfs of the nodes, and the kernel beside it
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/minimal.h"
#include "cli/where.h"
#include "image/compress.h"
#include "image/initrd.h"
#include "image/microcode.h"
#include "image/rootset.h"

#define XZ_FROM_BYTES (24u << 20) /* of an archive, before compression */
#define INITRD_FILE	  "initrd.img" /* names in the boot directory */
#define INITRD_KERNEL	  "vmlinuz"
#define INITRD_KERNEL_MAX (256u << 20)
#define INITRD_SHELL	  "/bin/busybox"
#define INITRD_LIST_WIDTH 100
#define INITRD_NAMES_MAX  65536 /* bytes of names of modules */

struct options {
	struct keys_option keys; /* first, for keys_take() */
	const char *kernel, *modules, *compress, *output, *boot, *init, *firmware, *root;
	const char *microcode, *minimal, *cluster;
	uint64_t min_counter, level;
	bool shell, quiet;
};

static const struct option_row rows[] = {
	{ .name = "kernel",
	  .letter = 'k',
	  .type = OPTION_STRING,
	  .arg = "KERNEL",
	  .help = "version below /lib/modules, or an unpacked kernel package (the kernel that "
		  "runs)",
	  .offset = offsetof(struct options, kernel) },
	{ .name = "modules",
	  .letter = 'm',
	  .type = OPTION_STRING,
	  .arg = "SET",
	  .help = "net: every wired card; virtual: of virtual machines; or names, with commas "
		  "(net)",
	  .offset = offsetof(struct options, modules) },
	{ .name = "root",
	  .letter = 'r',
	  .type = OPTION_STRING,
	  .arg = "KINDS",
	  .help = "roots that nodes can have, with commas: " ROOTSET_KINDS " (ext2,cpio)",
	  .offset = offsetof(struct options, root) },
	{ .name = "compress",
	  .letter = 'c',
	  .type = OPTION_STRING,
	  .arg = "KIND",
	  .help = "zstd, xz, gzip or none (zstd; xz from 24 MiB on)",
	  .offset = offsetof(struct options, compress) },
	{ .name = "level",
	  .letter = 'l',
	  .type = OPTION_U64,
	  .arg = "N",
	  .help = "level of compression (zstd 18, xz 6, gzip 9)",
	  .min = 1,
	  .max = 19,
	  .offset = offsetof(struct options, level) },
	{ .name = "output",
	  .letter = 'o',
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "write the initramfs there, and nothing to the boot directory",
	  .offset = offsetof(struct options, output) },
	{ .name = "boot",
	  .letter = 'b',
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "the boot directory (/srv/bpboot; BPBOOT_DIR overrides)",
	  .offset = offsetof(struct options, boot) },
	{ .name = "key",
	  .type = OPTION_CALL,
	  .arg = "FILE",
	  .help = "public key whose images nodes accept (/etc/bpboot/sign.pub); again for more",
	  .call = keys_take },
	{ .name = "min-counter",
	  .type = OPTION_U64,
	  .arg = "N",
	  .help = "nodes refuse an index with a lower counter",
	  .min = 1,
	  .max = INT64_MAX,
	  .offset = offsetof(struct options, min_counter) },
	{ .name = "firmware",
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "put in what drivers ask for and DIR holds, like /lib/firmware (none)",
	  .offset = offsetof(struct options, firmware) },
	{ .name = "microcode",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "updates of the processors go in front: a file, a directory like /lib/firmware, "
		  "or auto",
	  .offset = offsetof(struct options, microcode) },
	{ .name = "minimal",
	  .type = OPTION_STRING,
	  .arg = "NODES",
	  .help = "only the modules that these nodes loaded in their last boot",
	  .offset = offsetof(struct options, minimal) },
	{ .name = "cluster",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "the cluster file, for --minimal (" MINIMAL_CLUSTER ")",
	  .offset = offsetof(struct options, cluster) },
	{ .name = "shell",
	  .type = OPTION_FLAG,
	  .help = "put in a shell for rd.shell (" INITRD_SHELL ", static)",
	  .offset = offsetof(struct options, shell) },
	{ .name = "init",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "static program to be /init (bpboot's own)",
	  .offset = offsetof(struct options, init) },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = OPTION_FLAG,
	  .help = "print no table",
	  .offset = offsetof(struct options, quiet) },
	{ 0 },
};

static int source_date(uint32_t *ret)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	*ret = 0;
	if (!epoch || parse_u32(epoch, 0, UINT32_MAX, ret) == 0)
		return 0;
	return log_err(-EINVAL, "SOURCE_DATE_EPOCH '%s': expected seconds since 1970", epoch);
}

static void print_names(const char *first, const char *const *names, size_t n)
{
	int width = printf("%s", first);

	for (size_t i = 0; i < n; i++) {
		if (width + (int)strlen(names[i]) + 1 > INITRD_LIST_WIDTH)
			width = printf("\n%*s", 2, "") - 1;
		width += printf(" %s", names[i]);
	}
	printf("\n");
}

static int print_modules(const struct driverset *set)
{
	_cleanup_free_ const char **names = calloc(set->all.n + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < set->all.n; i++)
		names[i] = set->all.items[i]->name;
	print_names("modules:", names, set->all.n);
	return 0;
}

static void row(const char *what, uint64_t bytes, size_t n)
{
	printf("%12llu  %s", (unsigned long long)bytes, what);
	if (n > 0)
		printf(" (%zu)", n);
	printf("\n");
}

static int print_table(const struct modules *m, const struct driverset *set,
		       const struct initrd_sizes *s, uint64_t raw, uint64_t packed,
		       uint64_t early, enum compress_kind kind, uint64_t took_us)
{
	char size[FORMAT_SIZE_MAX];
	int r;

	printf("initramfs for kernel %s\n\n%12s  what\n", modules_version(m), "bytes");
	row("init", s->init, 0);
	if (s->shell)
		row("shell", s->shell, 0);
	row("modules", s->modules, set->all.n);
	row("modules.index", s->index, 0);
	row("public keys", s->keys, 0);
	if (s->n_firmware)
		row("firmware", s->firmware, s->n_firmware);
	row("archive", raw, 0);
	row(kind == COMPRESS_NONE ? "not compressed" : compress_name(kind), packed - early, 0);
	if (early)
		row("microcode, in front", early, 0);
	printf("\n");
	r = print_modules(set);
	if (s->n_missing)
		print_names(
			"firmware that drivers may ask for and that is not in (--firmware DIR):",
			(const char *const *)s->missing, s->n_missing);
	printf("%s in %.2f s\n", format_size(packed, size), (double)took_us / 1e6);
	return r;
}

/* The kernel goes beside the initramfs, unless it is there already. */
static int publish_kernel(int dirfd, const struct modules *m)
{
	_cleanup_buffer_ struct buffer b = BUFFER(INITRD_KERNEL_MAX),
				       old = BUFFER(INITRD_KERNEL_MAX);
	const char *path = modules_vmlinuz(m);
	int r;

	if (!path) {
		log_warn(0,
			 "no vmlinuz of kernel %s was found: put it into the boot directory "
			 "yourself",
			 modules_version(m));
		return 0;
	}
	r = file_read(AT_FDCWD, path, &b);
	if (r < 0)
		return log_err(r, "cannot read kernel '%s'", path);
	if (file_read(dirfd, INITRD_KERNEL, &old) == 0 && old.len == b.len &&
	    !memcmp(old.data, b.data, b.len))
		return 0;
	r = file_write(dirfd, INITRD_KERNEL, b.data, b.len, 0644);
	return r < 0 ? log_err(r, "cannot write '%s' to the boot directory", INITRD_KERNEL) : 0;
}

static int write_out(const struct options *o, const struct modules *m, const struct buffer *packed)
{
	const char *dir = o->boot ? o->boot : where_boot_dir();
	_cleanup_close_ int fd = FD_NONE;
	int r;

	if (o->output) {
		r = file_write(AT_FDCWD, o->output, packed->data, packed->len, 0644);
		return r < 0 ? log_err(r, "cannot write '%s'", o->output) : 0;
	}
	r = path_mkdirs(AT_FDCWD, dir, 0755);
	fd = r < 0 ? FD_NONE : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return log_err(r < 0 ? r : -errno, "cannot open boot directory '%s'", dir);
	r = publish_kernel(fd, m);
	if (r == 0) {
		r = file_write(fd, INITRD_FILE, packed->data, packed->len, 0644);
		if (r < 0)
			log_err(r, "cannot write '%s/%s'", dir, INITRD_FILE);
	}
	return r;
}

static int put_microcode(const struct options *o, uint32_t mtime, struct buffer *to)
{
	_cleanup_microcode_ struct microcode m = MICROCODE();
	int r = microcode_load(o->microcode, &m);

	if (r == 0) {
		r = microcode_archive(&m, mtime, to);
		if (r < 0)
			log_err(r, "cannot put microcode in front of the initramfs");
	}
	return r;
}

/* The drivers for hardware, and what the roots need. */
static int choose(const struct options *o, const char *minimal, struct modules *m,
		  struct driverset *ret)
{
	_cleanup_buffer_ struct buffer names = BUFFER(INITRD_NAMES_MAX);
	int r = buffer_printf(&names, "%s", minimal ? minimal : o->modules ? o->modules : "net");

	if (r == 0 && o->root)
		r = rootset_modules(m, o->root, &names);
	return r < 0 ? r : driverset_make(m, buffer_str(&names), ret);
}

/*
 * What nobody chose: zstd, which is unpacked in no time, and xz for what is large (drivers of every
 * card), where its tenth less is worth more to the loaders and the boot server that carry it.
 */
static enum compress_kind kind_for(const struct options *o, size_t n)
{
	return n >= XZ_FROM_BYTES && !o->level ? COMPRESS_XZ : COMPRESS_ZSTD;
}

static int build(const struct options *o, const struct initrd_spec *spec, enum compress_kind kind)
{
	_cleanup_buffer_ struct buffer raw = BUFFER(INITRD_BYTES_MAX),
				       packed = BUFFER(2 * (size_t)INITRD_BYTES_MAX);
	_cleanup_initrd_sizes_ struct initrd_sizes sizes = { 0 };
	_cleanup_driverset_ struct driverset set = { 0 };
	size_t early;
	_cleanup_modules_ struct modules *m = NULL;
	_cleanup_free_ char *minimal = NULL;
	uint64_t start = clock_us();
	int r = modules_open(o->kernel, &m);

	if (r == 0 && o->minimal)
		r = minimal_modules(o->minimal, o->cluster, o->modules, &minimal);
	if (r == 0)
		r = choose(o, minimal, m, &set);
	if (r == 0)
		r = initrd_make(spec, m, &set, &raw, &sizes);
	if (r == 0 && o->microcode)
		r = put_microcode(o, spec->mtime, &packed);
	early = packed.len;
	if (kind == COMPRESS_KIND_MAX_)
		kind = kind_for(o, raw.len);
	if (r == 0)
		r = compress_buffer(kind, (int)o->level, &raw, &packed);
	if (r == 0)
		r = write_out(o, m, &packed);
	if (r == 0 && !o->quiet)
		r = print_table(m, &set, &sizes, raw.len, packed.len, early, kind,
				clock_us() - start);
	return r;
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	struct minisign_key keys[KEYS_MAX];
	_cleanup_free_ char *init = NULL;
	struct initrd_spec spec = {
		.shell_path = o->shell ? INITRD_SHELL : NULL,
		.firmware_dir = o->firmware,
		.keys = keys,
		.min_counter = o->min_counter,
	};
	enum compress_kind kind = COMPRESS_KIND_MAX_; /* not told */
	int r = source_date(&spec.mtime);

	if (o->compress && compress_parse(o->compress, &kind) < 0) {
		log_err(0, "--compress '%s': expected zstd, xz, gzip or none", o->compress);
		return command_usage(&cmd_initrd, "bpboot ");
	}
	if (r == 0)
		r = keys_load(&o->keys, keys, &spec.n_keys);
	if (r == 0 && !o->init)
		r = where_program("init", &init);
	spec.init_path = o->init ? o->init : init;
	return r < 0 ? r : build(o, &spec, kind);
}

const struct command cmd_initrd = {
	.name = "initrd",
	.args = "",
	.summary = "build the initramfs that nodes boot with",
	.details = "Without --output the initramfs goes into the boot directory as initrd.img, and "
		   "the kernel beside it\n"
		   "as vmlinuz. The same input gives the same bytes; times are SOURCE_DATE_EPOCH, "
		   "or 0.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.run = run,
};
