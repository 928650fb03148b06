/*
 * clock.h - time that only goes forward
 */
#pragma once

#include <stdint.h>

/* Milliseconds since the kernel started (CLOCK_BOOTTIME). */
uint64_t clock_boot_ms(void);

/* Milliseconds and microseconds on CLOCK_MONOTONIC, for intervals. */
uint64_t clock_ms(void);
uint64_t clock_us(void);
