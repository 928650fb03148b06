/*
 * site.h - what a lab is made of, and the files that say it to its servers and the firmware
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "lab/place.h"
#include "serve/cluster.h"

#define SITE_NODES_MAX	200 /* addresses 10.77.0.10 to 10.77.0.209 */
#define SITE_MEMORY_MIN (64ull << 20)
#define SITE_MEMORY_MAX (1ull << 40)

enum site_dhcp { SITE_DHCP_DNSMASQ, SITE_DHCP_ISC, SITE_DHCP_KEA, SITE_DHCP_MAX_ };
enum site_tftp { SITE_TFTP_DNSMASQ, SITE_TFTP_HPA, SITE_TFTP_ATFTPD, SITE_TFTP_MAX_ };
enum site_firmware { SITE_BIOS, SITE_UEFI, SITE_DIRECT, SITE_FIRMWARE_MAX_ };

struct site {
	uint64_t n_nodes;
	uint64_t memory_bytes; /* of each node */
	const char *boot;      /* boot directory */
	const char *keys;      /* where master.key is */
	const char *image;
	const char *append; /* further words of the kernel's command line, or "" */
	const char *nic;    /* QEMU's model of network card */
	enum site_dhcp dhcp;
	enum site_tftp tftp;
	enum cluster_loader loader;
	enum site_firmware firmware; /* direct: QEMU loads kernel and initrd itself */
	bool kvm;
	const char *bpmaster; /* path of the program; NULL: run none */
	bool light;	      /* no machines, but bpslaves in namespaces (light.h) */
	const char *bpboot, *bpslave, *bpstat; /* paths of the programs: for a light lab, and the
						  first for a uki */
	int until_fd; /* pidfd: the lab ends when this process does; FD_NONE: none */
};

/*
 * Write cluster.conf, nodes, the servers' configuration and boot/ into the lab's directory.
 * Return: 0 with the cluster as it was written, or negative errno (logged).
 */
_must_check_ int site_write(const struct site *s, const struct place *p, struct cluster *ret);
