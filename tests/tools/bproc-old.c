/*
 * bproc-old.c - a program as it was written for BProc 4: it starts, queries and waits
 *
 *   bproc-old COMMAND [ARGUMENT...]   run the command on every node that is up, one process a node
 *
 * Written from the description of the interface alone; it knows nothing of bpboot.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/bproc.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	struct bproc_node_set_t set = BPROC_EMPTY_NODESET;
	int *nodes, *pids, n = 0, i, status, worst = 0;
	char state[BPROC_STATE_LEN + 1];

	if (argc < 2) {
		fprintf(stderr, "usage: %s COMMAND [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	if (bproc_currnode() != BPROC_NODE_MASTER) {
		fprintf(stderr, "run me on the front end\n");
		return 2;
	}
	if (bproc_nodelist(&set) < 0) {
		fprintf(stderr, "bproc_nodelist: %s\n", bproc_strerror(errno));
		return 1;
	}
	nodes = malloc(set.size * sizeof(int));
	pids = malloc(set.size * sizeof(int));
	for (i = 0; i < set.size; i++) {
		struct bproc_node_info_t *info = bproc_node_set_node(&set, i);

		bproc_nodestatus(info->node, state, sizeof(state));
		if (strcmp(state, "up") == 0 && bproc_access(info->node, BPROC_X_OK) == 0)
			nodes[n++] = info->node;
	}
	printf("%d of %d nodes\n", n, bproc_numnodes());
	fflush(stdout);
	if (bproc_vexecmove(n, nodes, pids, argv[1], argv + 1, environ) != n) {
		fprintf(stderr, "bproc_vexecmove: %s\n", bproc_strerror(errno));
		return 1;
	}
	for (i = 0; i < n; i++) {
		if (pids[i] <= 0) {
			fprintf(stderr, "node %d: %s\n", nodes[i], bproc_strerror(pids[i]));
			worst = 1;
			continue;
		}
		if (waitpid(pids[i], &status, 0) != pids[i]) {
			fprintf(stderr, "node %d: cannot wait\n", nodes[i]);
			return 1;
		}
		if (WIFSIGNALED(status))
			printf("node %d: signal %d\n", nodes[i], WTERMSIG(status));
		else if (WEXITSTATUS(status) > worst)
			worst = WEXITSTATUS(status);
	}
	bproc_nodeset_free(&set);
	free(nodes);
	free(pids);
	return worst;
}
