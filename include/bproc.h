/*
 * bproc.h - libbproc: nodes as processors of the front end, for programs
 *
 * The interface of BProc 4, answered by bpboot's bpmaster in user space: what starts, asks and
 * waits works as it did; what moves a running process answers ENOSYS. See bproc(3).
 *
 * Unless said otherwise a function returns -1 and sets errno on an error. The layout of every type
 * and the meaning of every function stay as they are as long as the library is libbproc.so.4.
 */
#ifndef BPROC_H
#define BPROC_H

#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BPROC_API_VERSION 4

/* Nodes that have no number of their own. */
#define BPROC_NODE_MASTER (-1) /* the front end */
#define BPROC_NODE_SELF	  (-2) /* where the caller runs */
#define BPROC_NODE_NONE	  (-3)
#define BPROC_NODE_ANY	  (-4) /* all of them, where a list is asked for */

#define BPROC_STATUS_NONE (-2)

/* What of a process travels as its bytes, and not as the path of a file. */
#define BPROC_DUMP_LIBS	 1
#define BPROC_DUMP_EXEC	 2
#define BPROC_DUMP_OTHER 4
#define BPROC_DUMP_ALL	 7

#define BPROC_X_OK 1 /* bproc_access(): may processes be started there? */

/* Values of errno beside the system's. */
#define BE_BASE	       300
#define BE_INVALIDNODE 300 /* there is no such node */
#define BE_NODEDOWN    301 /* it is not up */
#define BE_SAMENODE    302 /* the caller is there already */
#define BE_SLAVEDIED   303 /* the node was lost meanwhile */
#define BE_INVALIDPROC 304 /* there is no such process in the space */

#define BPROC_STATE_LEN 15 /* bytes of a state, without its NUL */

struct bproc_node_info_t {
	int node;
	char status[BPROC_STATE_LEN + 1];
	unsigned int mode; /* execute bits of user, group, others */
	unsigned int user;
	unsigned int group;
	struct sockaddr addr; /* AF_INET, or AF_UNSPEC while there is none; IPv6: bproc_nodeaddr() */
	time_t atime;
	time_t mtime; /* of the last change of state */
};

struct bproc_node_set_t {
	int size; /* nodes in it */
	int alloc;
	struct bproc_node_info_t *node;
};
#define BPROC_EMPTY_NODESET	      { 0, 0, 0 }
#define bproc_node_set_node(set, i) (&(set)->node[i])

struct bproc_proc_info_t {
	int pid; /* on the front end: of the process that stands for it */
	int node;
};

struct bproc_version_t {
	char bproc_magic[3];
	uint8_t arch;
	uint32_t magic;
	char version_string[24];
};

/* How a descriptor of a process that is started is set up. */
#define BPROC_IO_MAX_LEN   16
#define BPROC_IO_FILE	   0x000
#define BPROC_IO_SOCKET	   0x001
#define BPROC_IO_MEMFILE   0x002
#define BPROC_IO_SEND_INFO 0x001 /* flag: first two ints go out, the pid and the descriptor */
#define BPROC_IO_DELAY	   0x002

typedef struct bproc_io_t {
	int fd;
	short type;
	short flags;
	union {
		struct sockaddr addr; /* address 0.0.0.0: the front end */
		struct {
			int flags; /* of open(2) */
			int mode;
			long offset;
			char name[256];
		} file;
		struct {
			void *base;
			long size;
		} mem;
	} d;
} bproc_io_t;

/* Nodes */
int bproc_numnodes(void);
int bproc_currnode(void);
int bproc_nodestatus(int node, char *status, int len);
int bproc_nodeaddr(int node, struct sockaddr *addr, int *size);
int bproc_nodeinfo(int node, struct bproc_node_info_t *info);
int bproc_nodelist(struct bproc_node_set_t *set);
int bproc_nodelist_(struct bproc_node_set_t *set, int notifier);
int bproc_nodespec(struct bproc_node_set_t *set, const char *text);
int bproc_notifier(void);
int bproc_getnodeattr(int node, char *name, void *value, int size);
int bproc_setnodeattr(int node, char *name, void *value, int size);

/* Permissions */
int bproc_access(int node, int mode);
int bproc_chmod(int node, int mode);
int bproc_chown(int node, int user);
int bproc_chgrp(int node, int group);

/* Node sets */
int bproc_nodeset_init(struct bproc_node_set_t *set, int size);
int bproc_nodeset_grow(struct bproc_node_set_t *set, int size);
void bproc_nodeset_free(struct bproc_node_set_t *set);
int bproc_nodeset_add(struct bproc_node_set_t *set, struct bproc_node_info_t *node);
int bproc_nodeset_append(struct bproc_node_set_t *to, struct bproc_node_set_t *from);
int bproc_nodefilter(struct bproc_node_set_t *out, struct bproc_node_set_t *in, const char *text);

/* Processes */
int bproc_proclist(int node, struct bproc_proc_info_t **list);
int bproc_pidnode(int pid);

/* Starting */
int bproc_rexec(int node, const char *cmd, char *const argv[], char *const envp[]);
int bproc_rexec_io(int node, struct bproc_io_t *io, int iolen, const char *cmd, char *const argv[],
		   char *const envp[]);
int bproc_execmove(int node, const char *cmd, char *const argv[], char *const envp[]);
int bproc_execmove_io(int node, struct bproc_io_t *io, int iolen, const char *cmd,
		      char *const argv[], char *const envp[]);
int bproc_vexecmove(int nnodes, int *nodes, int *pids, const char *cmd, char *const argv[],
		    char *const envp[]);
int bproc_vexecmove_io(int nnodes, int *nodes, int *pids, struct bproc_io_t *io, int iolen,
		       const char *cmd, char *const argv[], char *const envp[]);

/* Moves of a running process: ENOSYS */
int bproc_move(int node);
int bproc_move_io(int node, struct bproc_io_t *io, int iolen);
int bproc_rfork(int node);
int bproc_rfork_io(int node, struct bproc_io_t *io, int iolen);
int bproc_vrfork(int nnodes, int *nodes, int *pids);
int bproc_vrfork_io(int nnodes, int *nodes, int *pids, struct bproc_io_t *io, int iolen);

/* The same, saying what is to travel: ENOSYS */
int _bproc_move(int node, int flags);
int _bproc_move_io(int node, struct bproc_io_t *io, int iolen, int flags);
int _bproc_rfork(int node, int flags);
int _bproc_rfork_io(int node, struct bproc_io_t *io, int iolen, int flags);
int _bproc_vrfork(int nnodes, int *nodes, int *pids, int flags);
int _bproc_vrfork_io(int nnodes, int *nodes, int *pids, struct bproc_io_t *io, int iolen,
		     int flags);

/* A process into a file and out of it, and libraries that need not travel: ENOSYS */
int bproc_dump(int fd, int flags);
int bproc_undump(int fd);
int bproc_execdump(int fd, int flags, const char *cmd, char *const argv[], char *const envp[]);
int bproc_libclear(void);
int bproc_libadd(const char *libname);
int bproc_libdel(const char *libname);
int bproc_liblist(char **list);

/* Administration */
int bproc_nodesetstatus(int node, char *status);
int bproc_nodereboot(int node);
int bproc_nodehalt(int node);
int bproc_nodepwroff(int node);
int bproc_nodereboot_async(int node);
int bproc_nodehalt_async(int node);
int bproc_nodepwroff_async(int node);
int bproc_nodechroot(int node, char *path);
int bproc_nodereconnect(int node, struct sockaddr *remote, int remote_size, struct sockaddr *local,
			int local_size);
int bproc_version(struct bproc_version_t *version);
const char *bproc_strerror(int err);

#ifdef __cplusplus
}
#endif
#endif
