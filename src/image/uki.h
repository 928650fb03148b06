/*
 * uki.h - a unified kernel image: kernel, initrd and command line behind systemd-boot's stub
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "image/pe.h"

#define UKI_CMDLINE_MAX 2048 /* with NUL; what kernels take on x86 */

struct uki_spec {
	const char *stub, *kernel, *initrd; /* files */
	const char *cmdline;		    /* printable ASCII; "" for none */
};

/*
 * Append the image to @to, which is empty and holds PE_BYTES_MAX at most: the same bytes for the
 * same inputs. Return: 0 or negative errno (logged).
 */
_must_check_ int uki_make(const struct uki_spec *spec, struct buffer *to);

/*
 * Sign it by sbsign, and see whether nothing but a signature was added, and whether it is the
 * certificate's. @key and @cert are files in PEM. Appends to @to. Return: 0 or negative errno
 * (logged).
 */
_must_check_ int uki_sign(const struct buffer *image, const char *key, const char *cert,
			  struct buffer *to);
