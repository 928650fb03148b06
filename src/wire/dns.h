/*
 * dns.h - DNS questions and answers: which addresses does a name have (RFC 1035, 3596)
 *
 * What a stub resolver needs and no more: one question out, the addresses of its answer in, with
 * aliases (CNAME) followed within the message. Compression is followed backwards only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/lang.h"
#include "base/writer.h"

#define DNS_PORT	  53
#define DNS_LABEL_MAX	  63
#define DNS_NAME_MAX	  254  /* as text, with NUL */
#define DNS_MESSAGE_MAX	  4096 /* bytes of an answer that we take */
#define DNS_QUESTION_MAX  300
#define DNS_ADDRESSES_MAX 8
#define DNS_ALIASES_MAX	  8 /* of one name, one behind the other */

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28 };
enum dns_code { DNS_OK = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_REFUSED = 5 };

struct dns_answer {
	enum dns_code code; /* 0 to 15 */
	bool truncated;	    /* there is more, which only TCP would bring */
	struct ipaddr addresses[DNS_ADDRESSES_MAX];
	size_t n_addresses; /* of the kind that was asked for */
};

/*
 * One name of RFC 1035 form at @at of a message of @n bytes, as text. Unprintable bytes and dots
 * within a label become '?'. Return: offset behind it, or 0 when malformed.
 */
size_t dns_name_read(const uint8_t *d, size_t n, size_t at, struct writer *w);

/*
 * A search list, such names one behind the other, as text between blanks: at most @max bytes with
 * NUL, all behind it zero. A name that does not fit and the root alone are left out; of a malformed
 * list nothing is taken.
 */
void dns_search_read(const uint8_t *d, size_t n, char *to, size_t max);

/* The same list again, without compression. Labels are at most DNS_LABEL_MAX bytes. */
void dns_search_write(struct writer *w, const char *s);

/* Ask for @name, whose labels are 1 to 63 bytes. Return: 0, -EINVAL (not such a name) or -E2BIG. */
_must_check_ int dns_question_format(uint16_t id, const char *name, enum dns_type type, void *buf,
				     size_t n, size_t *ret_n);

/*
 * Read an answer to exactly that question. Return: 0; -EPROTO when it answers something else;
 * -EBADMSG.
 */
_must_check_ int dns_answer_parse(const void *buf, size_t n, uint16_t id, const char *name,
				  enum dns_type type, struct dns_answer *ret);
