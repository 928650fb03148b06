/*
 * complaints.c - lines of the log that others can cause: few of a kind in a while
 */
#include "base/clock.h"
#include "base/log.h"
#include "space/complaints.h"

bool complaints_allow(struct complaints *c, const char *what)
{
	uint64_t now = clock_ms();

	if (now - c->since_ms > COMPLAINTS_WINDOW_MS) {
		if (c->n > COMPLAINTS_MAX)
			log_warn(0, "%u more lines about %s were left out", c->n - COMPLAINTS_MAX,
				 what);
		c->since_ms = now;
		c->n = 0;
	}
	return ++c->n <= COMPLAINTS_MAX;
}
