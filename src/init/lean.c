/*
 * lean.c - what libzstd and libsodium would bring along and init never uses
 *
 * libzstd.a refers to its decoders of formats before 1.0, sodium_init() to every cipher of
 * libsodium, and a static link takes them all in: 175 KB of init, 65 KB of each initramfs. The
 * functions here stand in for them, so that the linker leaves the originals out. A frame of the old
 * formats is refused as if memory were short, as libzstd does when it cannot make such a decoder;
 * choosing the fastest code of a cipher that is not there does nothing.
 *
 * Whoever uses one of these ciphers in init gets a linker error (multiple definition), and takes
 * its row away here.
 */
#include <stddef.h>
#include <stdlib.h>

#include "base/lang.h"

/* _crypto_X_pick_best_implementation() of libsodium 1.0.18: called by sodium_init() only. */
#define NO_CIPHER(name)                                      \
	int _crypto_##name##_pick_best_implementation(void); \
	int _crypto_##name##_pick_best_implementation(void)  \
	{                                                    \
		return 0;                                    \
	}

NO_CIPHER(onetimeauth_poly1305)
NO_CIPHER(pwhash_argon2)
NO_CIPHER(scalarmult_curve25519)
NO_CIPHER(stream_chacha20)
NO_CIPHER(stream_salsa20)

/* Of randombytes_buf_deterministic(), which nobody calls. */
int crypto_stream_chacha20_ietf(unsigned char *to, unsigned long long n, const unsigned char *nonce,
				const unsigned char *key);
_noreturn_ int crypto_stream_chacha20_ietf(unsigned char *to, unsigned long long n,
					   const unsigned char *nonce, const unsigned char *key)
{
	abort();
}

/*
 * Of libzstd 1.5, built with ZSTD_LEGACY_SUPPORT=5 as in Debian. Without it these are merely never
 * called.
 */
#define ERROR_SIZE ((size_t)-1) /* what libzstd takes for an error */

#define NO_FORMAT(v)                                                                               \
	void *ZSTDv0##v##_createDCtx(void);                                                        \
	void *ZSTDv0##v##_createDCtx(void)                                                         \
	{                                                                                          \
		return NULL;                                                                       \
	}                                                                                          \
	size_t ZSTDv0##v##_freeDCtx(void *ctx);                                                    \
	size_t ZSTDv0##v##_freeDCtx(void *ctx)                                                     \
	{                                                                                          \
		return 0;                                                                          \
	}                                                                                          \
	void *ZBUFFv0##v##_createDCtx(void);                                                       \
	void *ZBUFFv0##v##_createDCtx(void)                                                        \
	{                                                                                          \
		return NULL;                                                                       \
	}                                                                                          \
	size_t ZBUFFv0##v##_freeDCtx(void *ctx);                                                   \
	size_t ZBUFFv0##v##_freeDCtx(void *ctx)                                                    \
	{                                                                                          \
		return 0;                                                                          \
	}                                                                                          \
	size_t ZSTDv0##v##_decompress_usingDict(void *ctx, void *to, size_t to_size,               \
						const void *p, size_t n, const void *d,            \
						size_t dn);                                        \
	size_t ZSTDv0##v##_decompress_usingDict(void *ctx, void *to, size_t to_size,               \
						const void *p, size_t n, const void *d, size_t dn) \
	{                                                                                          \
		return ERROR_SIZE;                                                                 \
	}                                                                                          \
	size_t ZSTDv0##v##_getFrameParams(void *ret, const void *p, size_t n);                     \
	size_t ZSTDv0##v##_getFrameParams(void *ret, const void *p, size_t n)                      \
	{                                                                                          \
		return ERROR_SIZE;                                                                 \
	}                                                                                          \
	void ZSTDv0##v##_findFrameSizeInfoLegacy(const void *p, size_t n, size_t *ret,             \
						 unsigned long long *ret_bound);                   \
	void ZSTDv0##v##_findFrameSizeInfoLegacy(const void *p, size_t n, size_t *ret,             \
						 unsigned long long *ret_bound)                    \
	{                                                                                          \
		*ret = ERROR_SIZE;                                                                 \
		*ret_bound = (unsigned long long)-2;                                               \
	}                                                                                          \
	size_t ZBUFFv0##v##_decompressInitDictionary(void *ctx, const void *d, size_t dn);         \
	size_t ZBUFFv0##v##_decompressInitDictionary(void *ctx, const void *d, size_t dn)          \
	{                                                                                          \
		return ERROR_SIZE;                                                                 \
	}                                                                                          \
	size_t ZBUFFv0##v##_decompressContinue(void *ctx, void *to, size_t *to_size,               \
					       const void *p, size_t *n);                          \
	size_t ZBUFFv0##v##_decompressContinue(void *ctx, void *to, size_t *to_size,               \
					       const void *p, size_t *n)                           \
	{                                                                                          \
		return ERROR_SIZE;                                                                 \
	}

NO_FORMAT(5)
NO_FORMAT(6)
NO_FORMAT(7)
