/*
 * keys.c - the option --key of commands that check or hand on signatures
 */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "base/path.h"
#include "cli/keys.h"
#include "cli/where.h"
#include "image/sign.h"

int keys_take(void *options, const char *value)
{
	struct keys_option *o = options;

	if (o->n == KEYS_MAX)
		return log_err(-E2BIG, "more than %d keys", KEYS_MAX);
	o->paths[o->n++] = value;
	return 0;
}

int keys_load(const struct keys_option *o, struct minisign_key ret[static KEYS_MAX], size_t *ret_n)
{
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (o->n == 0)
		r = path_join(where_key_dir(), SIGN_PUBLIC_FILE, &path);
	if (path)
		r = sign_public_load(AT_FDCWD, path, &ret[0]);
	for (size_t i = 0; r == 0 && i < o->n; i++)
		r = sign_public_load(AT_FDCWD, o->paths[i], &ret[i]);
	if (r == 0)
		*ret_n = path ? 1 : o->n;
	return r;
}
