/*
 * clock.c - time that only goes forward
 */
#include <time.h>

#include "base/clock.h"

static uint64_t clock_read_us(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts); /* cannot fail for these clocks */
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_boot_ms(void)
{
	return clock_read_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t clock_ms(void)
{
	return clock_read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}
