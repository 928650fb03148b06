/*
 * lab.h - a virtual cluster on this machine: up, down, attach (docs/lab.md)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "lab/place.h"
#include "lab/site.h"

#define LAB_ACCEL_MAX 160

/* How a lab is brought up. */
struct lab_up {
	struct site site;
	const char *name;
	const char *accel; /* "auto", "kvm" or "tcg" */
	uint64_t timeout_s;
};

/*
 * Bring a lab up, show its nodes on standard output, wait until all are up.
 * Return: 0; -EINTR when @interrupted was set (nothing is left then); -ETIMEDOUT or -EIO when a
 * node is not up, the lab runs on then; other errno when nothing was started. All are logged.
 */
_must_check_ int lab_up(const struct lab_up *u, const volatile int *interrupted);

/*
 * End a lab: its nodes are powered off through bpmaster where @bpctl, a path or NULL, can be run;
 * then all is ended and removed. Return: 0 or negative errno (logged).
 */
_must_check_ int lab_down(const char *name, const char *bpctl);

/* Print one line a node; of light ones how many are up, where @bpstat, a path or NULL, can be run.
 * Return: 0 or negative errno (logged). */
_must_check_ int lab_status(const char *name, const char *bpstat);

/* Connect this terminal to the console of node @number; Ctrl-] leaves. Return: 0 or negative errno
 * (logged). */
_must_check_ int lab_console(const char *name, uint32_t number);
