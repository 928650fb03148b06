/*
 * elf_note.c - what a program says that it opens later (.note.dlopen)
 *
 * A note of owner "FDO" and a type of its own holds JSON: an array of objects with "soname" (an
 * array of names, the best first), "priority" (required, recommended, suggested) and words for
 * people. See systemd's ELF_DLOPEN_METADATA.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "image/elf_note.h"

#define NOTE_OWNER  "FDO"
#define NOTE_DLOPEN 0x407c0c0au
#define NOTE_ALIGN  4u

/*
 * The names of one entry, one behind the other. Return: 0, also when it has none; -E2BIG, -ENOMEM.
 */
static int take_sonames(const json_t *names, char **ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(ELF_STRING_MAX);
	const json_t *name;
	size_t i;
	int r = 0;

	json_array_foreach(names, i, name)
	{
		const char *s = json_string_value(name);

		if (r == 0 && s && *s)
			r = buffer_append(&text, s, strlen(s) + 1);
	}
	if (r == 0 && text.len > 0)
		r = buffer_append(&text, "", 1);
	if (r == 0)
		*ret = (char *)TAKE_PTR(text.data);
	return r;
}

static int take_entry(const json_t *entry, struct elf *e)
{
	const char *priority = json_string_value(json_object_get(entry, "priority"));
	struct elf_dlopen d = { .required = priority && !strcmp(priority, "required") }, *more;
	int r;

	if (priority && !strcmp(priority, "suggested"))
		return 0;
	if (e->n_dlopens == ELF_DLOPEN_MAX)
		return -E2BIG;
	r = take_sonames(json_object_get(entry, "soname"), &d.sonames);
	if (r < 0 || !d.sonames)
		return r;
	more = realloc(e->dlopens, (e->n_dlopens + 1) * sizeof(*more));
	if (!more) {
		free(d.sonames);
		return -ENOMEM;
	}
	e->dlopens = more;
	e->dlopens[e->n_dlopens++] = d;
	return 0;
}

static int take_json(const uint8_t *p, size_t n, struct elf *e)
{
	json_t *all, *entry;
	size_t i;
	int r = 0;

	while (n > 0 && p[n - 1] == 0)
		n--;
	all = json_loadb((const char *)p, n, 0, NULL);
	json_array_foreach(all, i, entry) r = r < 0 ? r : take_entry(entry, e);
	json_decref(all);
	return r;
}

static uint32_t take32(struct reader *r, bool big)
{
	return big ? reader_be32(r) : reader_le32(r);
}

static const uint8_t *take_padded(struct reader *r, uint32_t n)
{
	const uint8_t *p = reader_bytes(r, n);
	size_t pad = (NOTE_ALIGN - n % NOTE_ALIGN) % NOTE_ALIGN;

	reader_skip(r, MIN(pad, r->left)); /* the last may lack it */
	return p;
}

int elf_note_dlopen(const void *p, size_t n, bool big, struct elf *e)
{
	struct reader r = READER(p, n);
	int err = 0;

	while (err == 0 && r.left >= 12) {
		uint32_t name_bytes = take32(&r, big), bytes = take32(&r, big),
			 type = take32(&r, big);
		const uint8_t *name = take_padded(&r, name_bytes), *data = take_padded(&r, bytes);

		if (r.err)
			break;
		if (type == NOTE_DLOPEN && name_bytes == sizeof(NOTE_OWNER) &&
		    !memcmp(name, NOTE_OWNER, name_bytes))
			err = take_json(data, bytes, e);
	}
	return err;
}
