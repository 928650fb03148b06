/*
 * shell_files.c - the files of the program, for nodes that have them not
 *
 * bpmaster asks for a file once, however many nodes want it. It gets a copy in memory that can be
 * changed no more: bpmaster never reads a file of ours, which may lie on a slow disk or change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "net/file_hash.h"
#include "space/shell_internal.h"

/* Copy the file, and see that it is what the nodes were told. Return: 0 or negative errno. */
static int copy(int from, int to, const struct message_file *f)
{
	_cleanup_free_ uint8_t *group = malloc(FILE_HASH_GROUP);
	uint8_t hash[FILE_HASH_BYTES];
	struct file_hash h;
	uint64_t done = 0;
	size_t n = FILE_HASH_GROUP;
	int r = group ? 0 : -ENOMEM;

	file_hash_init(&h);
	while (r == 0 && n == FILE_HASH_GROUP && done <= f->bytes) {
		r = fd_read_full(from, group, FILE_HASH_GROUP, &n);
		file_hash_add(&h, group, r == 0 ? n : 0);
		if (r == 0)
			r = fd_write_all(to, group, n);
		done += n;
	}
	file_hash_final(&h, hash);
	if (r == 0 && (done != f->bytes || memcmp(hash, f->hash, sizeof(hash)) != 0))
		r = -ESTALE;
	return r;
}

static int memory_file(const struct message_file *f, int *ret)
{
	_cleanup_close_ int from = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY), to = FD_NONE;
	int r;

	if (from < 0)
		return -errno;
	to = memfd_create(f->path, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = to < 0 ? -errno : copy(from, to, f);
	if (r < 0)
		return r;
	if (fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	*ret = TAKE_FD(to);
	return 0;
}

/* Give what was asked for; one goes out at a time. */
static void give(struct shell *s)
{
	for (size_t i = 0; i < s->spec->n_files && s->door.pass < 0 && !s->door.over; i++) {
		const struct message_file *f = &s->spec->files[i];
		struct message_small m;
		int fd = FD_NONE, r;

		if (!s->wanted[i].yes)
			continue;
		s->wanted[i].yes = false;
		r = memory_file(f, &fd);
		if (r == -ESTALE)
			log_err(0, "'%s' was changed while it was being started", f->path);
		else if (r < 0)
			log_err(r, "cannot read '%s' for a node that has it not", f->path);
		message_given_write(message_begin(&m, MESSAGE_BLOB), s->wanted[i].job, (uint16_t)i,
				    (uint32_t)-r);
		if (r < 0)
			(void)stream_send_writer(&s->door, &m.w); /* a door that fails ends us */
		else
			(void)stream_send_fd(&s->door, m.bytes, m.w.len, fd);
	}
}

int shell_take_wanted(void *owner, struct reader *r)
{
	struct shell *s = owner;
	uint32_t job;
	uint16_t file;
	int e = message_wanted_read(r, &job, &file);

	if (e < 0 || job >= s->n || file >= s->spec->n_files)
		return -EPROTO;
	if (sodium_init() < 0)
		return -EIO;
	if (!s->wanted)
		s->wanted = calloc(s->spec->n_files, sizeof(*s->wanted));
	if (!s->wanted)
		return -ENOMEM;
	s->wanted[file].yes = true;
	s->wanted[file].job = job;
	give(s);
	return 0;
}

void shell_drained(struct shell *s)
{
	if (s->wanted)
		give(s);
}
