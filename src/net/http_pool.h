/*
 * http_pool.h - connections that are open and idle, between http_client.c and http_pool.c
 */
#pragma once

#include "net/http_client.h"

/*
 * An idle connection to @server that still lives. Return: its descriptor, now the caller's, or
 * -ENOENT. @p may be NULL.
 */
_must_check_ int http_pool_take(struct http_pool *p, const union ip_sock *server);

/*
 * Keep @fd, which this takes, for the next transfer from @server, or close it when there is no
 * room. @p may be NULL.
 */
void http_pool_give(struct http_pool *p, const union ip_sock *server, int fd);
