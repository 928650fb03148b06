/*
 * commands.h - the subcommands of bpboot, one file each
 */
#pragma once

#include "base/command.h"

extern const struct command cmd_check;
extern const struct command cmd_config;
extern const struct command cmd_lab;
extern const struct command cmd_log;
extern const struct command cmd_diff;
extern const struct command cmd_fetch;
extern const struct command cmd_image;
extern const struct command cmd_initrd;
extern const struct command cmd_inspect;
extern const struct command cmd_install;
extern const struct command cmd_keygen;
extern const struct command cmd_needs;
extern const struct command cmd_node;
extern const struct command cmd_serve;
extern const struct command cmd_size;
extern const struct command cmd_uki;
extern const struct command cmd_uninstall;
extern const struct command cmd_verify;
