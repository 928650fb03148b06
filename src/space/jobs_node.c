/*
 * jobs_node.c - what a node says of its jobs
 *
 * A message of a job that is not the node's own is passed over: both sides may have ended it at
 * once. One that the job's state does not allow ends the connection.
 */
#include <errno.h>

#include "space/jobs_internal.h"

/* The job of which a slave has told, when its message was well-formed (@e is 0). */
static struct job *job_told(const struct slave *s, int e, uint32_t id)
{
	struct job *j = e < 0 ? NULL : job_by_id(s, id);

	return j && j->state == JOB_RUNNING && !j->over ? j : NULL;
}

int job_take_started(void *slave, struct reader *r)
{
	struct message_started st;
	struct message_small msg;
	struct job *j;
	int e = message_started_read(r, &st);

	j = job_told(slave, e, st.job);
	if (!j)
		return e;
	if (j->started)
		return -EPROTO;
	j->started = true;
	j->pid = st.pid;
	st.job = j->number;
	message_started_write(message_begin(&msg, MESSAGE_STARTED), &st);
	job_to_client(j, &msg);
	return 0;
}

int job_take_failed(void *slave, struct reader *r)
{
	struct message_failed f;
	struct message_small msg;
	struct job *j;
	int e = message_failed_read(r, &f);

	if (e == 0 && f.how == MESSAGE_REFUSED_BY_MASTER)
		e = -EBADMSG;
	j = e < 0 ? NULL : job_by_id(slave, f.job);
	if (!j || j->over)
		return e;
	if (j->state == JOB_CLAIMED ? f.how != MESSAGE_LOST : j->started || f.how == MESSAGE_LOST)
		return -EPROTO;
	f.job = j->number;
	message_failed_write(message_begin(&msg, MESSAGE_FAILED), &f);
	job_to_client(j, &msg);
	if (f.how == MESSAGE_LOST)
		job_free(j);
	else
		job_over(j);
	return 0;
}

int job_take_output(void *slave, struct reader *r)
{
	struct message_small head;
	struct job *j;
	uint32_t id;
	uint8_t stream;
	size_t n;
	int e = message_output_read(r, &id, &stream);

	j = job_told(slave, e, id);
	if (!j)
		return e;
	n = r->left;
	if (n > j->output_credit[stream - 1] || !j->started || j->ended[stream - 1])
		return -EPROTO;
	j->output_credit[stream - 1] -= (uint32_t)n;
	j->ended[stream - 1] = n == 0;
	if (!j->client || !client_room(j->client, n))
		return 0;
	message_output_write(message_begin(&head, MESSAGE_OUTPUT), j->number, stream);
	(void)stream_send2(&j->client->stream, head.bytes, head.w.len, reader_bytes(r, n), n);
	return 0;
}

int job_take_input_credit(void *slave, struct reader *r)
{
	struct message_small msg;
	uint32_t id, bytes;
	struct job *j;
	int e = message_input_credit_read(r, &id, &bytes);

	j = job_told(slave, e, id);
	if (!j)
		return e;
	if (bytes > MESSAGE_WINDOW - j->input_credit)
		return -EPROTO;
	j->input_credit += bytes;
	message_credit_write(message_begin(&msg, MESSAGE_INPUT_CREDIT), j->number, 0, bytes);
	job_to_client(j, &msg);
	return 0;
}

int job_take_input_closed(void *slave, struct reader *r)
{
	uint32_t id = reader_be32(r);
	struct message_small msg;
	struct job *j;
	int e = reader_end(r);

	j = job_told(slave, e, id);
	if (!j)
		return e;
	if (j->input_closed)
		return -EPROTO;
	j->input_closed = true;
	writer_be32(message_begin(&msg, MESSAGE_INPUT_CLOSED), j->number);
	job_to_client(j, &msg);
	return 0;
}

int job_take_exit(void *slave, struct reader *r)
{
	struct message_exit x;
	struct message_small msg;
	struct job *j;
	int e = message_exit_read(r, &x);

	j = job_told(slave, e, x.job);
	if (!j)
		return e;
	if (!j->started && !j->abandoned)
		return -EPROTO;
	x.job = j->number;
	message_exit_write(message_begin(&msg, MESSAGE_EXIT), &x);
	job_to_client(j, &msg);
	job_over(j);
	return 0;
}

int job_take_stopped(void *slave, struct reader *r)
{
	struct message_small msg;
	struct job *j;
	uint32_t id;
	uint8_t signal;
	int e = message_stopped_read(r, &id, &signal);

	j = job_told(slave, e, id);
	if (!j)
		return e;
	if (!j->started || j->stopped)
		return j->started ? 0 : -EPROTO;
	j->stopped = true;
	message_stopped_write(message_begin(&msg, MESSAGE_STOPPED), j->number, signal);
	job_to_client(j, &msg);
	return 0;
}

int job_take_continued(void *slave, struct reader *r)
{
	struct message_small msg;
	struct job *j;
	uint32_t id;
	bool asked;
	int e = message_continued_read(r, &id, &asked);

	j = job_told(slave, e, id);
	if (!j)
		return e;
	if (!j->started || (asked && j->continued == 0))
		return -EPROTO;
	j->continued -= asked;
	if (!asked && !j->stopped)
		return 0;
	j->stopped = false;
	message_continued_write(message_begin(&msg, MESSAGE_CONTINUED), j->number, asked);
	job_to_client(j, &msg);
	return 0;
}
