/*
 * oci.c - which layers a container image has
 *
 * Every blob is verified by size and digest before a byte of it is believed. What cannot be right
 * (no layers, a foreign layer that is not there, an encrypted one) is an error that says so.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/oci_internal.h"

void oci_json_freep(json_t **j)
{
	json_decref(*j);
}

void oci_image_clear(struct oci_image *i)
{
	free(i->layers);
	*i = (struct oci_image){ 0 };
}

const char *oci_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

void oci_list(char *to, size_t n, const char *fmt, ...)
{
	size_t len = strlen(to);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to + len, n - len, fmt, ap);
	va_end(ap);
}

static int parse(struct blobs *s, const char *name, const struct buffer *text, json_t **ret)
{
	json_error_t why;
	json_t *j = json_loadb(buffer_str(text), text->len, JSON_REJECT_DUPLICATES, &why);

	if (!j)
		return blobs_error(-EBADMSG, "'%s' of '%s', line %d: %s", name, s->what, why.line,
				   why.text);
	*ret = j;
	return 0;
}

int oci_json(struct blobs *s, const char *name, const char *digest, json_t **ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(OCI_JSON_MAX);
	struct span data;
	int r = blobs_read(s, name, &text);

	if (r == 0 && digest) {
		r = blobs_find(s, name, false, &data);
		if (r == 0)
			r = blobs_verify(&data, s->what, digest);
	}
	return r < 0 ? r : parse(s, name, &text, ret);
}

/* "sha256:HEX" as the blob's path; anything that could lead elsewhere is refused. */
static int blob_path(struct blobs *s, const char *digest, char *to, size_t n)
{
	size_t k = digest ? strcspn(digest, ":") : 0;

	if (k == 0 || !digest[k] || strlen(digest) >= OCI_DIGEST_MAX ||
	    strspn(digest, "abcdefghijklmnopqrstuvwxyz0123456789+._-") != k ||
	    strspn(digest + k + 1, "0123456789abcdef") != strlen(digest + k + 1) ||
	    digest[0] == '.')
		return blobs_error(-EBADMSG, "'%s': '%.160s' is no digest", s->what,
				   digest ? digest : "(nothing)");
	snprintf(to, n, "blobs/%.*s/%s", (int)k, digest, digest + k + 1);
	return 0;
}

int oci_blob(struct blobs *s, const json_t *descriptor, struct span *ret,
	     char ret_digest[static OCI_DIGEST_MAX])
{
	const char *digest = oci_text(descriptor, "digest");
	const json_t *size = json_object_get(descriptor, "size");
	char path[OCI_DIGEST_MAX + 16];
	struct span data;
	int r = blob_path(s, digest, path, sizeof(path));

	if (r == 0)
		r = blobs_find(s, path, false, &data);
	if (r < 0)
		return r;
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
	    (uint64_t)json_integer_value(size) != data.bytes)
		return blobs_error(-EBADMSG,
				   "'%s' is damaged: '%s' has %llu bytes, and should have %lld",
				   s->what, digest, (unsigned long long)data.bytes,
				   (long long)json_integer_value(size));
	r = blobs_verify(&data, s->what, digest);
	if (r < 0)
		return r;
	snprintf(ret_digest, OCI_DIGEST_MAX, "%s", digest);
	*ret = data;
	return 0;
}

int oci_blob_json(struct blobs *s, const json_t *descriptor, json_t **ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(OCI_JSON_MAX);
	char digest[OCI_DIGEST_MAX], path[OCI_DIGEST_MAX + 16];
	const json_t *size = json_object_get(descriptor, "size");
	struct span data;
	int r;

	if (json_integer_value(size) > OCI_JSON_MAX)
		return blobs_error(-E2BIG, "'%s' has an index or manifest of more than %u bytes",
				   s->what, OCI_JSON_MAX);
	r = oci_blob(s, descriptor, &data, digest);
	if (r == 0)
		r = blob_path(s, digest, path, sizeof(path));
	if (r == 0)
		r = blobs_read(s, path, &text);
	return r < 0 ? r : parse(s, digest, &text, ret);
}

bool oci_platform_is(const char *platform, const char *os, const char *architecture,
		     const char *variant)
{
	char all[256];

	if (!os || !architecture)
		return false;
	snprintf(all, sizeof(all), "%s/%s", os, architecture);
	if (!strcmp(platform, all))
		return true;
	if (variant)
		oci_list(all, sizeof(all), "/%s", variant);
	return !strcmp(platform, all);
}

int oci_add_layer(struct blobs *s, struct oci_image *i, const struct oci_layer *l)
{
	if (i->n == OCI_LAYERS_MAX)
		return blobs_error(-E2BIG, "'%s' has more than %u layers", s->what, OCI_LAYERS_MAX);
	if (!i->layers)
		i->layers = calloc(OCI_LAYERS_MAX, sizeof(*i->layers));
	if (!i->layers)
		return log_err(-ENOMEM, "cannot read '%s'", s->what);
	i->layers[i->n++] = *l;
	return 0;
}

int oci_take_config(const struct blobs *s, const json_t *config, const char *platform,
		    struct oci_image *to)
{
	const char *os = oci_text(config, "os"), *architecture = oci_text(config, "architecture");

	if (platform && os && architecture &&
	    !oci_platform_is(platform, os, architecture, oci_text(config, "variant")))
		return blobs_error(-ENOENT, "'%s' is for %s/%s, not for %s", s->what, os,
				   architecture, platform);
	snprintf(to->architecture, sizeof(to->architecture), "%s",
		 architecture ? architecture : "");
	return 0;
}

static int take_config(struct blobs *s, const json_t *manifest, const char *platform,
		       struct oci_image *to)
{
	_cleanup_json_ json_t *config = NULL;
	int r = oci_blob_json(s, json_object_get(manifest, "config"), &config);

	return r < 0 ? r : oci_take_config(s, config, platform, to);
}

static int take_layers(struct blobs *s, const json_t *manifest, struct oci_image *to)
{
	const json_t *layers = json_object_get(manifest, "layers"), *l;
	size_t i;
	int r = 0;

	if (!json_is_array(layers))
		return blobs_error(-EBADMSG, "'%s': the manifest has no layers", s->what);
	json_array_foreach (layers, i, l) {
		const char *type = oci_text(l, "mediaType");
		struct oci_layer layer = { 0 };

		if (type && strstr(type, "+encrypted"))
			return blobs_error(-EOPNOTSUPP, "'%s': layer %zu is encrypted", s->what,
					   i + 1);
		if (type && !strstr(type, ".tar") && !strstr(type, "layer"))
			return blobs_error(-EOPNOTSUPP,
					   "'%s': layer %zu is '%.100s', no file system", s->what,
					   i + 1, type);
		r = oci_blob(s, l, &layer.data, layer.digest);
		if (r == 0)
			r = oci_add_layer(s, to, &layer);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_layout(struct blobs *s, const char *name, const char *platform,
		       struct oci_image *ret)
{
	_cleanup_json_ json_t *descriptor = NULL, *manifest = NULL;
	int r = oci_index_choose(s, name, platform, &descriptor);

	if (r == 0)
		r = oci_blob_json(s, descriptor, &manifest);
	if (r == 0)
		r = take_config(s, manifest, platform, ret);
	return r < 0 ? r : take_layers(s, manifest, ret);
}

int oci_open(struct blobs *s, const char *name, const char *platform, struct oci_image *ret)
{
	struct oci_image i = { 0 };
	struct span unused;
	int r = blobs_find(s, "index.json", true, &unused);

	if (r == 0)
		r = open_layout(s, name, platform, &i);
	else if (r == -ENOENT)
		r = oci_docker(s, name, platform, &i);
	if (r < 0) {
		oci_image_clear(&i);
		return r;
	}
	*ret = i;
	return 0;
}
