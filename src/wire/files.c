/*
 * files.c - the messages about files that travel with programs
 */
#include <errno.h>
#include <string.h>

#include "wire/message.h"

int message_want_write(struct buffer *to, uint32_t job, const uint16_t *files, size_t n)
{
	uint8_t head[7];
	struct writer w = WRITER(head, sizeof(head));
	int r;

	if (n == 0 || n > MESSAGE_FILES_MAX)
		return -E2BIG;
	writer_u8(&w, MESSAGE_WANT);
	writer_be32(&w, job);
	writer_be16(&w, (uint16_t)n);
	r = buffer_append(to, head, w.len);
	for (size_t i = 0; r == 0 && i < n; i++) {
		w.len = 0;
		writer_be16(&w, files[i]);
		r = buffer_append(to, head, w.len);
	}
	return r;
}

int message_want_read(struct reader *r, uint32_t *ret_job, uint16_t *ret_files, size_t *ret_n)
{
	uint32_t job = reader_be32(r);
	size_t n = reader_be16(r);

	if (r->err || n == 0 || n > MESSAGE_FILES_MAX || r->left != 2 * n)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		ret_files[i] = reader_be16(r);
		if (ret_files[i] >= MESSAGE_FILES_MAX)
			return -EBADMSG;
	}
	*ret_job = job;
	*ret_n = n;
	return reader_end(r);
}

void message_wanted_write(struct writer *w, uint32_t job, uint16_t file)
{
	writer_be32(w, job);
	writer_be16(w, file);
}

int message_wanted_read(struct reader *r, uint32_t *ret_job, uint16_t *ret_file)
{
	uint32_t job = reader_be32(r);
	uint16_t file = reader_be16(r);
	int e = reader_end(r);

	if (e < 0 || file >= MESSAGE_FILES_MAX)
		return -EBADMSG;
	*ret_job = job;
	*ret_file = file;
	return 0;
}

void message_given_write(struct writer *w, uint32_t job, uint16_t file, uint32_t error)
{
	message_wanted_write(w, job, file);
	writer_be32(w, error);
}

int message_given_read(struct reader *r, uint32_t *ret_job, uint16_t *ret_file, uint32_t *ret_error)
{
	struct reader head = reader_sub(r, 6);
	uint32_t error = reader_be32(r);
	int e = reader_end(r);

	if (e == 0)
		e = message_wanted_read(&head, ret_job, ret_file);
	if (e == 0)
		*ret_error = error;
	return e;
}

static void write_blob(struct writer *w, const struct message_blob *b)
{
	writer_be32(w, b->owner);
	writer_bytes(w, b->hash, sizeof(b->hash));
}

static void read_blob(struct reader *r, struct message_blob *ret)
{
	ret->owner = reader_be32(r);
	reader_copy(r, ret->hash, sizeof(ret->hash));
}

void message_piece_write(struct writer *w, const struct message_blob *b, uint64_t offset)
{
	write_blob(w, b);
	writer_be64(w, offset);
}

int message_piece_read(struct reader *r, struct message_blob *ret, uint64_t *ret_offset)
{
	struct message_blob b;
	uint64_t offset;

	read_blob(r, &b);
	offset = reader_be64(r);
	if (r->err || offset > MESSAGE_FILE_MAX || r->left > MESSAGE_FILE_MAX - offset)
		return -EBADMSG;
	*ret = b;
	*ret_offset = offset;
	return 0;
}

void message_fetched_write(struct writer *w, const struct message_blob *b, uint32_t error)
{
	write_blob(w, b);
	writer_be32(w, error);
}

int message_fetched_read(struct reader *r, struct message_blob *ret, uint32_t *ret_error)
{
	struct message_blob b;
	uint32_t error;
	int e;

	read_blob(r, &b);
	error = reader_be32(r);
	e = reader_end(r);
	if (e < 0)
		return e;
	*ret = b;
	*ret_error = error;
	return 0;
}

void message_serve_write(struct writer *w, const struct message_fetch *m)
{
	write_blob(w, &m->blob);
	writer_bytes(w, m->key, sizeof(m->key));
}

int message_serve_read(struct reader *r, struct message_fetch *ret)
{
	struct message_fetch m = { 0 };
	int e;

	read_blob(r, &m.blob);
	reader_copy(r, m.key, sizeof(m.key));
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

/* An IPv4 address stands in the last four of sixteen bytes. */
void message_fetch_write(struct writer *w, const struct message_fetch *m)
{
	message_serve_write(w, m);
	writer_u8(w, m->address.family == AF_INET6 ? 6 : 4);
	if (m->address.family == AF_INET6) {
		writer_bytes(w, &m->address.v6, 16);
	} else {
		writer_zero(w, 12);
		writer_bytes(w, &m->address.v4, 4);
	}
	writer_be16(w, m->port);
}

int message_fetch_read(struct reader *r, struct message_fetch *ret)
{
	struct message_fetch m = { 0 };
	uint8_t family, bytes[16] = { 0 };
	static const uint8_t zeros[12];

	read_blob(r, &m.blob);
	reader_copy(r, m.key, sizeof(m.key));
	family = reader_u8(r);
	reader_copy(r, bytes, sizeof(bytes));
	m.port = reader_be16(r);
	if (reader_end(r) < 0 || (family != 4 && family != 6) || m.port == 0)
		return -EBADMSG;
	m.address.family = family == 6 ? AF_INET6 : AF_INET;
	if (family == 6)
		memcpy(&m.address.v6, bytes, 16);
	else if (memcmp(bytes, zeros, sizeof(zeros)) != 0)
		return -EBADMSG;
	else
		memcpy(&m.address.v4, bytes + 12, 4);
	*ret = m;
	return 0;
}
