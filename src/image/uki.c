/*
 * uki.c - a unified kernel image: kernel, initrd and command line behind systemd-boot's stub
 *
 * One file that firmware loads and whose one signature covers all of it, the form that
 * UAPI's Unified Kernel Image specification describes: the stub finds its parts by the names of
 * sections. Under Secure Boot it takes no other command line than the one in it.
 *
 * Signing is sbsign's, which gets the image and gives it back through memory files, so that nothing
 * half-made lies in a folder. Its signature holds the time, so that it is the one part that differs
 * from run to run.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/reader.h"
#include "image/uki.h"

enum {
	VERSION_MAX = 64, /* of the kernel, with NUL */
	OSREL_MAX = 256,
	SETUP_MAGIC = 0x202, /* of x86's boot protocol: "HdrS" */
	SETUP_VERSION = 0x20e,
	SETUP_BYTES = 0x200,
	SIGN_MS = 60000,
	SAID_MAX = 4096, /* of what sbsign says */
};

static int load(const char *what, const char *path, struct buffer *to)
{
	int r = file_read(AT_FDCWD, path, to);

	if (r == 0 && to->len == 0)
		return log_err(-ENODATA, "the %s '%s' is empty", what, path);
	return r < 0 ? log_err(r, "cannot read the %s '%s'", what, path) : 0;
}

/* The kernel's version, where it says one; "" else. */
static void kernel_version(const struct buffer *kernel, char ret[static VERSION_MAX])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789.+-_~";
	struct reader r = READER(kernel->data, kernel->len);
	const uint8_t *magic;
	const char *text;
	size_t n;

	*ret = 0;
	reader_skip(&r, SETUP_MAGIC);
	magic = reader_bytes(&r, 4);
	if (!magic || memcmp(magic, "HdrS", 4) != 0)
		return;
	reader_skip(&r, SETUP_VERSION - SETUP_MAGIC - 4);
	n = reader_le16(&r);
	r = READER(kernel->data, kernel->len);
	reader_skip(&r, SETUP_BYTES + n);
	text = reader_cstr(&r);
	n = text ? strspn(text, letters) : 0;
	if (n > 0 && n < VERSION_MAX)
		snprintf(ret, VERSION_MAX, "%.*s", (int)n, text);
}

static int check_kernel(const struct uki_spec *spec, const struct buffer *kernel,
			const struct pe *stub)
{
	uint16_t machine;

	if (pe_machine(kernel->data, kernel->len, &machine) < 0)
		return log_err(0, "'%s' is no kernel that UEFI starts (built without EFI_STUB?)",
			       spec->kernel),
		       -EBADMSG;
	if (machine != stub->machine)
		return log_err(0,
			       "the kernel '%s' is for machine 0x%04x, the stub '%s' for 0x%04x",
			       spec->kernel, machine, spec->stub, stub->machine),
		       -EBADMSG;
	return 0;
}

static int check_cmdline(const char *s)
{
	if (strlen(s) >= UKI_CMDLINE_MAX)
		return log_err(-E2BIG, "the command line has %zu bytes, at most %d fit", strlen(s),
			       UKI_CMDLINE_MAX - 1);
	for (; *s; s++) {
		if (*s < ' ' || *s > '~')
			return log_err(
				0, "the command line holds byte 0x%02x: expected printable ASCII",
				(unsigned char)*s),
			       -EINVAL;
	}
	return 0;
}

int uki_make(const struct uki_spec *spec, struct buffer *to)
{
	_cleanup_buffer_ struct buffer stub = BUFFER(PE_BYTES_MAX), kernel = BUFFER(PE_BYTES_MAX),
				       initrd = BUFFER(PE_BYTES_MAX);
	char version[VERSION_MAX], osrel[OSREL_MAX];
	struct pe_more more[4];
	const char *why;
	struct pe pe;
	size_t n = 0;
	int r = check_cmdline(spec->cmdline);

	if (r == 0)
		r = load("stub", spec->stub, &stub);
	if (r == 0)
		r = load("kernel", spec->kernel, &kernel);
	if (r == 0)
		r = load("initrd", spec->initrd, &initrd);
	if (r < 0)
		return r;
	r = pe_parse(stub.data, stub.len, &pe, &why);
	if (r < 0)
		return log_err(0, "the stub '%s': %s", spec->stub, why), r;
	r = check_kernel(spec, &kernel, &pe);
	if (r < 0)
		return r;
	kernel_version(&kernel, version);
	snprintf(osrel, sizeof(osrel), "ID=bpboot\nNAME=bpboot\nPRETTY_NAME=\"bpboot %s\"\n%s%s\n",
		 version, *version ? "VERSION_ID=" : "", version);
	more[n++] = (struct pe_more){ ".osrel", osrel, strlen(osrel) };
	if (*spec->cmdline)
		more[n++] =
			(struct pe_more){ ".cmdline", spec->cmdline, strlen(spec->cmdline) };
	more[n++] = (struct pe_more){ ".initrd", initrd.data, initrd.len };
	more[n++] = (struct pe_more){ ".linux", kernel.data, kernel.len };
	r = pe_append(stub.data, &pe, more, n, to);
	if (r < 0)
		return log_err(r == -ENOMEM || r == -E2BIG ? r : 0,
			       "cannot put kernel and initrd behind the stub '%s'%s", spec->stub,
			       r == -ENOSPC	? ": its section table has no room"
			       : r == -EEXIST ? ": it holds some already"
			       : r == -EPROTO ? ": it is signed"
					      : ""),
		       r;
	return 0;
}

/* A file in memory that another program reads or writes as @ret_path. */
static int memory_file(const struct buffer *content, int *ret_fd, char ret_path[static 32])
{
	_cleanup_close_ int fd = memfd_create("bpboot-uki", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && content)
		r = fd_write_all(fd, content->data, content->len);
	if (r < 0)
		return log_err(r, "cannot make a file in memory");
	snprintf(ret_path, 32, "/proc/self/fd/%d", fd);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Run a tool of sbsigntool on memory files. Return: 0; 1 when it says no, in @said. */
static int run_tool(const char *const *argv, const int *fds, size_t n_fds, struct buffer *said)
{
	struct process p = PROCESS(argv);
	char path[32];
	int status, r;
	pid_t pid;

	r = memory_file(NULL, &p.err, path);
	p.out = p.err;
	for (size_t i = 0; i < n_fds; i++)
		p.keep[p.n_keep++] = fds[i];
	p.die_with_parent = true;
	if (r == 0)
		r = process_spawn(&p, &pid);
	if (r == -ENOENT)
		log_err(0, "cannot find %s: Debian's package sbsigntool has it", argv[0]);
	else if (r == 0 && process_wait(pid, SIGN_MS, &status) < 0)
		r = log_err(-ETIMEDOUT, "%s does not end (pid %d)", argv[0], pid);
	if (r == 0 && lseek(p.err, 0, SEEK_SET) == 0 && buffer_reserve(said, SAID_MAX - 1) == 0) {
		ssize_t n = read(p.err, said->data + said->len, SAID_MAX - 1);

		said->len += n > 0 ? (size_t)n : 0;
		said->data[said->len] = 0;
	}
	fd_close(p.err);
	return r < 0 ? r : status != 0;
}

/* The last line of what a tool said. */
static const char *last_line(struct buffer *said)
{
	char *text = (char *)said->data, *end;

	if (said->len == 0)
		return "it does not say why";
	while (said->len > 0 && isspace((unsigned char)text[said->len - 1]))
		text[--said->len] = 0;
	end = strrchr(text, '\n');
	return end ? end + 1 : text;
}

static int take_signed(int fd, const struct buffer *image, struct buffer *to)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t got;
	int r = size < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r == 0)
		r = buffer_reserve(to, (size_t)size);
	if (r == 0)
		r = fd_read_full(fd, to->data + to->len, (size_t)size, &got);
	if (r < 0)
		return log_err(r, "cannot take the signed image");
	to->len += got;
	if (!pe_is_signed_copy(image->data, image->len, to->data, to->len))
		return log_err(0, "sbsign gave back another image than it got"), -EBADMSG;
	return 0;
}

int uki_sign(const struct buffer *image, const char *key, const char *cert, struct buffer *to)
{
	_cleanup_buffer_ struct buffer said = BUFFER(2 * SAID_MAX);
	int fds[2] = { FD_NONE, FD_NONE };
	char in[32], out[32];
	const char *sign[] = { "sbsign", "--key", key, "--cert", cert, "--output", out, in, NULL };
	const char *verify[] = { "sbverify", "--cert", cert, out, NULL };
	int r = memory_file(image, &fds[0], in);

	if (r == 0)
		r = memory_file(NULL, &fds[1], out);
	if (r == 0)
		r = run_tool(sign, fds, 2, &said);
	if (r == 0)
		r = take_signed(fds[1], image, to);
	else if (r > 0 && strstr(buffer_str(&said), "does not match certificate"))
		r = (log_err(0, "the key '%s' does not belong to the certificate '%s'", key, cert),
		     -EBADMSG);
	else if (r > 0)
		r = (log_err(0, "cannot sign with key '%s' and certificate '%s': sbsign: %s", key,
			     cert, last_line(&said)),
		     -EBADMSG);
	if (r == 0) {
		r = run_tool(verify, fds, 2, &said);
		if (r > 0)
			r = (log_err(0, "sbverify does not take what sbsign made: %s",
				     last_line(&said)),
			     -EBADMSG);
	}
	fd_close(fds[0]);
	fd_close(fds[1]);
	return r;
}
