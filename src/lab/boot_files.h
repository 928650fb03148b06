/*
 * boot_files.h - the lab's own boot directory
 */
#pragma once

#include "base/lang.h"
#include "lab/place.h"
#include "lab/site.h"
#include "serve/cluster.h"

/* Fill boot/ with all that a node of the cluster may ask for. Return: 0 or negative errno (logged).
 */
_must_check_ int boot_files(const struct site *s, const struct place *p, const struct cluster *c);
