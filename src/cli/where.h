/*
 * where.h - where the parts of bpboot and a site's files are
 */
#pragma once

#include "base/lang.h"

#define WHERE_BOOT_DIR "/srv/bpboot" /* boot directory; BPBOOT_DIR in the environment overrides */
#define WHERE_KEY_DIR  "/etc/bpboot" /* keys; BPBOOT_KEYS overrides */
#define WHERE_SOCKET   "/run/bpboot/master.sock" /* bpmaster's door; BPBOOT_SOCKET overrides */

const char *where_boot_dir(void);
const char *where_key_dir(void);
const char *where_socket(void);

/*
 * Find a program of ours ("init", "bpslave"): in BPBOOT_LIBEXEC, beside the running program, in its
 * build tree, or where it was installed. Return: 0 or -ENOENT (logged). Caller frees *ret.
 */
_must_check_ int where_program(const char *name, char **ret);
