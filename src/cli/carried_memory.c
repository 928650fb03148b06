/*
 * carried_memory.c - what was found out about programs, kept from one start to the next
 *
 * A file a program, named by a hash of its path: a line about the loader's cache, then one a file
 * with what changes when the file does. A file that was changed a moment ago is not remembered,
 * since the clock of its file system may not tell the next change from that one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "cli/carried_internal.h"

#define HEAD	       "bpboot-program 1\n"
#define LOADER_CACHE   "/etc/ld.so.cache"
#define MEMORY_MAX     (1u << 20) /* bytes of one file */
#define IDENTITY_BYTES 16
#define FRESH_S	       2 /* a change so long ago may be followed by another one unnoticed */

/*
 * The file that remembers @program, in a home of our own: what another user's holds is his word for
 * what a program is, which root with his HOME is not to take. Return: 0; -ENOENT without such a
 * home. Caller frees *ret.
 */
static int memory_path(const char *program, char **ret)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	uint8_t hash[IDENTITY_BYTES];
	char name[2 * IDENTITY_BYTES + 1];
	bool own = cache && cache[0] == '/';
	struct stat st;

	if (!own && (!home || home[0] != '/'))
		return -ENOENT;
	if (stat(own ? cache : home, &st) == 0 ? st.st_uid != geteuid() : !own || errno != ENOENT)
		return -ENOENT;
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)program, strlen(program), NULL, 0);
	format_hex(hash, sizeof(hash), name);
	if (asprintf(ret, "%s%s/bpboot/programs/%s", own ? cache : home, own ? "" : "/.cache",
		     name) < 0)
		return -ENOMEM;
	return 0;
}

/* What changes when the file does, as text. Return: 0 or negative errno. */
static int identity(const char *path, bool settled, char ret[static 2 * IDENTITY_BYTES + 1])
{
	uint8_t hash[IDENTITY_BYTES];
	struct stat st;
	uint64_t all[8] = { 0 };

	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			return -errno;
		st = (struct stat){ 0 };
	}
	if (settled && MAX(st.st_ctim.tv_sec, st.st_mtim.tv_sec) > time(NULL) - FRESH_S)
		return -EAGAIN;
	all[0] = st.st_dev, all[1] = st.st_ino, all[2] = (uint64_t)st.st_size, all[3] = st.st_mode;
	all[4] = (uint64_t)st.st_mtim.tv_sec, all[5] = (uint64_t)st.st_mtim.tv_nsec;
	all[6] = (uint64_t)st.st_ctim.tv_sec, all[7] = (uint64_t)st.st_ctim.tv_nsec;
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)all, sizeof(all), NULL, 0);
	format_hex(hash, sizeof(hash), ret);
	return 0;
}

/* Whether the line's first word is what the file at @path is now. */
static bool unchanged(const char *word, const char *path)
{
	char now[2 * IDENTITY_BYTES + 1];

	return word && identity(path, false, now) == 0 && !strcmp(word, now);
}

/* "IDENTITY KIND PRIVATE BYTES HASH PATH" */
static int recall_line(char *line, struct carried *c)
{
	char *id = strsep(&line, " "), *kind = strsep(&line, " "), *private = strsep(&line, " "),
	     *bytes = strsep(&line, " "), *hash = strsep(&line, " ");
	struct message_file f = { 0 };
	uint32_t k, p;

	if (!hash || !line || !unchanged(id, line) ||
	    parse_u32(kind, 0, MESSAGE_KIND_MAX_ - 1, &k) < 0 || parse_u32(private, 0, 1, &p) < 0 ||
	    parse_u64(bytes, 0, MESSAGE_FILE_MAX, &f.bytes) < 0 ||
	    parse_hex(hash, f.hash, sizeof(f.hash)) < 0 || c->n >= MESSAGE_FILES_MAX)
		return -ESTALE;
	f.kind = (uint8_t)k;
	f.is_private = p;
	return carried_add(c, line, &f);
}

int carried_recall(const char *program, struct carried *c)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MEMORY_MAX);
	_cleanup_free_ char *path = NULL;
	char *rest, *line;
	int r = memory_path(program, &path);

	if (r == 0)
		r = file_read(AT_FDCWD, path, &text);
	if (r < 0)
		return r;
	rest = (char *)text.data;
	if (!rest || strncmp(rest, HEAD, strlen(HEAD)) != 0 || strlen(rest) != text.len)
		return -EBADMSG;
	rest += strlen(HEAD);
	if (!unchanged(strsep(&rest, "\n"), LOADER_CACHE))
		return -ESTALE;
	while (r == 0 && (line = strsep(&rest, "\n")) && *line)
		r = recall_line(line, c);
	return r == 0 && c->n == 0 ? -EBADMSG : r;
}

void carried_remember(const char *program, const struct carried *c)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MEMORY_MAX);
	_cleanup_newfile_ struct newfile file = NEWFILE();
	_cleanup_free_ char *path = NULL;
	char id[2 * IDENTITY_BYTES + 1], hash[2 * MESSAGE_HASH_BYTES + 1], *slash;
	int r = memory_path(program, &path);

	if (r == 0)
		r = identity(LOADER_CACHE, false, id);
	if (r == 0)
		r = buffer_printf(&text, HEAD "%s\n", id);
	for (size_t i = 0; r == 0 && i < c->n; i++) {
		const struct message_file *f = &c->files[i];

		r = strchr(f->path, '\n') ? -EINVAL : identity(f->path, true, id);
		format_hex(f->hash, sizeof(f->hash), hash);
		if (r == 0)
			r = buffer_printf(&text, "%s %u %u %llu %s %s\n", id, f->kind,
					  f->is_private, (unsigned long long)f->bytes, hash,
					  f->path);
	}
	if (r < 0)
		return;
	slash = strrchr(path, '/');
	*slash = 0;
	r = path_mkdirs(AT_FDCWD, path, 0700);
	*slash = '/';
	if (r == 0)
		r = newfile_open(&file, AT_FDCWD, path, 0600);
	if (r == 0)
		r = fd_write_all(file.fd, text.data, text.len);
	if (r == 0)
		r = newfile_commit_unsynced(&file);
	if (r < 0)
		log_debug("'%s' is not remembered: %s", program, strerror(-r));
}
