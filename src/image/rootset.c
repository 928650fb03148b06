/*
 * rootset.c - the modules that a kind of root needs in the initramfs
 *
 * Modules by name, for init asks for them by name; and for local disks the drivers of those, which
 * are found by their hardware. What is built into the kernel needs no place. ext2 on a RAM disk and
 * cpio in a tmpfs need no more than every initramfs has.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "image/rootset.h"

/* Modules after a bar are those of hardware that some kernels do not have. */
static const struct {
	const char *kind, *modules;
} roots[] = {
	{ "ext2", "" },
	{ "cpio", "" },
	{ "squashfs", "squashfs,overlay" },
	{ "erofs", "erofs,overlay" },
	{ "zram", "zram,lz4,loop" },
	{ "zram-zstd", "zram,zstd,loop" },
	{ "disk", "ext4|virtio_blk,virtio_scsi,xen-blkfront,hv_storvsc,nvme,ahci,ata_piix,sd_mod,"
		  "mptspi,vmw_pvscsi,megaraid_sas,mpt3sas,usb-storage,uas" },
	{ "nfs", "nfs,nfsv4|nfsv3" },
};

static int add_modules(struct modules *m, const char *kind, const char *names, struct buffer *to)
{
	_cleanup_free_ char *copy = strdup(names);
	char *name, *rest = copy, *optional;
	int r = copy ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	optional = strchr(copy, '|');
	if (optional)
		*optional = ',';
	while (r == 0 && (name = strsep(&rest, ",")) != NULL) {
		bool may_lack = optional && name > optional;

		if (*name && modules_find(m, name))
			r = buffer_printf(to, ",%s", name);
		else if (*name && !may_lack && !modules_builtin(m, name))
			r = log_err(-ENOENT, "'%s' has no module '%s', which a root of %s needs",
				    modules_dir(m), name, kind);
	}
	return r;
}

int rootset_modules(struct modules *m, const char *what, struct buffer *to)
{
	_cleanup_free_ char *copy = strdup(what);
	char *kind, *rest = copy;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (kind = strsep(&rest, ",")) != NULL) {
		size_t i = 0;

		while (i < ARRAY_SIZE(roots) && strcmp(roots[i].kind, kind) != 0)
			i++;
		if (i == ARRAY_SIZE(roots))
			return log_err(-EINVAL, "--root '%s': expected " ROOTSET_KINDS, kind);
		r = add_modules(m, kind, roots[i].modules, to);
	}
	return r;
}
