/*
 * strays.c - descriptors that nobody asked for, closed where that may wait
 *
 * Who may send a descriptor may send one whose close(2) takes as long as he likes: a socket that
 * lingers, a file of a file system that he serves himself. So bpmaster closes no such thing;
 * threads do that have nothing else to do, made when there is something for them. If all of them
 * wait, the rest stays open, which costs descriptors and nobody's time.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/lang.h"
#include "space/strays.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	int *fds; /* that wait */
	size_t n, cap;
	size_t threads, idle;
} strays = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void *run(void *unused)
{
	(void)pthread_mutex_lock(&strays.lock); /* fails for a wrong argument only, as all below */
	for (;;) {
		int fd;

		while (strays.n == 0) {
			strays.idle++;
			(void)pthread_cond_wait(&strays.more, &strays.lock);
			strays.idle--;
		}
		fd = strays.fds[--strays.n];
		(void)pthread_mutex_unlock(&strays.lock);
		fd_close(fd);
		(void)pthread_mutex_lock(&strays.lock);
	}
	return NULL;
}

/* One thread more, which takes no signals. */
static void thread_new(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	if (pthread_create(&thread, NULL, run, NULL) == 0) {
		(void)pthread_detach(thread);
		strays.threads++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void strays_close(const int *fds, size_t n)
{
	(void)pthread_mutex_lock(&strays.lock);
	if (strays.n + n > strays.cap && strays.n + n <= STRAYS_MAX) {
		size_t cap = MAX(2 * strays.cap, strays.n + n);
		int *p = reallocarray(strays.fds, cap, sizeof(*p));

		if (p) {
			strays.fds = p;
			strays.cap = cap;
		}
	}
	if (strays.n + n <= strays.cap) {
		memcpy(strays.fds + strays.n, fds, n * sizeof(*fds));
		strays.n += n;
	}
	if (strays.n > strays.idle && strays.threads < STRAYS_THREADS)
		thread_new();
	(void)pthread_cond_broadcast(&strays.more);
	(void)pthread_mutex_unlock(&strays.lock);
}
