/*
 * oci.h - which layers a container image has: OCI image layouts, and what `docker save` writes
 *
 * OCI image specification 1.1: image layout, index, manifest, configuration; and docker's
 * manifest.json, the older form of which has no index. The configuration's command and environment
 * are not looked at: what a node starts is the manifest's to say.
 */
#pragma once

#include "base/lang.h"
#include "image/blobs.h"

#define OCI_JSON_MAX	  (4u << 20) /* bytes of an index, manifest or configuration */
#define OCI_LAYERS_MAX	  512u
#define OCI_MANIFESTS_MAX 1024u /* of an image for all its platforms */
#define OCI_DEPTH_MAX	  4u	/* an index in an index */
#define OCI_DIGEST_MAX	  160

struct oci_layer {
	struct span data;	     /* the blob, packed or not */
	char digest[OCI_DIGEST_MAX]; /* of the blob, which has been verified; or "" */
	char plain[OCI_DIGEST_MAX];  /* of what it unpacks to, which is to be verified; or "" */
};

struct oci_image {
	struct oci_layer *layers; /* owned; lowest first */
	size_t n;
	char architecture[64]; /* "amd64", or "" */
};

#define _cleanup_oci_image_ _cleanup_(oci_image_clear)
void oci_image_clear(struct oci_image *i);

/*
 * Find the image called @name (a tag, a name with one, a digest; NULL: there is but one) for
 * @platform ("linux/arm64"; NULL: that of this machine, or the only one), and verify its blobs by
 * their digests. Logs. Return: 0; -ENOENT (no such image), -ENOTUNIQ (which of them?), -EBADMSG,
 * -E2BIG, -EOPNOTSUPP; another errno.
 */
_must_check_ int oci_open(struct blobs *s, const char *name, const char *platform,
			  struct oci_image *ret);
