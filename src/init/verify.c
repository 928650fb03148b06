/*
 * verify.c - is this index signed by a key that this initramfs trusts?
 *
 * minisign's rules: the key is chosen by its id, the signature covers the text or its BLAKE2b-512,
 * and a second signature covers the first and the trusted comment. Both have to be right.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "init/verify.h"

static bool is_pub(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".pub");
}

static int read_key(int dirfd, const char *name, struct minisign_key *ret,
		    char why[static VERIFY_WHY_MAX])
{
	_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
	int r = file_read(dirfd, name, &b);

	if (r == 0)
		r = minisign_key_parse(b.data, b.len, ret);
	if (r < 0)
		snprintf(why, VERIFY_WHY_MAX, "key %s in this initrd cannot be used: %s", name,
			 r == -EBADMSG ? "not a minisign public key" : strerror(-r));
	return r;
}

int verify_keys_read(int dirfd, const char *path, struct verify_keys *ret,
		     char why[static VERIFY_WHY_MAX])
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct verify_keys keys = { .n = 0 };
	struct dirent *e;

	while (dir && r == 0 && (e = readdir(dir)) != NULL) {
		if (!is_pub(e->d_name) || keys.n == VERIFY_KEYS_MAX)
			continue;
		r = read_key(fd, e->d_name, &keys.keys[keys.n], why);
		keys.n += r == 0;
	}
	if (dir)
		closedir(dir);
	else
		fd_close(fd);
	if (r < 0)
		return r;
	if (keys.n == 0) {
		snprintf(why, VERIFY_WHY_MAX,
			 "this initrd holds no key (%s/*.pub) that an image could be signed by",
			 path);
		return -ENOKEY;
	}
	*ret = keys;
	return 0;
}

static const struct minisign_key *find_key(const struct verify_keys *keys,
					   const struct minisign_sig *s)
{
	for (size_t i = 0; i < keys->n; i++) {
		if (!memcmp(keys->keys[i].id, s->id, sizeof(s->id)))
			return &keys->keys[i];
	}
	return NULL;
}

static bool signature_right(const struct minisign_key *k, const struct minisign_sig *s,
			    const void *text, size_t n)
{
	uint8_t hash[crypto_generichash_BYTES_MAX];

	if (!s->prehashed)
		return crypto_sign_verify_detached(s->signature, text, n, k->public_key) == 0;
	return crypto_generichash(hash, sizeof(hash), text, n, NULL, 0) == 0 &&
	       crypto_sign_verify_detached(s->signature, hash, sizeof(hash), k->public_key) == 0;
}

static bool comment_right(const struct minisign_key *k, const struct minisign_sig *s)
{
	uint8_t signed_text[sizeof(s->signature) + sizeof(s->trusted_comment)];
	size_t n = strlen(s->trusted_comment);

	memcpy(signed_text, s->signature, sizeof(s->signature));
	memcpy(signed_text + sizeof(s->signature), s->trusted_comment, n);
	return crypto_sign_verify_detached(s->global_signature, signed_text,
					   sizeof(s->signature) + n, k->public_key) == 0;
}

int verify_signature(const struct verify_keys *keys, const void *text, size_t n, const void *sig,
		     size_t sig_n, char why[static VERIFY_WHY_MAX])
{
	char id[MINISIGN_ID_STR_MAX], own[MINISIGN_ID_STR_MAX];
	const struct minisign_key *k;
	struct minisign_sig s;

	if (minisign_sig_parse(sig, sig_n, &s) < 0) {
		snprintf(why, VERIFY_WHY_MAX, "the signature file is not in minisign's format");
		return -EBADMSG;
	}
	minisign_id_str(s.id, id);
	k = find_key(keys, &s);
	if (!k) {
		snprintf(why, VERIFY_WHY_MAX,
			 "signed by another key: %s; this initrd trusts %s%s: rebuild the initrd "
			 "with that key, "
			 "or sign the image with this one",
			 id, minisign_id_str(keys->keys[0].id, own),
			 keys->n > 1 ? " and others" : "");
		return -ENOKEY;
	}
	if (!signature_right(k, &s, text, n) || !comment_right(k, &s)) {
		snprintf(why, VERIFY_WHY_MAX,
			 "the signature by key %s is wrong: the index was changed after signing, "
			 "or is not "
			 "the signature's",
			 id);
		return -EKEYREJECTED;
	}
	return 0;
}

int verify_index(const struct index *x, uint64_t min_counter, char why[static VERIFY_WHY_MAX])
{
#if defined(__x86_64__) /* the one place in init that knows the machine */
	const enum index_arch own = INDEX_X86_64;
#elif defined(__aarch64__)
	const enum index_arch own = INDEX_AARCH64;
#else
#error "name this machine's architecture in wire/index.h"
#endif

	if (x->counter < min_counter) {
		snprintf(why, VERIFY_WHY_MAX,
			 "its counter is %" PRIu64 ", this initrd accepts %" PRIu64
			 " and above: an old image",
			 x->counter, min_counter);
		return -ESTALE;
	}
	if (x->arch != own) {
		snprintf(why, VERIFY_WHY_MAX, "the image is for %s, this machine is %s",
			 index_arch_name(x->arch), index_arch_name(own));
		return -ENOEXEC;
	}
	return 0;
}
