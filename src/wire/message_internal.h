/*
 * message_internal.h - what the codecs of messages share with each other, and with nobody else
 */
#pragma once

#include "wire/message.h"

/* A string of fewer than @max bytes; what a terminal would act on is refused when @printable. */
const char *message_string_read(struct reader *r, size_t max, bool printable);
/* The string cut to what a reader accepts, with '?' for what is not printable. */
void message_string_write(struct writer *w, const char *s, size_t max);
