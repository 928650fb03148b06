/*
 * qemu.h - one node of the lab as a QEMU machine
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/lang.h"
#include "lab/place.h"
#include "lab/site.h"
#include "serve/cluster.h"

/* Start node @number with its network card at @cable. Return: 0 or negative errno (logged). */
_must_check_ int qemu_start(const struct site *s, const struct cluster *c, const struct place *p,
			    size_t number, int cable, pid_t *ret);
