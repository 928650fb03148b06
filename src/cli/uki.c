/*
 * uki.c - bpboot uki: kernel, initrd and command line as one signed file that firmware boots
 *
 * What goes in is said by options, or by the cluster file: the kernel and initrd that nodes are
 * served, and their command line. The image is written only when it is complete and its signature
 * is that of the certificate.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/where.h"
#include "image/uki.h"
#include "serve/cluster.h"
#include "serve/firmware.h"
#include "serve/ipxe.h"

#define STUB_FILE   "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
#define OUTPUT_FILE FIRMWARE_UKI

struct options {
	const char *cluster, *kernel, *initrd, *cmdline, *stub, *key, *cert, *output;
	bool no_sign, quiet;
};

/* The files, where the options do not say them. */
struct files {
	struct cluster cluster;
	char *kernel, *initrd, *output;
	struct buffer cmdline;
};

static void files_clear(struct files *f)
{
	cluster_clear(&f->cluster);
	free(f->kernel);
	free(f->initrd);
	free(f->output);
	buffer_clear(&f->cmdline);
}

static int choose(const char *option, const char *dir, const char *name, char **ret)
{
	if (!option)
		return path_join(dir, name, ret);
	*ret = strdup(option);
	return *ret ? 0 : -ENOMEM;
}

static int gather(const struct options *o, struct files *f)
{
	const char *dir = where_boot_dir(), *kernel = "vmlinuz", *initrd = "initrd.img";
	const char *words;
	int r = 0;

	if (o->cluster) {
		r = cluster_load(o->cluster, &f->cluster);
		if (r < 0)
			return r;
		dir = f->cluster.boot;
		kernel = f->cluster.kernel;
		initrd = f->cluster.initrd;
		r = ipxe_cmdline(&f->cluster, &f->cmdline);
	}
	if (r == 0 && o->cmdline)
		r = buffer_printf(&f->cmdline, " %s", o->cmdline);
	words = buffer_str(&f->cmdline);
	if (r == 0)
		buffer_consume(&f->cmdline, strspn(words, " "));
	if (r == 0)
		r = choose(o->kernel, dir, kernel, &f->kernel);
	if (r == 0)
		r = choose(o->initrd, dir, initrd, &f->initrd);
	if (r == 0)
		r = choose(o->output, dir, OUTPUT_FILE, &f->output);
	return r < 0 ? log_err(r, "cannot tell what goes in") : 0;
}

static int run(void *options, int argc, char **argv)
{
	const struct options *o = options;
	_cleanup_(files_clear) struct files f = { .cmdline = BUFFER(2 * UKI_CMDLINE_MAX) };
	_cleanup_buffer_ struct buffer image = BUFFER(PE_BYTES_MAX), whole = BUFFER(PE_BYTES_MAX);
	const struct buffer *made = o->no_sign ? &image : &whole;
	struct uki_spec spec = { .stub = o->stub };
	int r;

	if (o->no_sign ? o->key || o->cert : !o->key || !o->cert) {
		log_err(0, "expected --key and --cert, which sign it, or --no-sign");
		return COMMAND_USAGE;
	}
	r = gather(o, &f);
	if (r < 0)
		return r;
	spec.kernel = f.kernel;
	spec.initrd = f.initrd;
	spec.cmdline = buffer_str(&f.cmdline);
	r = uki_make(&spec, &image);
	if (r == 0 && !o->no_sign)
		r = uki_sign(&image, o->key, o->cert, &whole);
	if (r < 0)
		return r;
	r = file_write(AT_FDCWD, f.output, made->data, made->len, 0644);
	if (r < 0)
		return log_err(r, "cannot write '%s'", f.output);
	if (!o->quiet)
		printf("%s: %zu bytes, %s, command line '%s'\n", f.output, made->len,
		       o->no_sign ? "not signed" : "signed", spec.cmdline);
	return 0;
}

static void defaults(void *options)
{
	((struct options *)options)->stub = STUB_FILE;
}

static const struct option_row rows[] = {
#define AT(field) offsetof(struct options, field)
	{ "cluster", 'c', OPTION_STRING, "FILE",
	  "take boot directory, kernel, initrd and command line of this cluster file",
	  AT(cluster) },
	{ "kernel", 0, OPTION_STRING, "FILE", "kernel (vmlinuz in the boot directory)",
	  AT(kernel) },
	{ "initrd", 0, OPTION_STRING, "FILE", "initrd (initrd.img there)", AT(initrd) },
	{ "cmdline", 0, OPTION_STRING, "WORDS", "kernel command line, behind the cluster's",
	  AT(cmdline) },
	{ "key", 'k', OPTION_STRING, "FILE", "secret key that signs it, PEM", AT(key) },
	{ "cert", 0, OPTION_STRING, "FILE", "its certificate, PEM", AT(cert) },
	{ "no-sign", 0, OPTION_FLAG, NULL, "leave it unsigned", AT(no_sign) },
	{ "stub", 0, OPTION_STRING, "FILE", "stub (systemd-boot's for x64)", AT(stub) },
	{ "output", 'o', OPTION_STRING, "FILE", "where it goes (" OUTPUT_FILE " there)",
	  AT(output) },
	{ "quiet", 'q', OPTION_FLAG, NULL, "say nothing", AT(quiet) },
	{ 0 },
#undef AT
};

const struct command cmd_uki = {
	.name = "uki",
	.args = "",
	.summary = "make one signed file of kernel, initrd and command line for UEFI",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.run = run,
};
