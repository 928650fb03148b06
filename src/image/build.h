/*
 * build.h - a manifest file and what it comes to: its tree, its plan, its name
 */
#pragma once

#include <stdbool.h>

#include "base/lang.h"
#include "image/format.h"
#include "image/gather.h"
#include "image/plan.h"

/*
 * Time of all files of an image unless the manifest or SOURCE_DATE_EPOCH says otherwise:
 * 2020-01-01.
 */
#define BUILD_TIME_DEFAULT 1577836800

/*
 * A file system with free space gets an inode for so many bytes of it, unless inodes= says
 * otherwise.
 */
#define BUILD_FREE_BYTES_PER_INODE 16384u

struct build_spec {
	const char *manifest; /* the file's path */
	const char *root;   /* where programs and libraries are taken from, or NULL: this machine */
	const char *kernel; /* for modules, or NULL */
	const char *name;   /* of the image; NULL: as the manifest says, or as its file is called */
	const enum index_format *format; /* NULL: as the manifest says, or ext2 */
	const char *key_dir;
	int (*find_program)(const char *name, char **ret); /* as in struct gather_spec */
};

struct build {
	struct root root;
	struct manifest manifest;
	struct gathered gathered;
	struct plan plan;
	int dirfd;
	char name[INDEX_NAME_MAX];
	enum index_format format;
	int64_t time_s;	     /* of all files */
	uint64_t started_ns; /* since 1970 */
	scan_progress_fn scanning; /* while it is planned; or NULL */
	void *user;		   /* of scanning */
};

#define BUILD()		((struct build){ .root = ROOT(), .dirfd = FD_NONE })
#define _cleanup_build_ _cleanup_(build_clear)
void build_clear(struct build *b);

/*
 * What it takes to write the image in its format; the build must stay. Only ext2 needs the plan,
 * which is made here when it was not.
 */
_must_check_ int build_job(struct build *b, struct format_job *ret);

/*
 * Read the manifest: its name, time and format. The rest needs it, and does it where it was not
 * done. Logs.
 */
_must_check_ int build_open(struct build *b, const struct build_spec *spec);

/* Does it unpack something, so that it is worth asking first whether anything changed? */
bool build_unpacks(const struct build *b);

/* Read and gather, and plan what was gathered. Log. Return: 0 or negative errno. */
_must_check_ int build_gather(struct build *b, const struct build_spec *spec);
_must_check_ int build_plan(struct build *b);

/* Both. Logs. @spec may go afterwards. Return: 0 or negative errno. */
_must_check_ int build_make(struct build *b, const struct build_spec *spec);
