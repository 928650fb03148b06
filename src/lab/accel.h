/*
 * accel.h - whether hardware acceleration works here: found out by booting something
 */
#pragma once

#include <stdbool.h>

#include "lab/place.h"

#define ACCEL_WHY_MAX 128

/*
 * Boot a sector that does nothing but end QEMU, under KVM, with a deadline.
 * Return: true when it did; @ret_why says in words why not, or that it did. Not logged.
 */
bool accel_probe(const struct place *p, char ret_why[static ACCEL_WHY_MAX]);
