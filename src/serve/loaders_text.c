/*
 * loaders_text.c - what pxelinux and GRUB read: kernel, initrd, command line
 *
 * Both files are the same for all nodes: what a node fetches is for DHCP to say, as with iPXE, and
 * BOOTIF tells init which of its cards the firmware booted from. A failure is tried again after 10
 * seconds, for ever.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "serve/ipxe.h"
#include "serve/loaders.h"

enum { CMDLINE_MAX = 4096 };

/* pxelinux adds BOOTIF by itself (SYSAPPEND 2); its prompt ends after TIMEOUT tenths of a second.
 */
int pxelinux_format(const struct cluster *c, struct buffer *to)
{
	int r = buffer_printf(to,
			      "# pxelinux.cfg/default for cluster '%s', written by bpboot config "
			      "pxelinux\n"
			      "DEFAULT bpboot\nPROMPT 0\nTIMEOUT 100\nONTIMEOUT bpboot\n\n"
			      "LABEL bpboot\n\tLINUX %s\n\tINITRD %s\n\tSYSAPPEND 2\n",
			      c->name, c->kernel, c->initrd);
	_cleanup_buffer_ struct buffer words = BUFFER(CMDLINE_MAX);

	if (r == 0)
		r = ipxe_cmdline(c, &words);
	if (r == 0 && words.len > 0)
		r = buffer_printf(to, "\tAPPEND%s\n", buffer_str(&words));
	return r;
}

/* Each word in single quotes, in which nothing but those means anything to GRUB's shell. */
static int put_words(const char *words, struct buffer *to)
{
	int r = 0;

	for (const char *p = words + strspn(words, " "); r == 0 && *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		r = buffer_printf(to, " '%.*s'", (int)n, p);
		p += n;
	}
	return r;
}

int grub_format(const struct cluster *c, struct buffer *to)
{
	_cleanup_buffer_ struct buffer words = BUFFER(CMDLINE_MAX);
	int r = ipxe_cmdline(c, &words);

	if (r < 0)
		return r;
	if (strpbrk(buffer_str(&words), "'\"\\"))
		return log_err(-EINVAL,
			       "cmdline '%.80s': GRUB puts a backslash before quotes and "
			       "backslashes; leave them out, or take another loader",
			       c->cmdline);
	r = buffer_printf(to,
			  "# grub/grub.cfg for cluster '%s', written by bpboot config grub\n"
			  "while true; do\n"
			  "\tif linux '/%s' BOOTIF=01-$net_default_mac",
			  c->name, c->kernel);
	r = r < 0 ? r : put_words(buffer_str(&words), to);
	return r < 0 ? r
		     : buffer_printf(
			       to,
			       "; then\n\t\tif initrd '/%s'; then\n\t\t\tboot\n\t\tfi\n\tfi\n"
			       "\techo 'bpboot: cannot load %s and %s; trying again in 10 s'\n"
			       "\tsleep 10\ndone\n",
			       c->initrd, c->kernel, c->initrd);
}
