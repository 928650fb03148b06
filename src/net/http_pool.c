/*
 * http_pool.c - connections that are open and idle
 *
 * A server may close one at any time, or say something that nobody asked for; both are seen when it
 * is taken out again.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/http_pool.h"

struct http_pool {
	size_t n;
	struct idle {
		int fd;
		union ip_sock server;
	} idle[HTTP_POOL_MAX];
};

int http_pool_new(struct http_pool **ret)
{
	struct http_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

void http_pool_free(struct http_pool *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		fd_close(p->idle[i].fd);
	free(p);
}

/* Nothing to read and not closed. */
static bool is_quiet(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

int http_pool_take(struct http_pool *p, const union ip_sock *server)
{
	size_t i = p ? p->n : 0;

	while (i-- > 0) { /* the one that was used last: the likeliest to live */
		struct idle idle = p->idle[i];

		if (!ip_sock_same_host(&idle.server, server) ||
		    ip_sock_port(&idle.server) != ip_sock_port(server))
			continue;
		p->idle[i] = p->idle[--p->n];
		if (is_quiet(idle.fd))
			return idle.fd;
		fd_close(idle.fd);
	}
	return -ENOENT;
}

void http_pool_give(struct http_pool *p, const union ip_sock *server, int fd)
{
	if (!p || p->n == HTTP_POOL_MAX)
		fd_close(fd);
	else
		p->idle[p->n++] = (struct idle){ fd, *server };
}
