/*
 * writebehind.c - writes to a file in a thread of its own, while the next bytes are made
 *
 * A ring of buffers: those from tail on are written in order, the one at head is filled. Who finds
 * the ring full waits until half of it is written: two threads that wake each other for every
 * buffer spend more on that than on the work. Where no thread can be started, a buffer is written
 * as soon as it is put.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "image/writebehind.h"

struct piece {
	uint8_t *data; /* owned */
	size_t n;
	uint64_t at;
};

struct writebehind {
	int fd;
	struct piece ring[WRITEBEHIND_BUFFERS];
	bool alone; /* there is no thread */
	pthread_t thread;
	pthread_mutex_t lock; /* over all below */
	pthread_cond_t more;  /* something was put, or no more comes */
	pthread_cond_t less;  /* so much was written that no more than wanted are left */
	unsigned wanted;
	unsigned head, tail; /* count up; the ring's place is the rest */
	bool ended;
	int err;
};

static struct piece *place(struct writebehind *w, unsigned k)
{
	return &w->ring[k % WRITEBEHIND_BUFFERS];
}

static int write_piece(int fd, const struct piece *p)
{
	for (size_t done = 0; done < p->n;) {
		ssize_t k = pwrite(fd, p->data + done, p->n - done, (off_t)(p->at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		done += (size_t)k;
	}
	return 0;
}

/* After an error nothing more is written, but all that is put is taken. */
static void *write_thread(void *arg)
{
	struct writebehind *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		int r;

		while (w->tail == w->head && !w->ended)
			pthread_cond_wait(&w->more, &w->lock);
		if (w->tail == w->head)
			break;
		r = w->err;
		pthread_mutex_unlock(&w->lock);
		r = r < 0 ? r : write_piece(w->fd, place(w, w->tail));
		pthread_mutex_lock(&w->lock);
		w->err = r;
		w->tail++;
		if (w->head - w->tail <= w->wanted)
			pthread_cond_signal(&w->less);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int writebehind_new(int fd, size_t bytes, struct writebehind **ret)
{
	struct writebehind *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = fd;
	w->alone = true;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	pthread_cond_init(&w->less, NULL);
	for (unsigned k = 0; k < WRITEBEHIND_BUFFERS; k++) {
		w->ring[k].data = malloc(bytes);
		if (!w->ring[k].data) {
			writebehind_free(w);
			return -ENOMEM;
		}
	}
	w->alone = pthread_create(&w->thread, NULL, write_thread, w) != 0;
	*ret = w;
	return 0;
}

void writebehind_free(struct writebehind *w)
{
	if (!w)
		return;
	if (!w->alone) {
		pthread_mutex_lock(&w->lock);
		w->ended = true;
		pthread_cond_signal(&w->more);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	for (unsigned k = 0; k < WRITEBEHIND_BUFFERS; k++)
		free(w->ring[k].data);
	pthread_cond_destroy(&w->less);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* With the lock: wait until at most @n pieces are on their way. Return: as writebehind_wait(). */
static int wait_for(struct writebehind *w, unsigned n)
{
	w->wanted = n;
	while (w->head - w->tail > n)
		pthread_cond_wait(&w->less, &w->lock);
	return w->err;
}

int writebehind_take(struct writebehind *w, uint8_t **ret)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = w->head - w->tail == WRITEBEHIND_BUFFERS ? wait_for(w, WRITEBEHIND_BUFFERS / 2)
						     : w->err;
	pthread_mutex_unlock(&w->lock);
	if (r == 0)
		*ret = place(w, w->head)->data;
	return r;
}

void writebehind_put(struct writebehind *w, size_t n, uint64_t at)
{
	struct piece *p = place(w, w->head);

	p->n = n;
	p->at = at;
	if (w->alone) {
		w->err = w->err < 0 ? w->err : write_piece(w->fd, p);
		return;
	}
	pthread_mutex_lock(&w->lock);
	w->head++;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

int writebehind_wait(struct writebehind *w)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = wait_for(w, 0);
	pthread_mutex_unlock(&w->lock);
	return r;
}
