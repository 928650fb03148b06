/*
 * oci_index.c - index.json of an OCI image layout: the manifest of one image for one platform
 *
 * An index lists manifests, or further indexes, one of which may be for many platforms. First the
 * name says which entry is meant, then the platform which manifest below it. Signatures and
 * attestations, which look like images for an unknown platform, are passed over.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "image/oci_internal.h"

#define ANNOTATION_REF	"org.opencontainers.image.ref.name"
#define ANNOTATION_NAME "io.containerd.image.name"
#define ANNOTATION_KIND "vnd.docker.reference.type"

/* Manifests that an image may be. */
struct choice {
	struct blobs *s;
	json_t *manifests; /* an array, each with "digest" once */
	unsigned seen;	   /* descriptors looked at */
};

static const char *annotation(const json_t *descriptor, const char *key)
{
	return oci_text(json_object_get(descriptor, "annotations"), key);
}

static bool is_index(const json_t *descriptor)
{
	const char *type = oci_text(descriptor, "mediaType");

	return type && (strstr(type, "image.index") || strstr(type, "manifest.list"));
}

static bool is_called(const json_t *descriptor, const char *name)
{
	const char *names[] = { annotation(descriptor, ANNOTATION_REF),
				annotation(descriptor, ANNOTATION_NAME),
				oci_text(descriptor, "digest") };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i] && !strcmp(names[i], name))
			return true;
	}
	return false;
}

/* The entries of an index. */
static int entries(struct choice *c, const json_t *index, json_t **ret)
{
	json_t *list = json_object_get(index, "manifests");

	if (!json_is_array(list))
		return blobs_error(-EBADMSG, "'%s': an index without manifests", c->s->what);
	c->seen += (unsigned)MIN(json_array_size(list), (size_t)OCI_MANIFESTS_MAX + 1);
	if (c->seen > OCI_MANIFESTS_MAX)
		return blobs_error(-E2BIG, "'%s' has more than %u manifests", c->s->what,
				   OCI_MANIFESTS_MAX);
	*ret = list;
	return 0;
}

/* Add a manifest to those that the image may be, or all of an index. */
static int add(struct choice *c, json_t *descriptor, unsigned depth)
{
	const char *digest = oci_text(descriptor, "digest");
	const char *os = oci_text(json_object_get(descriptor, "platform"), "os");
	_cleanup_json_ json_t *index = NULL;
	json_t *list, *d;
	size_t i;
	int r;

	if (is_index(descriptor)) {
		if (depth == OCI_DEPTH_MAX)
			return blobs_error(-ELOOP, "'%s': indexes in indexes, more than %u deep",
					   c->s->what, OCI_DEPTH_MAX);
		r = oci_blob_json(c->s, descriptor, &index);
		if (r == 0)
			r = entries(c, index, &list);
		if (r < 0)
			return r;
		json_array_foreach (list, i, d) {
			r = add(c, d, depth + 1);
			if (r < 0)
				return r;
		}
		return 0;
	}
	if (annotation(descriptor, ANNOTATION_KIND) || (os && !strcmp(os, "unknown")))
		return 0;
	json_array_foreach (c->manifests, i, d) {
		if (digest && !strcmp(oci_text(d, "digest"), digest))
			return 0; /* another name of it */
	}
	if (!digest)
		return blobs_error(-EBADMSG, "'%s': a manifest without a digest", c->s->what);
	return json_array_append(c->manifests, descriptor) < 0
		       ? log_err(-ENOMEM, "cannot read '%s'", c->s->what)
		       : 0;
}

/* Which one is meant, as a list for the message. */
static int ask(struct choice *c, json_t *list, const char *name)
{
	char names[OCI_LIST_MAX] = "";
	const json_t *d;
	size_t i;

	json_array_foreach (list, i, d) {
		const char *ref = annotation(d, ANNOTATION_REF);

		oci_list(names, sizeof(names), "%s%s", i ? ", " : "",
			 ref			 ? ref
			 : oci_text(d, "digest") ? oci_text(d, "digest")
						 : "?");
	}
	if (name)
		return blobs_error(-ENOENT, "'%s' has no image '%s'; it has: %s", c->s->what, name,
				   *names ? names : "none");
	return blobs_error(-ENOTUNIQ, "'%s' has several images; name one with image=: %s",
			   c->s->what, names);
}

/* All top entries that have the name; without one, those of a layout that has but one image. */
static int choose_image(struct choice *c, json_t *list, const char *name)
{
	const char *first = NULL;
	bool several = false;
	json_t *d;
	size_t i, n = 0;
	int r;

	json_array_foreach (list, i, d) {
		const char *ref = annotation(d, ANNOTATION_REF), *digest = oci_text(d, "digest");

		if (name && !is_called(d, name))
			continue;
		/* Entries of one image for several platforms have the same name, or none. */
		if (n > 0 && !name && ref && first && strcmp(ref, first))
			several = true;
		first = first ? first : ref;
		r = digest ? add(c, d, 0)
			   : blobs_error(-EBADMSG, "'%s': an entry without a digest", c->s->what);
		if (r < 0)
			return r;
		n++;
	}
	if (n == 0 || (several && json_array_size(c->manifests) > 1))
		return ask(c, list, name);
	return 0;
}

static const char *this_platform(void)
{
	struct utsname u;

	if (uname(&u) == 0 && !strcmp(u.machine, "aarch64"))
		return "linux/arm64";
	return "linux/amd64";
}

static int choose_platform(struct choice *c, const char *platform, json_t **ret)
{
	const char *want = platform ? platform : this_platform();
	char all[OCI_LIST_MAX] = "";
	json_t *d;
	size_t i;

	/* The only one; whether it is for the platform its configuration says. */
	if (json_array_size(c->manifests) == 1) {
		*ret = json_incref(json_array_get(c->manifests, 0));
		return 0;
	}
	json_array_foreach (c->manifests, i, d) {
		const json_t *p = json_object_get(d, "platform");
		const char *os = oci_text(p, "os"), *arch = oci_text(p, "architecture");
		const char *variant = oci_text(p, "variant");

		if (oci_platform_is(want, os, arch, variant)) {
			*ret = json_incref(d);
			return 0;
		}
		oci_list(all, sizeof(all), "%s%s/%s%s%s", i ? ", " : "", os ? os : "?",
			 arch ? arch : "?", variant ? "/" : "", variant ? variant : "");
	}
	return blobs_error(-ENOENT, "'%s' is not for %s; platform= takes one of: %s", c->s->what,
			   want, *all ? all : "none");
}

int oci_index_choose(struct blobs *s, const char *name, const char *platform, json_t **ret)
{
	_cleanup_json_ json_t *index = NULL, *manifests = json_array();
	struct choice c = { .s = s, .manifests = manifests };
	json_t *list;
	int r = manifests ? oci_json(s, "index.json", NULL, &index)
			  : log_err(-ENOMEM, "cannot read '%s'", s->what);

	if (r == 0)
		r = entries(&c, index, &list);
	if (r == 0)
		r = choose_image(&c, list, name);
	return r < 0 ? r : choose_platform(&c, platform, ret);
}
