/*
 * pid1.h - what bpslave does when it is the node's init
 */
#pragma once

#include <stddef.h>

#include "base/lang.h"
#include "wire/message.h"

#define PID1_GRACE_MS 2000 /* between SIGTERM and SIGKILL when the node goes down */

/* Descriptors 0 to 2, file systems, lo, host name. What failed is in @ret_trouble ("" when nothing
 * did). */
void pid1_setup(char ret_trouble[static MESSAGE_WORDS_MAX]);

/* End all processes and sync. */
void pid1_end_all(void);

/* Tell the kernel. Return: negative errno when the kernel refused
 * (logged). */
int pid1_power(enum message_power how);
