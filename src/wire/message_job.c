/*
 * message_job.c - the codecs of what is said of jobs: to the process, and from it
 */
#include <errno.h>

#include "wire/message_internal.h"

void message_started_write(struct writer *w, const struct message_started *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->pid);
	writer_u8(w, m->cwd_missing);
}

int message_started_read(struct reader *r, struct message_started *ret)
{
	struct message_started m = { .job = reader_be32(r) };
	int e;

	m.pid = reader_be32(r);
	m.cwd_missing = reader_u8(r);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

void message_failed_write(struct writer *w, const struct message_failed *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->error);
	writer_u8(w, m->how);
	message_string_write(w, m->words, MESSAGE_WORDS_MAX);
}

int message_failed_read(struct reader *r, struct message_failed *ret)
{
	struct message_failed m = { .job = reader_be32(r) };
	int e;

	m.error = reader_be32(r);
	m.how = reader_u8(r);
	if (m.how >= MESSAGE_HOW_MAX_)
		return -EBADMSG;
	m.words = message_string_read(r, MESSAGE_WORDS_MAX, true);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

void message_exit_write(struct writer *w, const struct message_exit *m)
{
	writer_be32(w, m->job);
	writer_u8(w, m->status);
	writer_u8(w, m->signal);
	writer_u8(w, m->flags);
	writer_be64(w, m->real_us);
	writer_be64(w, m->user_us);
	writer_be64(w, m->system_us);
	writer_be64(w, m->maxrss_kib);
}

int message_exit_read(struct reader *r, struct message_exit *ret)
{
	struct message_exit m = { .job = reader_be32(r) };
	int e;

	m.status = reader_u8(r);
	m.signal = reader_u8(r);
	m.flags = reader_u8(r);
	if (m.flags & ~MESSAGE_EXIT_ALL)
		return -EBADMSG;
	m.real_us = reader_be64(r);
	m.user_us = reader_be64(r);
	m.system_us = reader_be64(r);
	m.maxrss_kib = reader_be64(r);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

void message_output_write(struct writer *w, uint32_t job, uint8_t stream)
{
	writer_be32(w, job);
	writer_u8(w, stream);
}

int message_output_read(struct reader *r, uint32_t *ret_job, uint8_t *ret_stream)
{
	uint32_t job = reader_be32(r);
	uint8_t stream = reader_u8(r);

	if (r->err || stream < 1 || stream > 2)
		return -EBADMSG;
	*ret_job = job;
	*ret_stream = stream;
	return 0;
}

void message_input_write(struct writer *w, uint32_t job, uint32_t count)
{
	writer_be32(w, job);
	writer_be32(w, count);
}

int message_input_read(struct reader *r, uint32_t *ret_job, uint32_t *ret_count)
{
	uint32_t job = reader_be32(r), count = reader_be32(r);

	if (r->err || count == 0 || count > MESSAGE_NODES_MAX || job > UINT32_MAX - count)
		return -EBADMSG;
	*ret_job = job;
	*ret_count = count;
	return 0;
}

void message_signal_write(struct writer *w, uint32_t job, uint32_t count, uint8_t signal)
{
	message_input_write(w, job, count);
	writer_u8(w, signal);
}

int message_signal_read(struct reader *r, uint32_t *ret_job, uint32_t *ret_count,
			uint8_t *ret_signal)
{
	uint32_t job, count;
	uint8_t signal;

	if (message_input_read(r, &job, &count) < 0)
		return -EBADMSG;
	signal = reader_u8(r);
	if (reader_end(r) < 0 || signal < 1 || signal > 64)
		return -EBADMSG;
	*ret_job = job;
	*ret_count = count;
	*ret_signal = signal;
	return 0;
}

void message_stopped_write(struct writer *w, uint32_t job, uint8_t signal)
{
	writer_be32(w, job);
	writer_u8(w, signal);
}

int message_stopped_read(struct reader *r, uint32_t *ret_job, uint8_t *ret_signal)
{
	uint32_t job = reader_be32(r);
	uint8_t signal = reader_u8(r);

	if (reader_end(r) < 0 || signal < 1 || signal > 64)
		return -EBADMSG;
	*ret_job = job;
	*ret_signal = signal;
	return 0;
}

void message_continued_write(struct writer *w, uint32_t job, bool asked)
{
	writer_be32(w, job);
	writer_u8(w, asked);
}

int message_continued_read(struct reader *r, uint32_t *ret_job, bool *ret_asked)
{
	uint32_t job = reader_be32(r);
	uint8_t asked = reader_u8(r);

	if (reader_end(r) < 0 || asked > 1)
		return -EBADMSG;
	*ret_job = job;
	*ret_asked = asked;
	return 0;
}

void message_credit_write(struct writer *w, uint32_t job, uint8_t stream, uint32_t bytes)
{
	writer_be32(w, job);
	if (stream > 0)
		writer_u8(w, stream);
	writer_be32(w, bytes);
}

int message_output_credit_read(struct reader *r, uint32_t *ret_job, uint8_t *ret_stream,
			       uint32_t *ret_bytes)
{
	uint32_t job, bytes;
	uint8_t stream;

	if (message_output_read(r, &job, &stream) < 0)
		return -EBADMSG;
	bytes = reader_be32(r);
	if (reader_end(r) < 0 || bytes == 0 || bytes > MESSAGE_WINDOW)
		return -EBADMSG;
	*ret_job = job;
	*ret_stream = stream;
	*ret_bytes = bytes;
	return 0;
}

int message_input_credit_read(struct reader *r, uint32_t *ret_job, uint32_t *ret_bytes)
{
	uint32_t job = reader_be32(r), bytes = reader_be32(r);

	if (reader_end(r) < 0 || bytes == 0 || bytes > MESSAGE_WINDOW)
		return -EBADMSG;
	*ret_job = job;
	*ret_bytes = bytes;
	return 0;
}

void message_resize_write(struct writer *w, const struct message_resize *m)
{
	writer_be32(w, m->job);
	writer_be16(w, m->rows);
	writer_be16(w, m->columns);
}

int message_resize_read(struct reader *r, struct message_resize *ret)
{
	struct message_resize m = { .job = reader_be32(r) };
	int e;

	m.rows = reader_be16(r);
	m.columns = reader_be16(r);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

void message_word_write(struct writer *w, const char *word)
{
	message_string_write(w, word, MESSAGE_WORD_MAX);
}

int message_word_read(struct reader *r, const char **ret)
{
	const char *word = message_string_read(r, MESSAGE_WORD_MAX, true);
	int e = reader_end(r);

	if (e == 0)
		*ret = word;
	return e;
}
