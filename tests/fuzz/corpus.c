/*
 * corpus.c - run a fuzz target over the files of its corpus, and over every prefix and single-bit
 * flip of them
 *
 * The inner loop of fuzzing without a fuzzer: each input is an exact-size heap copy, so that the
 * sanitizer sees one byte over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"

#define CORPUS_FILE_MAX	  (1u << 20)
#define CORPUS_MUTATE_MAX 4096 /* of a file, at its start, or as the caller says */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void run_copy(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	if (n > 0)
		memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

/* The file as it is; then cut off at each of its first @mutate bytes, and with a bit flipped. */
static void run_file(struct buffer *b, size_t mutate)
{
	size_t n = MIN(b->len, mutate);

	run_copy(b->data, b->len);
	for (size_t i = 0; i < n; i++) {
		uint8_t kept = b->data[i];

		run_copy(b->data, i);
		b->data[i] = (uint8_t)(kept ^ 1u << i % 8);
		run_copy(b->data, b->len);
		b->data[i] = kept;
	}
}

int main(int argc, char **argv)
{
	uint32_t mutate = CORPUS_MUTATE_MAX;
	struct dirent *e;
	unsigned n = 0;
	DIR *dir;

	if (argc < 2 || argc > 3 ||
	    (argc == 3 && parse_u32(argv[2], 0, CORPUS_MUTATE_MAX, &mutate) < 0)) {
		fprintf(stderr, "usage: %s CORPUS [BYTES]\n", argv[0]);
		return 2;
	}
	dir = opendir(argv[1]);
	if (!dir) {
		printf("not ok corpus %s - %s\n", argv[1], strerror(errno));
		return 1;
	}
	run_copy((const uint8_t *)"", 0);
	while ((e = readdir(dir))) {
		_cleanup_buffer_ struct buffer b = BUFFER(CORPUS_FILE_MAX);

		if (e->d_name[0] == '.')
			continue;
		if (file_read(dirfd(dir), e->d_name, &b) < 0) {
			printf("not ok %s - cannot be read\n", e->d_name);
			return 1;
		}
		run_file(&b, mutate);
		printf("ok %s\n", e->d_name);
		fflush(stdout);
		n++;
	}
	closedir(dir);
	return n > 0 ? 0 : 1;
}
