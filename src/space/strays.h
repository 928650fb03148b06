/*
 * strays.h - descriptors that nobody asked for, closed where that may wait
 */
#pragma once

#include <stddef.h>

#define STRAYS_THREADS 8u     /* that wait; what comes then waits for them */
#define STRAYS_MAX     65536u /* descriptors that wait; further ones are never closed */

/* Takes all of them. Never waits. */
void strays_close(const int *fds, size_t n);
