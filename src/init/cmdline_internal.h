/*
 * cmdline_internal.h - what cmdline.c and cmdline_net.c share
 */
#pragma once

#include "init/cmdline.h"

/* Take one word's value, which is writable. Return: 0, or -EINVAL with @c as it was. */
typedef int (*take_fn)(struct cmdline *c, size_t offset, char *value);

int cmdline_take_arp(struct cmdline *c, size_t offset, char *value);
int cmdline_take_bond(struct cmdline *c, size_t offset, char *value);
int cmdline_take_bootif(struct cmdline *c, size_t offset, char *value);
int cmdline_take_ip(struct cmdline *c, size_t offset, char *value);
int cmdline_take_nameserver(struct cmdline *c, size_t offset, char *value);
int cmdline_take_vlan(struct cmdline *c, size_t offset, char *value);
