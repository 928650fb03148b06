/*
 * rescue.c - the built-in prompt, for an initrd without a shell
 *
 * A few commands that show why a boot failed. Reads lines from the console; needs nothing but the
 * kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/boot.h"

#define LINE_MAX_BYTES 512
#define COPY_BYTES     4096
#define DMESG_BYTES    (256 << 10)

enum { KLOG_READ_ALL = 3 };

static void put(const char *s)
{
	(void)!fd_write_all(STDOUT_FILENO, s, strlen(s)); /* nowhere to say so */
}

static void copy_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char buf[COPY_BYTES];
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		(void)!fd_write_all(STDOUT_FILENO, buf, (size_t)n);
	if (n < 0)
		printf("%s: %s\n", path, strerror(errno));
}

static void do_ls(struct boot *b, const char *arg)
{
	DIR *dir = opendir(*arg ? arg : "/");
	struct dirent *e;
	struct stat st;

	if (!dir) {
		printf("%s: %s\n", arg, strerror(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			printf("%06o %10" PRId64 " %s%s\n", st.st_mode, (int64_t)st.st_size,
			       e->d_name, S_ISDIR(st.st_mode) ? "/" : "");
	}
	closedir(dir);
}

static void do_cat(struct boot *b, const char *arg)
{
	copy_file(arg);
}

static void do_events(struct boot *b, const char *arg)
{
	copy_file(BOOT_RUN_DIR "/events");
}

static void do_links(struct boot *b, const char *arg)
{
	size_t n = 0;
	const struct link *l = b->links ? links_table(b->links, &n) : NULL;
	char mac[MAC_STR_MAX], why[DRIVERS_WORDS_MAX];

	for (size_t i = 0; i < n; i++)
		printf("%-12s %s mtu %u%s%s%s\n", l[i].name, mac_format(&l[i].mac, mac), l[i].mtu,
		       l[i].up ? " up" : " down", l[i].carrier ? " carrier" : " no-carrier",
		       l[i].wired ? "" : " (not asked)");
	if (b->drivers) {
		drivers_loaded(b->drivers, why, sizeof(why));
		printf("modules: %s\n", why);
		drivers_explain(b->drivers, why, sizeof(why));
		if (n < 2)
			printf("%s\n", why);
	}
}

static void do_lease(struct boot *b, const char *arg)
{
	char address[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN], next[INET_ADDRSTRLEN];
	const struct dhcp_lease *l = &b->lease;

	if (!l->address.s_addr) {
		put("no address\n");
		return;
	}
	printf("%s: %s/%u from %s\nboot server %s, boot file '%s', root-path '%s', host name "
	       "'%s'\n",
	       b->link.name, ipv4_format(l->address, address), l->prefix,
	       ipv4_format(l->server_id, server), ipv4_format(l->next_server, next), l->boot_file,
	       l->root_path, l->hostname);
}

static void do_dmesg(struct boot *b, const char *arg)
{
	_cleanup_free_ char *text = malloc(DMESG_BYTES);
	int n = text ? klogctl(KLOG_READ_ALL, text, DMESG_BYTES) : -1;

	if (n > 0)
		(void)!fd_write_all(STDOUT_FILENO, text, (size_t)n);
}

static void do_reboot(struct boot *b, const char *arg)
{
	(void)reboot(RB_AUTOBOOT);
}

static void do_poweroff(struct boot *b, const char *arg)
{
	(void)reboot(RB_POWER_OFF);
}

static void do_help(struct boot *b, const char *arg);

static const struct {
	const char *name, *help;
	void (*run)(struct boot *b, const char *arg);
} commands[] = {
	{ "help", "this list", do_help },
	{ "events", "what the boot did and said", do_events },
	{ "links", "network interfaces, and cards without a driver", do_links },
	{ "lease", "what DHCP answered", do_lease },
	{ "dmesg", "the kernel's log", do_dmesg },
	{ "ls", "[DIRECTORY]", do_ls },
	{ "cat", "FILE", do_cat },
	{ "retry", "try to boot again from the start", NULL },
	{ "reboot", "restart the machine", do_reboot },
	{ "poweroff", "switch it off", do_poweroff },
};

static void do_help(struct boot *b, const char *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("%-10s %s\n", commands[i].name, commands[i].help);
}

/* Read a line without its end. Return: false when there is no console to read from. */
static bool read_line(char line[static LINE_MAX_BYTES])
{
	size_t n = 0;
	char c;

	for (;;) {
		ssize_t got = read(STDIN_FILENO, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		if (c == '\n' || c == '\r')
			break;
		if (n + 1 < LINE_MAX_BYTES)
			line[n++] = c;
	}
	line[n] = 0;
	return true;
}

/* Return: false for "retry". */
static bool run_line(struct boot *b, char *line)
{
	char *name = line + strspn(line, " \t"), *arg = name + strcspn(name, " \t");

	if (*arg)
		*arg++ = 0;
	arg += strspn(arg, " \t");
	if (!*name)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name))
			continue;
		if (!commands[i].run)
			return false;
		commands[i].run(b, arg);
		fflush(stdout);
		return true;
	}
	printf("there is no command '%s'; 'help' lists them\n", name);
	fflush(stdout);
	return true;
}

void rescue_prompt(struct boot *b)
{
	char line[LINE_MAX_BYTES];

	put("bpboot's rescue prompt; 'help' lists its commands\n");
	do {
		put("rescue> ");
		if (!read_line(line)) {
			(void)sleep(5); /* a console that gives no input: go on as if told to */
			return;
		}
	} while (run_line(b, line));
}
