/*
 * oci_internal.h - shared by oci.c, oci_index.c and oci_docker.c alone
 */
#pragma once

#include <jansson.h>

#include "image/oci.h"

#define _cleanup_json_ _cleanup_(oci_json_freep)
void oci_json_freep(json_t **j);

/* The JSON text @name of the image; @digest is verified unless NULL. Logs. */
_must_check_ int oci_json(struct blobs *s, const char *name, const char *digest, json_t **ret);

/* The blob that a descriptor names, and its digest; size and hash are verified. Logs. */
_must_check_ int oci_blob(struct blobs *s, const json_t *descriptor, struct span *ret,
			  char ret_digest[static OCI_DIGEST_MAX]);

/* The JSON text that a descriptor names. Logs. */
_must_check_ int oci_blob_json(struct blobs *s, const json_t *descriptor, json_t **ret);

/* A text of an object; NULL when it has none. */
const char *oci_text(const json_t *object, const char *key);

/* Does @platform, "os/architecture[/variant]", name these? NULL ones are not known. */
bool oci_platform_is(const char *platform, const char *os, const char *architecture,
		     const char *variant);

/*
 * What the configuration says of the machine that the image is for. Return: 0, or -ENOENT when it
 * is not @platform; logs.
 */
_must_check_ int oci_take_config(const struct blobs *s, const json_t *config, const char *platform,
				 struct oci_image *to);

/* Append to a list for a message, up to its size. */
void oci_list(char *to, size_t n, const char *fmt, ...) _printf_(3, 4);

#define OCI_LIST_MAX 512

/* Add a layer. Return: 0, -E2BIG, -ENOMEM; logs. */
_must_check_ int oci_add_layer(struct blobs *s, struct oci_image *i, const struct oci_layer *l);

/* The descriptor of the image's manifest in index.json. Logs. Caller frees *ret. */
_must_check_ int oci_index_choose(struct blobs *s, const char *name, const char *platform,
				  json_t **ret);

/* The image of docker's manifest.json. Logs. */
_must_check_ int oci_docker(struct blobs *s, const char *name, const char *platform,
			    struct oci_image *ret);
