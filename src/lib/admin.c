/*
 * admin.c - libbproc: permissions, states, power; processes of the space; the version
 *
 * What changes a node is for root and the user that bpmaster runs as: EPERM for others.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib.h"

#define GROUPS_MAX 65536 /* supplementary groups of a process: the kernel's limit */

int bproc_chmod(int node, int mode)
{
	return lib_result(lib_set(node, MESSAGE_SET_MODE, (uint32_t)mode & 0111, ""));
}

int bproc_chown(int node, int user)
{
	return lib_result(lib_set(node, MESSAGE_SET_USER, (uint32_t)user, ""));
}

int bproc_chgrp(int node, int group)
{
	return lib_result(lib_set(node, MESSAGE_SET_GROUP, (uint32_t)group, ""));
}

/* Return: 1, 0, or negative errno. */
static int in_group(gid_t group)
{
	_cleanup_free_ gid_t *groups = NULL;
	int n;

	if (getegid() == group)
		return 1;
	groups = calloc(GROUPS_MAX, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	n = getgroups(GROUPS_MAX, groups);
	for (int i = 0; i < n; i++) {
		if (groups[i] == group)
			return 1;
	}
	return n < 0 ? -errno : 0;
}

int bproc_nodechroot(int node, char *path)
{
	if (!path || strlen(path) >= MESSAGE_WORD_MAX)
		return lib_result(path ? -ENAMETOOLONG : -EINVAL);
	return lib_result(lib_set(node, MESSAGE_SET_CHROOT, 0, path));
}

int bproc_nodereconnect(int node, struct sockaddr *remote, int remote_size, struct sockaddr *local,
			int local_size)
{
	union ip_sock to = { 0 };
	char address[IP_STR_MAX], text[IP_STR_MAX + 16];
	struct ipaddr host;

	if (!remote || remote_size < (int)sizeof(to.in) || remote_size > (int)sizeof(to) || local)
		return lib_result(-EINVAL); /* which address a node speaks from is its own affair */
	memcpy(&to, remote, (size_t)remote_size);
	host = ip_sock_host(&to);
	if (!ip_is_set(&host))
		return lib_result(-EINVAL);
	snprintf(text, sizeof(text), to.sa.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		 ip_format(&host, address), ip_sock_port(&to));
	return lib_result(lib_set(node, MESSAGE_SET_RECONNECT, 0, text));
}

int bproc_access(int node, int mode)
{
	struct bproc_node_info_t info;
	unsigned bit = 0001;
	int r = 0;

	if (mode & ~BPROC_X_OK)
		return lib_result(-EINVAL);
	if (node == BPROC_NODE_MASTER)
		return 0;
	if (bproc_nodeinfo(node, &info) < 0)
		return -1;
	if (geteuid() == 0 || !(mode & BPROC_X_OK))
		return 0;
	if (geteuid() == info.user)
		bit = 0100;
	else
		r = in_group(info.group);
	if (r > 0)
		bit = 0010;
	return r < 0 ? lib_result(r) : info.mode & bit ? 0 : lib_result(-EACCES);
}

int bproc_nodesetstatus(int node, char *status)
{
	if (!status || !message_state_valid(status))
		return lib_result(-EINVAL);
	return lib_result(lib_set(node, MESSAGE_SET_STATE, 0, status));
}

int bproc_nodereboot(int node)
{
	return lib_result(lib_set(node, MESSAGE_SET_POWER, MESSAGE_REBOOT, ""));
}

int bproc_nodehalt(int node)
{
	return lib_result(lib_set(node, MESSAGE_SET_POWER, MESSAGE_HALT, ""));
}

int bproc_nodepwroff(int node)
{
	return lib_result(lib_set(node, MESSAGE_SET_POWER, MESSAGE_POWEROFF, ""));
}

/* None of them waits for the node. */
int bproc_nodereboot_async(int node)
{
	return bproc_nodereboot(node);
}

int bproc_nodehalt_async(int node)
{
	return bproc_nodehalt(node);
}

int bproc_nodepwroff_async(int node)
{
	return bproc_nodepwroff(node);
}

struct processes {
	int node;
	struct bproc_proc_info_t *list;
	size_t n, cap;
};

static int take_ghost(void *owner, struct reader *body)
{
	struct processes *p = owner;
	struct message_ghost g;
	int r = message_ghost_read(body, &g);

	if (r < 0 || (p->node != BPROC_NODE_ANY && (uint32_t)p->node != g.node))
		return r;
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		void *list = reallocarray(p->list, cap, sizeof(*p->list));

		if (!list)
			return -ENOMEM;
		p->list = list;
		p->cap = cap;
	}
	p->list[p->n++] = (struct bproc_proc_info_t){ .pid = (int)g.pid, .node = (int)g.node };
	return 0;
}

int bproc_proclist(int node, struct bproc_proc_info_t **list)
{
	_cleanup_caller_ struct caller c = CALLER();
	struct processes p = { .node = node };
	int r = lib_open(&c);

	if (r == 0)
		r = caller_each(&c, MESSAGE_GHOSTS, MESSAGE_GHOST, take_ghost, &p);
	if (r == 0 && !p.list) {
		p.list = calloc(1, sizeof(*p.list)); /* the caller may free it in any case */
		r = p.list ? 0 : -ENOMEM;
	}
	if (r < 0) {
		free(p.list);
		return lib_result(r);
	}
	*list = p.list;
	return (int)p.n;
}

int bproc_pidnode(int pid)
{
	_cleanup_free_ struct bproc_proc_info_t *list = NULL;
	int n;

	if (pid == getpid())
		return bproc_currnode();
	n = bproc_proclist(BPROC_NODE_ANY, &list);
	if (n < 0)
		return BPROC_NODE_NONE;
	for (int i = 0; i < n; i++) {
		if (list[i].pid == pid)
			return list[i].node;
	}
	if (pid > 0 && (kill(pid, 0) == 0 || errno == EPERM))
		return BPROC_NODE_MASTER;
	errno = BE_INVALIDPROC;
	return BPROC_NODE_NONE;
}

int bproc_version(struct bproc_version_t *version)
{
	*version = (struct bproc_version_t){ .bproc_magic = { 'B', 'P', 'R' },
					     .magic = BPROC_API_VERSION };
	snprintf(version->version_string, sizeof(version->version_string), "bpboot %s",
		 BPBOOT_VERSION);
	return 0;
}
