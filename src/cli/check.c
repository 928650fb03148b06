/*
 * check.c - bpboot check: is the cluster as its files say?
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/where.h"
#include "image/sign.h"
#include "base/path.h"
#include "serve/check.h"

#define CLUSTER_FILE "/etc/bpboot/cluster.conf"

struct options {
	struct keys_option keys; /* first, for keys_take() */
	const char *cluster;
	bool json;
};

static const struct option_row rows[] = {
	{ .name = "cluster",
	  .letter = 'c',
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "cluster file (" CLUSTER_FILE ")",
	  .offset = offsetof(struct options, cluster) },
	{ .name = "key",
	  .letter = 'k',
	  .type = OPTION_CALL,
	  .arg = "FILE",
	  .help = "public key that nodes are given (/etc/bpboot/sign.pub); again for more",
	  .call = keys_take },
	{ .name = "json",
	  .type = OPTION_FLAG,
	  .help = "findings for programs",
	  .offset = offsetof(struct options, json) },
	{ 0 },
};

static void tell(void *ctx, const struct check_finding *f)
{
	json_t *list = ctx;

	if (list)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:i, s:s}", "level",
						f->fatal ? "error" : "warning", "file", f->file,
						"line", (int)f->line, "words", f->words));
	else if (f->line > 0)
		log_line(f->fatal ? LOG_LEVEL_ERR : LOG_LEVEL_WARN, 0, "%s:%u: %s", f->file,
			 f->line, f->words);
	else
		log_line(f->fatal ? LOG_LEVEL_ERR : LOG_LEVEL_WARN, 0, "%s: %s", f->file, f->words);
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_free_ char *path = NULL;
	struct minisign_key keys[KEYS_MAX];
	struct check_key named[KEYS_MAX];
	struct check_spec spec = { .cluster_file = o->cluster, .keys = named, .tell = tell };
	struct check_result result = { 0 };
	json_t *list = o->json ? json_array() : NULL;
	int r = path_join(where_key_dir(), SIGN_PUBLIC_FILE, &path);

	if (r == 0)
		r = keys_load(&o->keys, keys, &spec.n_keys);
	for (size_t i = 0; r == 0 && i < spec.n_keys; i++)
		named[i] = (struct check_key){ .path = o->keys.n ? o->keys.paths[i] : path,
					       .key = keys[i] };
	spec.ctx = list;
	if (r == 0)
		r = check_site(&spec, &result);
	if (r == 0 && list && json_dumpf(list, stdout, JSON_INDENT(2)) < 0)
		r = log_err(-ENOMEM, "cannot write the findings");
	json_decref(list);
	if (r < 0)
		return r;
	if (o->json)
		putchar('\n');
	else
		printf("%zu nodes, %zu images: %zu errors, %zu warnings\n", result.nodes,
		       result.images, result.errors, result.warnings);
	return result.errors ? COMMAND_FAILED : COMMAND_OK;
}

static void defaults(void *opts)
{
	struct options *o = opts;

	o->cluster = CLUSTER_FILE;
}

const struct command cmd_check = {
	.name = "check",
	.args = "",
	.summary = "look for what is wrong with cluster file, node table, boot directory",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_max = 0,
	.run = run,
};
