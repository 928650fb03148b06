/*
 * interpreter.c - which interpreter an executable names
 */
#include <elf.h>
#include <string.h>

#include "base/reader.h"
#include "init/interpreter.h"

/* The first word behind "#!". */
static void of_script(const uint8_t *head, size_t n, char ret[static INTERPRETER_MAX])
{
	size_t at = 2, len = 0;

	while (at < n && (head[at] == ' ' || head[at] == '\t'))
		at++;
	while (at < n && head[at] > ' ' && len + 1 < INTERPRETER_MAX)
		ret[len++] = (char)head[at++];
	ret[len] = 0;
}

/* The text of PT_INTERP. */
static void of_elf(const uint8_t *head, size_t n, char ret[static INTERPRETER_MAX])
{
	struct reader r = READER(head, n);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	reader_copy(&r, &eh, sizeof(eh));
	if (r.err < 0 || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_phentsize != sizeof(ph))
		return;
	for (size_t i = 0; i < eh.e_phnum; i++) {
		struct reader p = READER(head, n), text = p;

		reader_skip(&p, eh.e_phoff);
		reader_skip(&p, i * sizeof(ph));
		reader_copy(&p, &ph, sizeof(ph));
		if (p.err < 0)
			return;
		if (ph.p_type != PT_INTERP || ph.p_filesz >= INTERPRETER_MAX)
			continue;
		reader_skip(&text, ph.p_offset);
		reader_copy(&text, ret, ph.p_filesz);
		ret[text.err < 0 ? 0 : ph.p_filesz] = 0;
		return;
	}
}

void interpreter_find(const uint8_t *head, size_t n, char ret[static INTERPRETER_MAX])
{
	ret[0] = 0;
	if (n > 2 && head[0] == '#' && head[1] == '!')
		of_script(head, n, ret);
	else
		of_elf(head, n, ret);
}
