/*
 * supervisor.h - the process that is the lab: it starts everything, and with it everything ends
 *
 * Its record lab.log has lines of
 *
 *   MILLISECONDS node N started
 *   MILLISECONDS node N ended STATUS
 *   MILLISECONDS dnsmasq|bpmaster ended STATUS
 *
 * with milliseconds since the machine was started (clock_boot_ms()), and a status as a shell has
 * it.
 */
#pragma once

#include <sys/types.h>

#include "base/lang.h"
#include "lab/place.h"
#include "lab/site.h"

/*
 * Start a lab in the place that was taken. Returns when all its processes were started.
 * Return: 0 with the supervisor's process id; negative errno (logged), nothing runs then.
 */
_must_check_ int supervisor_start(const struct site *s, const struct place *p, pid_t *ret);
