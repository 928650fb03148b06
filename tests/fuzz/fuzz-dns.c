/*
 * fuzz-dns.c - an answer that is accepted is one to the question that was asked, and within limits
 *
 * The first byte says which kind of address is asked for, the next two are the question's number,
 * and the question's name follows with its NUL; the rest is the answer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "wire/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = READER(data, size);
	enum dns_type type = reader_u8(&r) & 1 ? DNS_A : DNS_AAAA;
	uint16_t id = reader_be16(&r);
	const char *name = reader_cstr(&r);
	uint8_t question[DNS_QUESTION_MAX], *answer;
	struct dns_answer a;
	size_t n;

	if (!name || strlen(name) >= DNS_NAME_MAX)
		return 0;
	if (dns_question_format(id, name, type, question, sizeof(question), &n) == 0 &&
	    dns_answer_parse(question, n, id, name, type, &a) == 0)
		abort(); /* a question is no answer */
	answer = malloc(r.left + 1);
	if (!answer)
		return 0;
	memcpy(answer, r.p, r.left);
	if (dns_answer_parse(answer, r.left, id, name, type, &a) == 0) {
		if (a.n_addresses > DNS_ADDRESSES_MAX || a.code > 15 || r.left < 12 ||
		    answer[0] != id >> 8 || answer[1] != (id & 0xff))
			abort();
		for (size_t i = 0; i < a.n_addresses; i++) {
			if (a.addresses[i].family != (type == DNS_A ? AF_INET : AF_INET6))
				abort();
		}
	}
	free(answer);
	return 0;
}
