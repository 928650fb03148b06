/*
 * fetch.c - the command bpboot fetch: the node's own transfer code on this machine
 *
 * The file goes to where --output says as it comes, aside first, so that nothing half-written is
 * ever seen. It is not kept in memory: this command has no maximum, as the node's fetch_blob has.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "net/fetch.h"
#include "net/transfer.h"

#define HELD_BYTES  65536 /* holds the largest block */
#define WRITE_BYTES 16384 /* at once: a server with windows idles while more is written */

struct fetch_options {
	const char *output;
	uint64_t blksize, windowsize, timeout_s, max;
};

struct fetch {
	struct ev_loop *loop;
	struct newfile file;
	int fd; /* where data goes: the new file's, or standard output */
	struct progress progress;
	uint64_t bytes;
	int err;
	char why[TFTP_CLIENT_WHY_MAX];
	uint64_t held_at; /* where the bytes held belong */
	size_t n_held;
	uint8_t held[HELD_BYTES]; /* a write for each block would cost as much as receiving it */
};

static void on_size(void *ctx, uint64_t bytes)
{
	struct fetch *f = ctx;

	f->progress.total = bytes;
}

static int on_data(void *ctx, const void *p, size_t n)
{
	struct fetch *f = ctx;
	int r = fd_write_all(f->fd, p, n);

	f->bytes += n;
	progress_update(&f->progress, f->bytes);
	return r;
}

static int write_held(struct fetch *f)
{
	size_t done = 0;

	while (done < f->n_held) {
		ssize_t r = pwrite(f->fd, f->held + done, f->n_held - done,
				   (off_t)(f->held_at + done));

		if (r <= 0 && errno != EINTR)
			return r < 0 ? -errno : -EIO;
		done += r > 0 ? (size_t)r : 0;
	}
	f->n_held = 0;
	return 0;
}

/* What came before must be what comes now: else the file changed in between. */
static int is_same(struct fetch *f, uint64_t at, const void *p, size_t n)
{
	uint8_t buf[HELD_BYTES];
	int err = write_held(f);
	ssize_t r = err == 0 && n <= sizeof(buf) ? pread(f->fd, buf, n, (off_t)at) : -1;

	if (err < 0)
		return err;
	return r == (ssize_t)n && memcmp(buf, p, n) == 0 ? 0 : -ESTALE;
}

static int on_data_at(void *ctx, uint64_t at, const void *p, size_t n, bool again)
{
	struct fetch *f = ctx;

	int r = 0;

	if (again)
		return is_same(f, at, p, n);
	if (at != f->held_at + f->n_held || n > sizeof(f->held) - f->n_held ||
	    f->n_held >= WRITE_BYTES)
		r = write_held(f);
	if (r < 0 || n > sizeof(f->held))
		return r < 0 ? r : -EMSGSIZE; /* a block is shorter */
	if (f->n_held == 0)
		f->held_at = at;
	memcpy(f->held + f->n_held, p, n);
	f->n_held += n;
	f->bytes = MAX(f->bytes, at + n);
	progress_update(&f->progress, f->bytes);
	return 0;
}

static void on_done(void *ctx, int err, const char *why)
{
	struct fetch *f = ctx;

	f->err = err;
	snprintf(f->why, sizeof(f->why), "%s", why);
	ev_break(f->loop, EVBREAK_ALL);
}

static const struct tftp_client_ops fetch_ops = {
	.size = on_size,
	.data = on_data,
	.done = on_done,
};
static const struct tftp_client_ops fetch_file_ops = {
	/* standard output has no places */
	.size = on_size,
	.data = on_data,
	.data_at = on_data_at,
	.done = on_done,
};

/* The last name of the path, which is where the file goes when --output does not say. */
static const char *default_output(const struct fetch_url *u)
{
	const char *slash = strrchr(u->path, '/');

	return slash ? slash + 1 : u->path;
}

static int transfer(struct fetch *f, const struct fetch_options *o, const struct fetch_url *u,
		    const char *url)
{
	struct transfer_config config = {
		.blksize = (uint16_t)o->blksize,
		.windowsize = (uint16_t)o->windowsize,
		.max_bytes = o->max,
		.stall_ms = (uint32_t)o->timeout_s * 1000,
	};
	struct transfer *client = NULL;
	int r;

	progress_start(&f->progress, default_output(u), 0);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	if (!f->loop)
		return log_err(-ENOMEM, "cannot set up an event loop");
	r = transfer_new(f->loop, u, &config, f->fd == STDOUT_FILENO ? &fetch_ops : &fetch_file_ops,
			 f, &client);
	if (r == 0) {
		ev_run(f->loop, 0);
		r = f->err < 0 ? f->err : write_held(f);
		if (!*f->why && r < 0)
			snprintf(f->why, sizeof(f->why), "writing failed: %s", strerror(-r));
	} else {
		snprintf(f->why, sizeof(f->why), "cannot ask: %s", strerror(-r));
	}
	progress_end(&f->progress);
	transfer_free(client);
	ev_loop_destroy(f->loop);
	return r < 0 ? log_line(LOG_LEVEL_ERR, 0, "%s: %s", url, f->why), r : 0;
}

static void say_result(const struct fetch *f, const char *to, uint64_t took_us)
{
	char size[FORMAT_SIZE_MAX], rate[FORMAT_SIZE_MAX];

	log_info("%s: %s in %.2f s, %s/s", to, format_size(f->bytes, size), (double)took_us / 1e6,
		 format_size(took_us ? (uint64_t)((double)f->bytes * 1e6 / (double)took_us) : 0,
			     rate));
}

/* A host name, by this machine's resolver. */
static int resolve(struct fetch_url *u)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found;
	int r;

	if (ip_is_set(&u->host))
		return 0;
	r = getaddrinfo(u->name, NULL, &hints, &found);
	if (r != 0)
		return log_err(0, "cannot find the host '%s': %s", u->name, gai_strerror(r)),
		       -EHOSTUNREACH;
	u->host = ip_sock_host((const union ip_sock *)(const void *)found->ai_addr);
	freeaddrinfo(found);
	return 0;
}

static int run(void *options, int argc, char **argv)
{
	const struct fetch_options *o = options;
	static struct fetch f; /* too large for a stack */
	struct fetch_url u;
	const char *why, *to = o->output;
	uint64_t start = clock_us();
	int r = fetch_url_parse(argv[0], &u, &why);

	f = (struct fetch){ .file = NEWFILE(), .fd = FD_NONE };
	if (r < 0) {
		log_err(0, "'%s' is not a URL to fetch: %s", argv[0], why);
		return COMMAND_USAGE;
	}
	r = resolve(&u);
	if (r < 0)
		return r;
	if (!to)
		to = default_output(&u);
	if (!*to) {
		log_err(0, "'%s' ends in no file name; say where to with --output", argv[0]);
		return COMMAND_USAGE;
	}
	if (!strcmp(to, "-")) {
		f.fd = STDOUT_FILENO;
	} else {
		r = newfile_open(&f.file, AT_FDCWD, to, 0644);
		if (r < 0)
			return log_err(r, "cannot write '%s'", to);
		f.fd = f.file.fd;
	}
	r = transfer(&f, o, &u, argv[0]);
	if (r < 0) {
		newfile_drop(&f.file);
		return r;
	}
	if (f.fd != STDOUT_FILENO) {
		r = newfile_commit(&f.file);
		if (r < 0)
			return log_err(r, "cannot write '%s'", to);
	}
	say_result(&f, to, clock_us() - start);
	return COMMAND_OK;
}

static const struct option_row rows[] = {
	{ "max", 'm', OPTION_SIZE, "SIZE", "refuse a longer file (default: any length)",
	  offsetof(struct fetch_options, max), 1, INT64_MAX },
	{ "output", 'o', OPTION_STRING, "FILE", "write to FILE; - is standard output",
	  offsetof(struct fetch_options, output) },
	{ "blksize", 'b', OPTION_U64, "BYTES",
	  "TFTP block size to ask for (default: what fits the MTU)",
	  offsetof(struct fetch_options, blksize), 8, 65464 },
	{ "windowsize", 'w', OPTION_U64, "BLOCKS", "TFTP window to ask for (default: 32)",
	  offsetof(struct fetch_options, windowsize), 1, 65535 },
	{ "timeout", 't', OPTION_U64, "SECONDS",
	  "give up when nothing came for so long (default: 10)",
	  offsetof(struct fetch_options, timeout_s), 1, 3600 },
	{ 0 },
};

const struct command cmd_fetch = {
	.name = "fetch",
	.args = "URL",
	.summary = "fetch a file with the node's own transfer code",
	.details = "URL is tftp://HOST[:PORT]/PATH or http://HOST[:PORT]/PATH. Without "
		   "--output the file goes\n"
		   "to the current directory, under the last name of PATH. On a failure nothing is "
		   "left behind.\n",
	.options = rows,
	.options_size = sizeof(struct fetch_options),
	.args_min = 1,
	.args_max = 1,
	.run = run,
};
