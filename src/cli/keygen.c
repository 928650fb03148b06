/*
 * keygen.c - bpboot keygen: the keys of a site (docs/keys.md)
 *
 * Four files, or none: all are looked for before the first is written, so that an old key is never
 * paired with a new one. Secrets are created with mode 0600 and nobody else can ever open them,
 * whatever the umask.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/where.h"
#include "image/sign.h"
#include "wire/masterkey.h"

#define MASTER_KEY_FILE	   "master.key"
#define MASTER_PUBLIC_FILE "master.pub"

struct options {
	const char *dir;
	bool force;
};

static const struct option_row rows[] = {
	{ .name = "dir",
	  .letter = 'd',
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "where the keys go (/etc/bpboot; BPBOOT_KEYS overrides)",
	  .offset = offsetof(struct options, dir) },
	{ .name = "force",
	  .letter = 'f',
	  .type = OPTION_FLAG,
	  .help = "replace keys that are there",
	  .offset = offsetof(struct options, force) },
	{ 0 },
};

/* Return: 0 when there is none of the files yet. */
static int check_absent(int dirfd, const char *dir)
{
	static const char *const files[] = { SIGN_KEY_FILE, SIGN_PUBLIC_FILE, MASTER_KEY_FILE,
					     MASTER_PUBLIC_FILE };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (faccessat(dirfd, files[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return log_err(
				-EEXIST,
				"'%s/%s' is there; nothing was written (--force replaces it, "
				"and what was made with it has to be made again)",
				dir, files[i]);
		if (errno != ENOENT)
			return log_err(-errno, "cannot look for '%s/%s'", dir, files[i]);
	}
	return 0;
}

static int write_file(int dirfd, const char *dir, const char *name, const void *data, size_t n,
		      mode_t mode)
{
	int r = file_write(dirfd, name, data, n, mode);

	return r < 0 ? log_err(r, "cannot write '%s/%s'", dir, name) : 0;
}

static int write_signing(int dirfd, const char *dir)
{
	_cleanup_buffer_ struct buffer secret = BUFFER(MINISIGN_FILE_MAX),
				       public = BUFFER(MINISIGN_FILE_MAX);
	_cleanup_sign_key_ struct sign_key key;
	char id[MINISIGN_ID_STR_MAX];
	struct minisign_key pub;
	int r = sign_key_generate(&key);

	if (r == 0)
		sign_public(&key, &pub);
	if (r == 0)
		r = sign_key_format(&key, &secret);
	if (r == 0)
		r = minisign_key_format(&pub, &public);
	if (r == 0)
		r = write_file(dirfd, dir, SIGN_KEY_FILE, secret.data, secret.len, 0600);
	if (r == 0)
		r = write_file(dirfd, dir, SIGN_PUBLIC_FILE, public.data, public.len, 0644);
	if (secret.data)
		sodium_memzero(secret.data, secret.len);
	if (r == 0)
		printf("signing key %s: %s/%s, public half %s/%s\n", minisign_id_str(pub.id, id),
		       dir, SIGN_KEY_FILE, dir, SIGN_PUBLIC_FILE);
	return r;
}

static int write_master(int dirfd, const char *dir)
{
	uint8_t secret[MASTERKEY_BYTES], public[MASTERKEY_BYTES];
	char text[MASTERKEY_TEXT_MAX];
	int r;

	crypto_kx_keypair(public, secret);
	masterkey_format(MASTERKEY_SECRET, secret, text);
	r = write_file(dirfd, dir, MASTER_KEY_FILE, text, strlen(text), 0600);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(text, sizeof(text));
	if (r < 0)
		return r;
	masterkey_format(MASTERKEY_PUBLIC, public, text);
	r = write_file(dirfd, dir, MASTER_PUBLIC_FILE, text, strlen(text), 0644);
	if (r == 0)
		printf("master key: %s/%s, public half %s/%s\n", dir, MASTER_KEY_FILE, dir,
		       MASTER_PUBLIC_FILE);
	return r;
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	const char *dir = o->dir ? o->dir : where_key_dir();
	_cleanup_close_ int fd = FD_NONE;
	int r = path_mkdirs(AT_FDCWD, dir, 0755);

	if (r == 0) {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	if (r < 0)
		return log_err(r, "cannot use the key directory '%s' (--dir names another)", dir);
	if (!o->force) {
		r = check_absent(fd, dir);
		if (r < 0)
			return r;
	}
	r = write_signing(fd, dir);
	return r < 0 ? r : write_master(fd, dir);
}

const struct command cmd_keygen = {
	.name = "keygen",
	.args = "",
	.summary = "make the key that signs images and the key of bpmaster",
	.options = rows,
	.options_size = sizeof(struct options),
	.run = run,
};
