/*
 * node_key.c - the key by which bpmaster knows this node again
 *
 * A node without a disk has nothing that outlives its boot: its key lies in /run, made at the first
 * start of bpslave, before any program of a user can run here, and readable by root alone. So a
 * bpslave that was restarted is the same node, and nobody else is. A file that others may read or
 * write is no key: a lasting one keeps bpslave from starting, one of this boot is made anew.
 *
 * What such a node does have is its firmware (node_key_efi.h), where that is EFI; where it is not,
 * or keeps nothing, the key of a boot has to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "space/node_key.h"
#include "space/node_key_efi.h"
#include "wire/masterkey.h"

/* Whether nobody but root and ourselves can have touched or read it. */
static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077) &&
	       (st.st_uid == geteuid() || st.st_uid == 0);
}

/* Return: 0; -ENOENT; -EPERM: others may use it; -EBADMSG: not a key of a node; another errno. */
static int load(const char *path, struct keypair *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MASTERKEY_TEXT_MAX);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t secret[CIPHER_KEY_BYTES];
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	if (!is_ours(fd))
		return -EPERM;
	r = buffer_reserve(&text, MASTERKEY_TEXT_MAX - 1);
	if (r < 0)
		return r;
	n = read(fd, text.data, MASTERKEY_TEXT_MAX - 1);
	if (n < 0)
		return -errno;
	r = masterkey_parse(MASTERKEY_NODE, text.data, (size_t)n, secret);
	if (r == 0)
		r = keypair_of(secret, ret);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(text.data, (size_t)n);
	return r < 0 ? -EBADMSG : 0;
}

static int make(const char *path, struct keypair *ret)
{
	char text[MASTERKEY_TEXT_MAX];
	int r;

	keypair_make(ret);
	masterkey_format(MASTERKEY_NODE, ret->secret, text);
	r = file_write(AT_FDCWD, path, text, strlen(text), 0600);
	sodium_memzero(text, sizeof(text));
	return r;
}

static void say(const struct node_key *k)
{
	char fingerprint[CIPHER_FINGERPRINT];

	log_info("the key of this node%s: %s", k->lasting ? "" : ", for this boot",
		 cipher_fingerprint(k->pair.public, fingerprint));
}

static int open_lasting(const char *path, struct node_key *ret)
{
	int r = load(path, &ret->pair);

	ret->lasting = true;
	if (r == -ENOENT) {
		r = make(path, &ret->pair);
		if (r < 0)
			return log_err(r, "cannot keep a key of this node in '%s'", path);
	}
	if (r == -EPERM)
		return log_err(0,
			       "the key of this node '%s' is not safe: only its owner, root or the "
			       "user of bpslave, may have any right to it (chmod 600; or remove it "
			       "and have bpmaster forget it)",
			       path),
		       r;
	if (r < 0)
		return log_err(r, "cannot read the key of this node '%s'", path);
	say(ret);
	return 0;
}

/* Return: 1: this machine keeps no key in EFI, and that is said; 0; negative errno (logged). */
static int open_efi(struct node_key *ret)
{
	_cleanup_close_ int dir = FD_NONE;
	int r = node_key_efi_mount(&dir);

	if (r == -ENODEV) {
		log_warn(0, "this machine was not started by EFI, which was to keep the key of "
			    "this node: using one for this boot");
		return 1;
	}
	if (r == -EOPNOTSUPP) {
		log_warn(0, "the kernel has no efivarfs (bpboot initrd --modules ...,efivarfs), so "
			    "EFI cannot keep the key of this node: using one for this boot");
		return 1;
	}
	r = r < 0 ? r : node_key_efi_open(dir, &ret->pair);
	if (r == -EBADMSG)
		return log_err(0,
			       "the EFI variable " NODE_KEY_EFI_VARIABLE
			       " is not a key of this node: remove it, or use another --node-key"),
		       r;
	if (r < 0) {
		log_warn(r, "EFI cannot keep the key of this node: using one for this boot");
		return 1;
	}
	ret->lasting = true;
	say(ret);
	return 0;
}

int node_key_open(const char *lasting, const char *boot_file, struct node_key *ret)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (lasting && strcmp(lasting, NODE_KEY_EFI) != 0)
		return open_lasting(lasting, ret);
	r = lasting ? open_efi(ret) : 1;
	if (r <= 0)
		return r;
	if (asprintf(&path, "%s" NODE_KEY_SUFFIX, boot_file) < 0) {
		path = NULL;
		return log_err(-ENOMEM, "cannot make a key of this node");
	}
	ret->lasting = false;
	r = load(path, &ret->pair);
	if (r == -EPERM || r == -EBADMSG)
		log_warn(r, "'%s' is no key of this node that can be trusted: making another one",
			 path);
	if (r < 0)
		r = make(path, &ret->pair);
	if (r < 0)
		log_warn(r,
			 "cannot keep the key of this node in '%s': bpslave will not be known "
			 "again when it is restarted in this boot",
			 path);
	say(ret);
	return 0;
}
