/*
 * command.c - commands and their options as tables
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/command.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"

enum {
	PARSE_HELP = 1, /* --help or --version was printed: stop, with status 0 */
};

/* Where the arguments are while they are parsed. */
struct cursor {
	const struct command *c;
	const char *prefix;
	void *options;
	int argc, at;
	char **argv;
};

int command_usage(const struct command *c, const char *prefix)
{
	fprintf(stderr, "usage: %s%s [OPTIONS]%s%s; see '%s%s --help'\n", prefix, c->name,
		*c->args ? " " : "", c->args, prefix, c->name);
	return COMMAND_USAGE;
}

void command_help(const struct command *c, const char *prefix)
{
	char left[64];

	printf("usage: %s%s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", prefix, c->name,
	       *c->args ? " " : "", c->args, c->summary);
	for (const struct option_row *o = c->options; o->name; o++) {
		char letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		printf("  %-28s %s\n", left, o->help);
	}
	printf("  %-28s %s\n", "    --help", "show this help");
	printf("  %-28s %s\n", "    --version", "show the version");
	if (c->details)
		printf("\n%s", c->details);
}

static int bad_value(const struct option_row *o, const char *value, int err)
{
	if (err == -ERANGE && o->max)
		log_err(0, "--%s '%s' is out of range: expected %llu to %llu", o->name, value,
			(unsigned long long)o->min, (unsigned long long)o->max);
	else
		log_err(0, "--%s '%s' is not a valid %s", o->name, value, o->arg);
	return -EINVAL;
}

static int option_store(struct cursor *k, const struct option_row *o, const char *value)
{
	char *at = (char *)k->options + o->offset;
	uint64_t max = o->max ? o->max : UINT64_MAX, v = 0;
	int r = 0;

	switch (o->type) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return 0;
	case OPTION_STRING:
		*(const char **)at = value;
		return 0;
	case OPTION_U64:
		r = parse_u64(value, o->min, max, &v);
		break;
	case OPTION_SIZE:
		r = parse_size(value, max, &v);
		if (r == 0 && v < o->min)
			r = -ERANGE;
		break;
	default:
		return o->call(k->options, value);
	}
	if (r < 0)
		return bad_value(o, value, r);
	*(uint64_t *)at = v;
	return 0;
}

static const struct option_row *option_find(const struct command *c, const char *name, size_t n,
					    char letter)
{
	for (const struct option_row *o = c->options; o->name; o++) {
		if (letter ? o->letter == letter
			   : strlen(o->name) == n && !memcmp(o->name, name, n))
			return o;
	}
	return NULL;
}

static int option_value(struct cursor *k, const struct option_row *o, const char *joined)
{
	if (joined)
		return option_store(k, o, joined);
	if (k->at == k->argc) {
		log_err(0, "--%s needs a value: %s", o->name, o->arg);
		return -EINVAL;
	}
	return option_store(k, o, k->argv[k->at++]);
}

static int take_long(struct cursor *k, const char *word)
{
	const char *name = word + 2, *eq = strchr(name, '=');
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	const struct option_row *o = option_find(k->c, name, n, 0);

	if (!o && !strcmp(name, "help")) {
		command_help(k->c, k->prefix);
		return PARSE_HELP;
	}
	if (!o && !strcmp(name, "version")) {
		printf("bpboot %s\n", BPBOOT_VERSION);
		return PARSE_HELP;
	}
	if (!o) {
		log_err(0, "unknown option '--%.*s'", (int)n, name);
		return -EINVAL;
	}
	if (o->type == OPTION_FLAG) {
		if (eq) {
			log_err(0, "--%s takes no value", o->name);
			return -EINVAL;
		}
		return option_store(k, o, NULL);
	}
	return option_value(k, o, eq ? eq + 1 : NULL);
}

static int take_short(struct cursor *k, const char *word)
{
	for (const char *p = word + 1; *p; p++) {
		const struct option_row *o = option_find(k->c, NULL, 0, *p);
		int r;

		if (!o) {
			log_err(0, "unknown option '-%c'", *p);
			return -EINVAL;
		}
		if (o->type != OPTION_FLAG)
			return option_value(k, o, p[1] ? p + 1 : NULL);
		r = option_store(k, o, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Take the options; other arguments are moved to the front of argv. Return: 0, PARSE_HELP or
 * -EINVAL (logged).
 */
static int take_all(struct cursor *k, int *ret_n)
{
	int n = 0;

	while (k->at < k->argc) {
		char *word = k->argv[k->at++];
		int r;

		if (!strcmp(word, "--")) {
			while (k->at < k->argc)
				k->argv[n++] = k->argv[k->at++];
			break;
		}
		if (word[0] != '-' || !word[1]) {
			k->argv[n++] = word;
			while (k->c->first_arg_ends && k->at < k->argc)
				k->argv[n++] = k->argv[k->at++];
			continue;
		}
		r = word[1] == '-' ? take_long(k, word) : take_short(k, word);
		if (r != 0)
			return r;
	}
	*ret_n = n;
	return 0;
}

static int run(const struct command *c, const char *prefix, int argc, char **argv)
{
	_cleanup_free_ void *options = calloc(1, MAX(c->options_size, (size_t)1));
	struct cursor k = {
		.c = c, .prefix = prefix, .options = options, .argc = argc, .argv = argv
	};
	int n = 0, r;

	if (!options) {
		log_err(-ENOMEM, "cannot start");
		return COMMAND_FAILED;
	}
	if (c->defaults)
		c->defaults(options);
	r = take_all(&k, &n);
	if (r == PARSE_HELP)
		return COMMAND_OK;
	if (r < 0)
		return command_usage(c, prefix);
	if (n < c->args_min || (c->args_max >= 0 && n > c->args_max))
		return command_usage(c, prefix);
	if (n < argc)
		argv[n] = NULL;
	r = c->run(options, n, argv);
	return r < 0 ? COMMAND_FAILED : r;
}

int command_run(const struct command *c, const char *prefix, int argc, char **argv)
{
	fd_open_standard();
	return command_end(run(c, prefix, argc, argv));
}

int command_end(int r)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return r;
	log_err(-errno, "cannot write the output"); /* no reason is known of an earlier failure */
	return r == COMMAND_OK ? COMMAND_FAILED : r;
}
