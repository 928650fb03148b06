/*
 * journal.c - the latest bytes of a stream, by their place in it
 */
#include <errno.h>
#include <sys/types.h>

#include "space/journal.h"

uint64_t journal_end(const struct journal *j)
{
	return j->start + j->bytes.len;
}

int journal_append(struct journal *j, const void *p, size_t n)
{
	return buffer_append(&j->bytes, p, n);
}

void journal_forget(struct journal *j, uint64_t place)
{
	size_t n = place <= j->start ? 0 : (size_t)MIN(place - j->start, (uint64_t)j->bytes.len);

	j->start += n;
	if (n == j->bytes.len)
		buffer_clear(&j->bytes); /* most streams are quiet most of the time */
	else
		buffer_consume(&j->bytes, n);
}

ssize_t journal_at(const struct journal *j, uint64_t place, size_t max, const uint8_t **ret)
{
	if (place < j->start || place > journal_end(j))
		return -ERANGE;
	*ret = j->bytes.data ? j->bytes.data + (place - j->start) : NULL;
	return (ssize_t)MIN(journal_end(j) - place, (uint64_t)max);
}

void journal_clear(struct journal *j)
{
	buffer_clear(&j->bytes);
}
