/*
 * fuzz-cluster.c - a cluster file that is accepted can be written, read back, and written the same;
 * and the configuration of servers and loaders can be made of it, without a line that the file did
 * not ask for
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "serve/cluster.h"
#include "serve/dnsmasq.h"
#include "serve/ipxe.h"
#include "serve/isc_dhcpd.h"
#include "serve/kea.h"
#include "serve/loaders.h"

#define FILE_NAME "/etc/bpboot/cluster.conf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_cluster_ struct cluster a = { 0 }, b = { 0 };
	_cleanup_buffer_ struct buffer one = BUFFER(CLUSTER_BYTES_MAX),
				       two = BUFFER(CLUSTER_BYTES_MAX);
	_cleanup_buffer_ struct buffer dnsmasq = BUFFER(DNSMASQ_BYTES_MAX),
				       ipxe = BUFFER(IPXE_BYTES_MAX),
				       isc = BUFFER(DNSMASQ_BYTES_MAX),
				       kea = BUFFER(DNSMASQ_BYTES_MAX),
				       pxelinux = BUFFER(LOADERS_TEXT_MAX);
	struct nodes none = { 0 };
	char why[256];
	unsigned line;

	if (cluster_parse(FILE_NAME, data, size, &a, &line, why) < 0)
		return 0;
	if (cluster_format(&a, &one) < 0 ||
	    cluster_parse(FILE_NAME, one.data, one.len, &b, &line, why) < 0 ||
	    cluster_format(&b, &two) < 0)
		abort();
	if (strcmp(buffer_str(&one), buffer_str(&two)))
		abort();
	if (a.n_servers > 0)
		return 0; /* more than DHCP can say, perhaps */
	if (dnsmasq_format(&a, &none, DNSMASQ_WHOLE, &dnsmasq) < 0 ||
	    ipxe_format(&a, &none, false, &ipxe) < 0)
		abort();
	if (isc_dhcpd_format(&a, &none, &isc) < 0 ||
	    kea_format(&a, &none, KEA_2_2, NULL, &kea) < 0 || pxelinux_format(&a, &pxelinux) < 0)
		abort();
	if (lines_of(buffer_str(&ipxe)) != 11) /* as many as it has, whatever the file says */
		abort();
	return 0;
}
