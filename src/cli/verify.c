/*
 * verify.c - bpboot verify: is what the boot directory holds what was signed?
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/subject.h"
#include "cli/where.h"
#include "image/publish.h"
#include "image/verify.h"

#define VERIFY_IMAGES_MAX 1024

static const char suffix[] = PUBLISHED_SUFFIX;

struct options {
	struct keys_option keys; /* first, for keys_take() */
	const char *output;
	bool no_key, prune;
};

static const struct option_row rows[] = {
	{ .name = "output",
	  .letter = 'o',
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "the boot directory (/srv/bpboot; BPBOOT_DIR overrides)",
	  .offset = offsetof(struct options, output) },
	{ .name = "key",
	  .letter = 'k',
	  .type = OPTION_CALL,
	  .arg = "FILE",
	  .help = "public key that must have signed (/etc/bpboot/sign.pub); again for more",
	  .call = keys_take },
	{ .name = "no-signature",
	  .type = OPTION_FLAG,
	  .help = "check the parts only",
	  .offset = offsetof(struct options, no_key) },
	{ .name = "prune",
	  .type = OPTION_FLAG,
	  .help = "if all is good, remove the parts that no image names any more",
	  .offset = offsetof(struct options, prune) },
	{ 0 },
};

static int verify_one(int dirfd, const char *name, const struct minisign_key *keys, size_t n_keys)
{
	char image[FORMAT_SIZE_MAX], stored[FORMAT_SIZE_MAX];
	struct verify_result v;
	int r = verify_image(dirfd, name, keys, n_keys, &v);

	if (r < 0) {
		printf("%s: bad\n", name);
		return r;
	}
	printf("%s: good: counter %llu, %s in %zu parts and %zu holes, %s stored, %s%s\n", name,
	       (unsigned long long)v.counter, format_size(v.image_bytes, image), v.parts, v.holes,
	       format_size(v.stored_bytes, stored), n_keys ? "signed by " : "signature not checked",
	       v.key_id);
	return 0;
}

static int index_filter(const struct dirent *e)
{
	size_t n = strlen(e->d_name), k = strlen(suffix);

	return e->d_name[0] != '.' && n > k && !strcmp(e->d_name + n - k, suffix);
}

static int verify_all(int dirfd, const char *dir, const struct minisign_key *keys, size_t n_keys)
{
	struct dirent **list = NULL;
	int n = scandirat(dirfd, ".", &list, index_filter, alphasort), r = 0;

	if (n < 0)
		return log_err(-errno, "cannot read '%s'", dir);
	if (n == 0)
		r = log_err(-ENOENT, "'%s' holds no index ('bpboot image' writes one)", dir);
	for (int i = 0; i < n; i++) {
		list[i]->d_name[strlen(list[i]->d_name) - strlen(suffix)] = 0;
		if (verify_one(dirfd, list[i]->d_name, keys, n_keys) < 0)
			r = -EBADMSG;
		free(list[i]);
	}
	free(list);
	return r;
}

static int prune(int dirfd)
{
	char size[FORMAT_SIZE_MAX];
	uint64_t bytes;
	size_t parts;
	int r = publish_prune(dirfd, &parts, &bytes);

	if (r == 0)
		printf("%zu parts removed, %s\n", parts, format_size(bytes, size));
	return r;
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	const char *dir = o->output ? o->output : where_boot_dir();
	_cleanup_free_ char *arg_dir = NULL, *name = NULL;
	_cleanup_close_ int fd = FD_NONE;
	struct minisign_key keys[KEYS_MAX];
	size_t n_keys = 0;
	int r = o->no_key ? 0 : keys_load(&o->keys, keys, &n_keys);

	if (r == 0 && argc > 0)
		r = subject_split(argv[0], &arg_dir, &name);
	if (r < 0)
		return r;
	dir = arg_dir ? arg_dir : dir;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return log_err(-errno, "cannot open boot directory '%s'", dir);
	r = name ? verify_one(fd, name, keys, n_keys) : verify_all(fd, dir, keys, n_keys);
	return r == 0 && o->prune ? prune(fd) : r;
}

const struct command cmd_verify = {
	.name = "verify",
	.args = "[IMAGE]",
	.summary = "check index, signature and parts of published images",
	.details = "IMAGE is an image's name or the path of its index; without it every image is "
		   "checked.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
