/*
 * loaders.c - every loader's files in the boot directory
 *
 * Programs are copied from the packages that have them; GRUB's images are made by its own
 * grub-mknetdir, with the modules that a boot needs in them, so that a node does not fetch each by
 * itself. What a package does not have here but the boot directory has already stays as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "serve/firmware.h"
#include "serve/loaders.h"

enum {
	PROGRAM_BYTES_MAX = 16 << 20, /* of a network boot program */
	OUTPUT_BYTES_MAX = 16 << 10,  /* of grub-mknetdir */
};

/* What grub.cfg uses, and what its commands need. */
#define GRUB_MODULES "normal echo linux sleep test true tftp"

static const struct {
	const char *platform, *image, *package;
} grub_platforms[] = {
	{ "i386-pc", "core.0", "grub-pc-bin" },
	{ "x86_64-efi", "core.efi", "grub-efi-amd64-bin" },
	{ "arm64-efi", "core.efi", "grub-efi-arm64-bin" },
};

/* Return: 1 when neither has it. */
static int copy_program(const char *from_dir, const char *boot, const char *name,
			loader_tell_fn *tell)
{
	_cleanup_buffer_ struct buffer program = BUFFER(PROGRAM_BYTES_MAX);
	_cleanup_free_ char *from = NULL, *to = NULL;
	int r = path_join(from_dir, name, &from);

	if (r == 0)
		r = path_join(boot, name, &to);
	if (r == 0)
		r = file_read(AT_FDCWD, from, &program);
	if (r == -ENOENT)
		return access(to, R_OK) == 0 ? 0 : 1;
	if (r < 0)
		return log_err(r, "cannot read '%s'", from);
	r = file_write(AT_FDCWD, to, program.data, program.len, 0644);
	if (r < 0)
		return log_err(r, "cannot write '%s'", to);
	tell(to, "copied from its package");
	return 0;
}

static int write_config(const struct cluster *c, const char *boot, const char *name,
			int (*format)(const struct cluster *c, struct buffer *to),
			loader_tell_fn *tell)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LOADERS_TEXT_MAX);
	_cleanup_free_ char *path = NULL, *dir = NULL;
	int r = format(c, &text);

	if (r == 0)
		r = path_join(boot, name, &path);
	if (r == 0) {
		dir = strndup(path, (size_t)(strrchr(path, '/') - path));
		r = dir ? path_mkdirs(AT_FDCWD, dir, 0755) : -ENOMEM;
	}
	if (r == 0)
		r = file_write(AT_FDCWD, path, buffer_str(&text), text.len, 0644);
	if (r < 0)
		return r == -EINVAL ? r : log_err(r, "cannot write '%s' in '%s'", name, boot);
	tell(path, "kernel, initrd and command line");
	return 0;
}

static int install_ipxe(const struct cluster *c, const struct loader_dirs *d, const char *boot,
			loader_tell_fn *tell)
{
	for (size_t i = 0; i < FIRMWARE_PROGRAMS; i++) {
		int r = copy_program(d->ipxe, boot, firmware_programs[i], tell);

		if (r < 0)
			return r;
		if (r > 0 && i == 0 && c->loader == CLUSTER_IPXE)
			log_warn(0,
				 "no '%s' in '%s' or '%s': only machines whose firmware is iPXE "
				 "will boot; Debian's package ipxe has it",
				 firmware_programs[i], d->ipxe, boot);
	}
	return 0;
}

static int install_pxelinux(const struct cluster *c, const struct loader_dirs *d, const char *boot,
			    loader_tell_fn *tell)
{
	int r = copy_program(d->pxelinux, boot, "pxelinux.0", tell);

	if (r > 0)
		log_warn(0, "no 'pxelinux.0' in '%s' or '%s'; Debian's package pxelinux has it",
			 d->pxelinux, boot);
	if (r >= 0)
		r = copy_program(d->syslinux, boot, "ldlinux.c32", tell);
	if (r > 0)
		log_warn(0,
			 "no 'ldlinux.c32' in '%s' or '%s'; Debian's package syslinux-common has "
			 "it",
			 d->syslinux, boot);
	return r < 0 ? r : write_config(c, boot, LOADERS_PXELINUX, pxelinux_format, tell);
}

static int make_grub(const char *modules, const char *boot, const char *image, loader_tell_fn *tell)
{
	_cleanup_free_ char *net = NULL, *directory = NULL;
	const char *const argv[] = { "grub-mknetdir",
				     net,
				     "--subdir=grub",
				     directory,
				     "--modules=" GRUB_MODULES,
				     "--install-modules=" GRUB_MODULES,
				     "--locales=",
				     "--fonts=",
				     "--themes=",
				     NULL };
	const char *args[ARRAY_SIZE(argv)];
	_cleanup_buffer_ struct buffer out = BUFFER(OUTPUT_BYTES_MAX);
	int status, r;

	if (asprintf(&net, "--net-directory=%s", boot) < 0)
		return net = NULL, -ENOMEM;
	if (asprintf(&directory, "--directory=%s", modules) < 0)
		return directory = NULL, -ENOMEM;
	memcpy(args, argv, sizeof(args));
	args[1] = net;
	args[3] = directory;
	r = process_capture(args, NULL, &out, &status);
	if (r == -ENOENT)
		return log_err(r, "cannot find grub-mknetdir (Debian package grub-common)");
	if (r < 0 || status != 0)
		return log_err(r < 0 ? r : -EIO, "grub-mknetdir for '%s': %s", modules,
			       buffer_str(&out));
	tell(image, "made by grub-mknetdir");
	return 0;
}

static int install_grub(const struct cluster *c, const struct loader_dirs *d, const char *boot,
			loader_tell_fn *tell)
{
	size_t made = 0;

	for (size_t i = 0; i < ARRAY_SIZE(grub_platforms); i++) {
		_cleanup_free_ char *modules = NULL, *info = NULL, *image = NULL;
		int r = path_join(d->grub, grub_platforms[i].platform, &modules);

		if (r == 0 && (asprintf(&info, "%s/modinfo.sh", modules) < 0 ||
			       asprintf(&image, "%s/grub/%s/%s", boot, grub_platforms[i].platform,
					grub_platforms[i].image) < 0))
			r = -ENOMEM;
		if (r == 0 && access(info, R_OK) == 0)
			r = make_grub(modules, boot, image, tell);
		if (r < 0)
			return r;
		made += access(image, R_OK) == 0;
	}
	if (made == 0)
		log_warn(0,
			 "no modules of GRUB in '%s'; Debian's packages grub-pc-bin (BIOS) and "
			 "grub-efi-amd64-bin (UEFI) have them",
			 d->grub);
	return write_config(c, boot, LOADERS_GRUB, grub_format, tell);
}

int loaders_install(const struct cluster *c, const struct loader_dirs *d, const char *boot,
		    loader_tell_fn *tell)
{
	int r = install_ipxe(c, d, boot, tell);

	if (r == 0 && c->loader == CLUSTER_PXELINUX)
		r = install_pxelinux(c, d, boot, tell);
	if (r == 0 && c->loader == CLUSTER_GRUB)
		r = install_grub(c, d, boot, tell);
	return r;
}

const char *loaders_file(const struct cluster *c, size_t number, const char **ret_package)
{
	*ret_package = "ipxe";
	for (size_t i = 0; i < FIRMWARE_ROWS; i++) {
		const struct firmware *f = &firmware_table[i];
		const char *file = firmware_file(f, c);
		bool seen = f->http; /* what it loads is iPXE's, which stands above */

		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(file, firmware_file(&firmware_table[k], c));
		if (seen || number-- > 0)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(grub_platforms); k++) {
			if (strstr(file, grub_platforms[k].platform))
				*ret_package = grub_platforms[k].package;
		}
		if (!strcmp(file, FIRMWARE_UKI))
			*ret_package = NULL;
		if (!strcmp(file, "pxelinux.0"))
			*ret_package = "pxelinux";
		return file;
	}
	*ret_package = "syslinux-common";
	return number == 0 && c->loader == CLUSTER_PXELINUX ? "ldlinux.c32" : NULL;
}
