/*
 * drivers_host.c - modules of the system that we run in, loaded by its modprobe
 *
 * For bpboot-root: the initramfs of a distribution brings its own modules, drives its hardware by
 * udev, and knows no index of ours. What is left for us are the modules that a stage asks for by
 * name. A module that is loaded already is removed first when it is to get parameters, since
 * modprobe would say that all is well and leave it as it is.
 */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "init/drivers_internal.h"

enum { WORDS_MAX = 8, OUTPUT_MAX = 4096 };

/* A module that is not there, or was refused: modprobe says which, and -ENOENT stands for both. */
static int modprobe(const char *name, const char *params)
{
	_cleanup_buffer_ struct buffer said = BUFFER(OUTPUT_MAX);
	const char *argv[WORDS_MAX + 4] = { "modprobe", "-b", name };
	_cleanup_free_ char *words = strdup(params);
	char *word, *rest = words;
	int status, r;

	if (!words)
		return -ENOMEM;
	for (size_t n = 3; n < WORDS_MAX + 3 && (word = strsep(&rest, " ")) != NULL;) {
		if (*word)
			argv[n++] = word;
	}
	if (params[0])
		(void)!drivers_unload(NULL, name); /* not loaded, or in use: modprobe is next */
	r = process_capture(argv, NULL, &said, &status);
	if (r < 0)
		return log_warn(r, "cannot run modprobe for module '%s'", name);
	if (status == 0)
		return 0;
	if (said.len > 0)
		said.data[strcspn(buffer_str(&said), "\n")] = 0;
	log_warn(0, "modprobe %s: %s", name, said.len ? buffer_str(&said) : "failed");
	return -ENOENT;
}

int drivers_new_host(struct drivers **ret)
{
	struct drivers *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->uevents = FD_NONE;
	d->load = modprobe;
	*ret = d;
	return 0;
}
