/*
 * namespace.h - namespaces of the lab's own: processes, network, and users when we are not root
 */
#pragma once

#include <sys/types.h>

#include "base/lang.h"

/*
 * fork() into new namespaces. The child is process 1 of its own process namespace, so that when it
 * ends, however it does, the kernel ends all that it started; it is root in the user namespace of
 * the network. Return: in the caller 0 with the child's *ret_pid, or negative errno (logged); in
 * the child 0 with *ret_pid 0. A child that cannot become root there says so and ends at once.
 */
_must_check_ int namespace_fork(pid_t *ret_pid);

/* Run one line of ip(8) commands each, separated by newlines. Return: 0 or negative errno (logged).
 */
_must_check_ int namespace_ip(const char *batch);
