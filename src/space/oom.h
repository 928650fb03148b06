/*
 * oom.h - who goes when a node's memory has run out: programs, and not what holds them
 */
#pragma once

#include <sys/types.h>

#include "base/lang.h"

/*
 * From now on the kernel ends every other process before this one and those that it forks. Where
 * that is not allowed nothing changes, and nobody is told.
 */
void oom_exempt(void);

/*
 * In a child, while it is still root: be like any other process again, for good. Return: 0, or
 * negative errno when it would be spared as we are.
 */
_must_check_ int oom_ordinary(void);

/*
 * Tell of every process that the kernel has ended for want of memory since the last call, by its
 * number. Nothing is told where the kernel's log cannot be read, or has other numbers than we.
 */
void oom_look(void (*found)(void *owner, pid_t pid), void *owner);

/* The process that a record of /dev/kmsg says was ended so. Return: its number, 0: of none. */
pid_t oom_victim(const char *record);
