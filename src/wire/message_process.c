/*
 * message_process.c - the codecs of what runs on a node
 */
#include <errno.h>

#include "wire/message_internal.h"

void message_process_write(struct writer *w, const struct message_process *m)
{
	writer_be32(w, m->pid);
	writer_be32(w, m->parent);
	writer_be32(w, m->group);
	writer_be32(w, m->session);
	writer_be32(w, m->uid);
	writer_be32(w, m->real_uid);
	writer_be32(w, m->gid);
	writer_be32(w, m->tty);
	writer_be32(w, m->foreground);
	writer_be32(w, m->threads);
	writer_u8(w, (uint8_t)m->state);
	writer_u8(w, (uint8_t)m->nice);
	writer_be64(w, m->cpu_ms);
	writer_be64(w, m->elapsed_ms);
	writer_be64(w, m->rss_kib);
	writer_be64(w, m->vsz_kib);
	message_string_write(w, m->name, MESSAGE_NAME_MAX);
	message_string_write(w, m->args, MESSAGE_ARGS_MAX);
}

int message_process_read(struct reader *r, struct message_process *ret)
{
	struct message_process m = { .pid = reader_be32(r) };

	m.parent = reader_be32(r);
	m.group = reader_be32(r);
	m.session = reader_be32(r);
	m.uid = reader_be32(r);
	m.real_uid = reader_be32(r);
	m.gid = reader_be32(r);
	m.tty = reader_be32(r);
	m.foreground = reader_be32(r);
	m.threads = reader_be32(r);
	m.state = (char)reader_u8(r);
	m.nice = (int8_t)reader_u8(r);
	m.cpu_ms = reader_be64(r);
	m.elapsed_ms = reader_be64(r);
	m.rss_kib = reader_be64(r);
	m.vsz_kib = reader_be64(r);
	m.name = message_string_read(r, MESSAGE_NAME_MAX, true);
	m.args = message_string_read(r, MESSAGE_ARGS_MAX, true);
	if (r->err || m.state < '!' || m.state > '~' || m.pid == 0)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void message_proclist_write(struct writer *w, const struct message_proclist *m)
{
	writer_be32(w, m->number);
	writer_u8(w, (uint8_t)m->how);
	writer_be64(w, m->memory_kib);
}

int message_proclist_read(struct reader *r, struct message_proclist *ret)
{
	struct message_proclist m = { .number = reader_be32(r) };
	uint8_t how = reader_u8(r);

	m.memory_kib = reader_be64(r);
	if (r->err || how >= MESSAGE_GOING_ON_MAX_ || (how == MESSAGE_NODE_LOST && r->left > 0))
		return -EBADMSG;
	m.how = how;
	*ret = m;
	return 0;
}
