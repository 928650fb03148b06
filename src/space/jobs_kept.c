/*
 * jobs_kept.c - processes of nodes that nobody has asked for again, after we were away
 *
 * Who stands for such a process may come yet; may be stopped, and cannot come; or has ended while
 * nobody could be told. A node tells of these processes as long as there are any. The first kind
 * needs nothing of us; to the second, signals find their way by the ghost's number; of the third
 * kind the node is told, and ends the process at once instead of when its patience is over.
 *
 * A number says nothing of a program in another PID namespace: of those no node tells.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "space/jobs_internal.h"
#include "space/process.h"

#define KEPT_ROUND_MS 1000 /* a node that tells more often is not listened to */

void jobs_kept_clear(struct slave *s)
{
	free(s->kept);
	s->kept = NULL;
	s->n_kept = 0;
}

/* Whether it has ended; also when its parent has not looked yet. */
static bool is_gone(uint32_t pid)
{
	_cleanup_close_ int fd = pidfd_open((pid_t)pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return fd < 0 ? errno == ESRCH : poll(&p, 1, 0) == 1;
}

/* Whoever stands for it is stopped, or has not come yet: signals do not wait for that. */
static void signals_again(const struct slave *s, const struct message_kept *k)
{
	for (struct job *j = s->member->waiting; j; j = j->next) {
		if (j->state == JOB_SUSPENDED && (j->n_sent > 0 || j->signals != 0) &&
		    message_key_equal(&j->at.key, &k->key))
			job_signals_again(j, k->signals);
	}
}

/* Whether what the node tells is to be listened to: the first of a round decides. */
static bool is_due(struct slave *s, bool first)
{
	uint64_t now = clock_ms();

	if (first) {
		s->kept_passed = s->kept_ms != 0 && now - s->kept_ms < KEPT_ROUND_MS;
		if (!s->kept_passed) {
			s->kept_ms = now;
			jobs_kept_clear(s);
		}
	}
	return s->kept_ms != 0 && !s->kept_passed;
}

int job_take_kept(void *slave, struct reader *r)
{
	struct slave *s = slave;
	uint8_t first = reader_u8(r);
	size_t n = r->left / MESSAGE_KEPT_BYTES;
	struct message_kept *list;

	if (first > 1 || n * MESSAGE_KEPT_BYTES != r->left)
		return -EBADMSG;
	if (!is_due(s, first) || n == 0)
		return 0;
	if (s->n_kept + n > PROCESSES_MAX)
		return -EPROTO;
	list = reallocarray(s->kept, s->n_kept + n, sizeof(*list));
	if (!list)
		return 0; /* it tells again */
	s->kept = list;
	while (n-- > 0) {
		struct message_kept k;
		int e = message_kept_read(r, &k);
		bool gone;

		if (e < 0)
			return e;
		gone = is_gone(k.pid);
		if (!gone)
			s->kept[s->n_kept++] = k;
		if (!slave_room(s, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
			continue; /* it tells again */
		if (gone)
			slave_nudge(s, &k.key, 0);
		else
			signals_again(s, &k);
	}
	return 0;
}

int jobs_kept_kill(struct client *c, uint32_t pid, uint8_t signal)
{
	struct master *m = c->master;
	int r = -ESRCH;

	for (size_t i = 0; i < m->n_members; i++) {
		struct slave *s = m->members[i]->slave;

		for (size_t k = 0; s && k < s->n_kept; k++) {
			if (s->kept[k].pid != pid)
				continue;
			if (!client_is_owner(c) && s->kept[k].uid != c->who.uid)
				r = r == -ESRCH ? -EPERM : r;
			else if (slave_room(s, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
				slave_nudge(s, &s->kept[k].key, signal), r = 0;
		}
	}
	return r;
}
