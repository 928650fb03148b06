/*
 * manifest.c - which files belong to a start, for bpmaster: it believes no node about that
 */
#include <stdlib.h>
#include <string.h>

#include "space/blobs.h"

struct manifest *manifest_new(const struct message_spec *spec, uint32_t uid)
{
	struct manifest *m = calloc(1, sizeof(*m) + spec->n_files * sizeof(m->files[0]));

	if (!m)
		return NULL;
	m->users = 1;
	m->n = spec->n_files;
	for (size_t i = 0; i < m->n; i++) {
		const struct message_file *f = &spec->files[i];

		m->files[i].id.owner = f->is_private ? uid : MESSAGE_EVERYONE;
		memcpy(m->files[i].id.hash, f->hash, sizeof(f->hash));
		m->files[i].bytes = f->bytes;
	}
	return m;
}

struct manifest *manifest_ref(struct manifest *m)
{
	if (m)
		m->users++;
	return m;
}

void manifest_put(struct manifest *m)
{
	if (m && --m->users == 0)
		free(m);
}
