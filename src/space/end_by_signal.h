/*
 * end_by_signal.h - how a ghost ends by the signal that ended its process
 */
#pragma once

#include <stdbool.h>

/* End this process by @signal as one that was not stopped by anything would: with the core flag of
 * its wait status when @core and only then, but without a core that anybody finds. Returns when the
 * signal ends nobody. Async-signal-safe; for a process with one thread. */
void end_by_signal(int signal, bool core);
