/*
 * lang.h - what the language lacks: attributes, scoped cleanup, array length
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#define _must_check_	     __attribute__((warn_unused_result))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))
#define _noreturn_	     __attribute__((noreturn))
#define _unused_	     __attribute__((unused))

/* Call @fn with the address of the variable when it goes out of scope. */
#define _cleanup_(fn)  __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(lang_free)

static inline void lang_free(void *p)
{
	free(*(void **)p);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

/* Hand over what @p points to: yields the value and leaves NULL, so that cleanup does nothing. */
#define TAKE_PTR(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
