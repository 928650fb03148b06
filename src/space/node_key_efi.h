/*
 * node_key_efi.h - a key of this node in a variable of its EFI firmware (docs/keys.md)
 */
#pragma once

#include "base/lang.h"
#include "space/cipher.h"

#define NODE_KEY_EFI	      "efi" /* in place of a file's name */
#define NODE_KEY_EFI_VARIABLE "BpbootNodeKey-7dcc0ca4-bf17-4665-a205-e1e7aa170566"

/*
 * The file system of the variables: a mount that nobody else sees, or the one that is there.
 * Return: 0; -ENODEV: this machine was not started by EFI; another negative errno: it has no such
 * file system, or we may not have it.
 */
_must_check_ int node_key_efi_mount(int *ret_dir);

/*
 * The key of the variable, which is made when it is missing.
 * Return: 0; -EBADMSG: it holds something else, and stays as it is; another negative errno: it
 * cannot be read, or not be kept, and then there is none.
 */
_must_check_ int node_key_efi_open(int dir, struct keypair *ret);
