/*
 * parts.c - the stock parts that a lab can be put together of: by name, and whether they are here
 *
 * Any DHCP server goes with any TFTP server, loader, firmware and card, with the exceptions of one
 * table. QEMU's own names of cards are passed on, so that others than ours can be tried.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "lab/parts.h"

static const char *const dhcp_names[] = { "dnsmasq", "isc", "kea", NULL };
static const char *const tftp_names[] = { "dnsmasq", "hpa", "atftpd", NULL };
static const char *const loader_names[] = { "ipxe", "pxelinux", "grub", "uki", NULL };
static const char *const firmware_names[] = { "bios", "uefi", "direct", NULL };

/* What does not go together. */
static const struct {
	enum cluster_loader loader;
	enum site_firmware firmware;
	const char *why;
} senseless[] = {
	{ CLUSTER_PXELINUX, SITE_UEFI,
	  "pxelinux.0 is a program for BIOS; take --loader ipxe or grub, or --firmware bios" },
	{ CLUSTER_PXELINUX, SITE_DIRECT,
	  "with --firmware direct QEMU loads the kernel, and no loader is run" },
	{ CLUSTER_GRUB, SITE_DIRECT,
	  "with --firmware direct QEMU loads the kernel, and no loader is run" },
	{ CLUSTER_UKI, SITE_BIOS,
	  "a unified kernel image is a program for UEFI; take --firmware uefi" },
	{ CLUSTER_UKI, SITE_DIRECT,
	  "with --firmware direct QEMU loads the kernel, and no loader is run" },
};

/* What each choice needs: a program, or a file that begins with '/'. */
#define ANY (-1)
static const struct {
	int dhcp, tftp, loader, firmware;
	const char *what, *package;
} needs[] = {
	{ ANY, ANY, ANY, ANY, "dnsmasq", "dnsmasq-base" },
	{ SITE_DHCP_ISC, ANY, ANY, ANY, "dhcpd", "isc-dhcp-server" },
	{ SITE_DHCP_KEA, ANY, ANY, ANY, "kea-dhcp4", "kea-dhcp4-server" },
	{ ANY, SITE_TFTP_HPA, ANY, ANY, "in.tftpd", "tftpd-hpa" },
	{ ANY, SITE_TFTP_ATFTPD, ANY, ANY, "atftpd", "atftpd" },
	{ ANY, ANY, ANY, SITE_UEFI, PARTS_OVMF, "ovmf" },
	{ ANY, ANY, CLUSTER_IPXE, SITE_UEFI, "/usr/lib/ipxe/snponly.efi", "ipxe" },
	{ ANY, ANY, CLUSTER_PXELINUX, ANY, "/usr/lib/PXELINUX/pxelinux.0", "pxelinux" },
	{ ANY, ANY, CLUSTER_PXELINUX, ANY, "/usr/lib/syslinux/modules/bios/ldlinux.c32",
	  "syslinux-common" },
	{ ANY, ANY, CLUSTER_GRUB, ANY, "grub-mknetdir", "grub-common" },
	{ ANY, ANY, CLUSTER_GRUB, SITE_BIOS, "/usr/lib/grub/i386-pc/modinfo.sh", "grub-pc-bin" },
	{ ANY, ANY, CLUSTER_GRUB, SITE_UEFI, "/usr/lib/grub/x86_64-efi/modinfo.sh",
	  "grub-efi-amd64-bin" },
	{ ANY, ANY, CLUSTER_UKI, SITE_UEFI, "/usr/lib/systemd/boot/efi/linuxx64.efi.stub",
	  "systemd-boot-efi" },
};

static int choose(const char *option, const char *const *names, const char *name, unsigned *ret)
{
	char expected[80] = "";
	size_t n = 0;

	for (unsigned i = 0; names[i]; i++) {
		if (!strcmp(names[i], name)) {
			*ret = i;
			return 0;
		}
		n += (size_t)snprintf(expected + n, sizeof(expected) - n, "%s%s",
				      i == 0	     ? ""
				      : names[i + 1] ? ", "
						     : " or ",
				      names[i]);
	}
	return log_err(0, "unknown --%s '%s': expected %s", option, name, expected), -EINVAL;
}

int parts_choose(const struct parts_names *n, struct site *s)
{
	unsigned dhcp, tftp, loader, firmware;
	int r = choose("dhcp", dhcp_names, n->dhcp, &dhcp);

	r = r < 0 ? r : choose("tftp", tftp_names, n->tftp, &tftp);
	r = r < 0 ? r : choose("loader", loader_names, n->loader, &loader);
	r = r < 0 ? r
		  : choose("firmware", firmware_names,
			   strcmp(n->firmware, "pxe") ? n->firmware : "bios", &firmware);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(senseless); i++) {
		if (senseless[i].loader == loader && senseless[i].firmware == firmware)
			return log_err(0, "--loader %s with --firmware %s: %s", n->loader,
				       n->firmware, senseless[i].why),
			       -EINVAL;
	}
	s->dhcp = (enum site_dhcp)dhcp;
	s->tftp = (enum site_tftp)tftp;
	s->loader = (enum cluster_loader)loader;
	s->firmware = (enum site_firmware)firmware;
	s->nic = strcmp(n->nic, "virtio") ? n->nic : "virtio-net-pci";
	return 0;
}

static bool is_there(const char *what)
{
	_cleanup_free_ char *path = NULL;

	return what[0] == '/' ? access(what, R_OK) == 0 : process_find(what, &path) == 0;
}

int parts_check(const struct site *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		if ((needs[i].dhcp != ANY && needs[i].dhcp != (int)s->dhcp) ||
		    (needs[i].tftp != ANY && needs[i].tftp != (int)s->tftp) ||
		    (needs[i].loader != ANY && needs[i].loader != (int)s->loader) ||
		    (needs[i].firmware != ANY && needs[i].firmware != (int)s->firmware) ||
		    is_there(needs[i].what))
			continue;
		return log_err(0, "'%s' is not here: install Debian's package %s", needs[i].what,
			       needs[i].package),
		       -ENOENT;
	}
	return 0;
}
