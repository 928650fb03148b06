/*
 * settings.c - what bpctl has set, a line a node
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "wire/settings.h"

#define WORDS_FIXED 6 /* before the attributes */

void settings_clear(struct settings *s)
{
	free(s->attributes);
	*s = SETTINGS();
}

/* A word in quotes, whatever is in it. */
static int quote(struct buffer *to, const char *p, size_t n)
{
	int r = buffer_append(to, " \"", 2);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (p[i] == '"' || p[i] == '\\')
			r = buffer_append(to, "\\", 1);
		if (r == 0)
			r = buffer_append(to, p + i, 1);
	}
	return r < 0 ? r : buffer_append(to, "\"", 1);
}

int settings_write(struct buffer *to, const struct settings *s)
{
	const char *p = s->attributes ? s->attributes : "", *end;
	char mac[MAC_STR_MAX];
	int r = buffer_printf(to, "%s mode=%03o user=%u group=%u boot=%08x state=%s",
			      mac_format(&s->mac, mac), s->mode, s->uid, s->gid, s->boot, s->state);

	for (; r == 0 && (end = strchr(p, '\n')); p = end + 1)
		r = quote(to, p, (size_t)(end - p));
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

/* What follows "@key=". Return: NULL when the word is another one. */
static const char *value_of(const char *word, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(word, key, n) && word[n] == '=' ? word + n + 1 : NULL;
}

static int read_attributes(char *const *words, size_t n, char **ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(ATTRIBUTES_TEXT_MAX);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = buffer_printf(&text, "%s\n", words[i]);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || attributes_check(buffer_str(&text)) < 0)
		return -EBADMSG;
	if (n == 0)
		return 0;
	*ret = strdup(buffer_str(&text));
	return *ret ? 0 : -ENOMEM;
}

int settings_read(char *const *words, size_t n, struct settings *ret)
{
	static const char *const keys[WORDS_FIXED] = { NULL,	"mode", "user",
						       "group", "boot", "state" };
	_cleanup_settings_ struct settings s = SETTINGS();
	const char *v[WORDS_FIXED];
	uint8_t boot[4];
	int r;

	if (n < WORDS_FIXED || mac_parse(words[0], &s.mac) < 0)
		return -EBADMSG;
	for (size_t i = 1; i < WORDS_FIXED; i++) {
		v[i] = value_of(words[i], keys[i]);
		if (!v[i])
			return -EBADMSG;
	}
	if (parse_mode(v[1], &s.mode) < 0 || s.mode & ~0111u ||
	    parse_u32(v[2], 0, UINT32_MAX, &s.uid) < 0 ||
	    parse_u32(v[3], 0, UINT32_MAX, &s.gid) < 0 || strlen(v[4]) != 2 * sizeof(boot) ||
	    parse_hex(v[4], boot, sizeof(boot)) < 0 || (*v[5] && !message_state_valid(v[5])))
		return -EBADMSG;
	s.boot = (uint32_t)boot[0] << 24 | (uint32_t)boot[1] << 16 | (uint32_t)boot[2] << 8 |
		 boot[3];
	snprintf(s.state, sizeof(s.state), "%s", v[5]);
	r = read_attributes(words + WORDS_FIXED, n - WORDS_FIXED, &s.attributes);
	if (r < 0)
		return r;
	*ret = s;
	s.attributes = NULL;
	return 0;
}
