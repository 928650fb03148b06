/*
 * oci_docker.c - manifest.json, the older form of what `docker save` and podman write
 *
 * It names the configuration, called after its own hash, and the layers' files; the configuration
 * has a hash of what each layer unpacks to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "image/oci_internal.h"

#define HEX_BYTES 64

/* "name:tag", or "name" for "name:latest". */
static bool is_tag(const char *tag, const char *name)
{
	size_t n = strlen(name);

	return !strcmp(tag, name) || (!strncmp(tag, name, n) && !strcmp(tag + n, ":latest"));
}

/* Is the image called so, or so without what docker puts in front? */
static bool is_called(const json_t *image, const char *name)
{
	static const char *const prefixes[] = { "", "docker.io/library/", "docker.io/",
						"localhost/" };
	const json_t *tags = json_object_get(image, "RepoTags"), *t;
	size_t i;

	json_array_foreach (tags, i, t) {
		const char *tag = json_string_value(t);

		for (size_t k = 0; tag && k < ARRAY_SIZE(prefixes); k++) {
			size_t n = strlen(prefixes[k]);

			if (!strncmp(tag, prefixes[k], n) && is_tag(tag + n, name))
				return true;
		}
	}
	return false;
}

static int choose(struct blobs *s, json_t *images, const char *name, json_t **ret)
{
	char all[OCI_LIST_MAX] = "";
	json_t *d, *found = NULL;
	size_t i;

	json_array_foreach (images, i, d) {
		const char *tag =
			json_string_value(json_array_get(json_object_get(d, "RepoTags"), 0));

		if (name ? is_called(d, name) : json_array_size(images) == 1)
			found = d;
		oci_list(all, sizeof(all), "%s%s", i ? ", " : "", tag ? tag : "(no name)");
	}
	if (found) {
		*ret = found;
		return 0;
	}
	if (name)
		return blobs_error(-ENOENT, "'%s' has no image '%s'; it has: %s", s->what, name,
				   *all ? all : "none");
	return blobs_error(-ENOTUNIQ, "'%s' has several images; name one with image=: %s", s->what,
			   all);
}

/* "HEX.json" or "blobs/sha256/HEX": a file called after its hash. */
static int digest_of(struct blobs *s, const char *file, char *to, size_t n)
{
	const char *hex = file ? strrchr(file, '/') : NULL;

	hex = hex ? hex + 1 : file;
	if (!hex || strspn(hex, "0123456789abcdef") != HEX_BYTES)
		return blobs_error(-EBADMSG, "'%s': manifest.json names the configuration '%.160s'",
				   s->what, file ? file : "(nothing)");
	snprintf(to, n, "sha256:%.*s", HEX_BYTES, hex);
	return 0;
}

static int take_layers(struct blobs *s, const json_t *image, const json_t *config,
		       struct oci_image *to)
{
	const json_t *layers = json_object_get(image, "Layers"), *l;
	const json_t *plain = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	size_t i;

	if (!json_is_array(layers) || json_array_size(layers) != json_array_size(plain))
		return blobs_error(-EBADMSG, "'%s': %zu layers, and hashes of %zu", s->what,
				   json_array_size(layers), json_array_size(plain));
	json_array_foreach (layers, i, l) {
		const char *file = json_string_value(l);
		const char *digest = json_string_value(json_array_get(plain, i));
		struct oci_layer layer = { 0 };
		int r = file && digest && strlen(digest) < OCI_DIGEST_MAX
				? blobs_find(s, file, false, &layer.data)
				: blobs_error(-EBADMSG, "'%s': layer %zu has no name", s->what,
					      i + 1);

		if (r < 0)
			return r;
		snprintf(layer.plain, sizeof(layer.plain), "%s", digest);
		r = oci_add_layer(s, to, &layer);
		if (r < 0)
			return r;
	}
	return 0;
}

int oci_docker(struct blobs *s, const char *name, const char *platform, struct oci_image *ret)
{
	_cleanup_json_ json_t *images = NULL, *config = NULL;
	const char *file;
	char digest[OCI_DIGEST_MAX];
	json_t *image = NULL;
	int r = oci_json(s, "manifest.json", NULL, &images);

	if (r == 0 && !json_is_array(images))
		r = blobs_error(-EBADMSG, "'%s': manifest.json is no list of images", s->what);
	if (r == 0)
		r = choose(s, images, name, &image);
	if (r < 0)
		return r;
	file = oci_text(image, "Config");
	r = digest_of(s, file, digest, sizeof(digest));
	if (r == 0)
		r = oci_json(s, file, digest, &config);
	if (r == 0)
		r = oci_take_config(s, config, platform, ret);
	return r < 0 ? r : take_layers(s, image, config, ret);
}
