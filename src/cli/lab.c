/*
 * lab.c - bpboot lab: a virtual cluster on this machine
 *
 * One table of verbs. `run` is up, a command, down; the command and `exec` get an environment in
 * which bpsh, bpstat and the others find the lab's bpmaster.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/where.h"
#include "lab/lab.h"
#include "lab/parts.h"
#include "lab/light.h"

/* OVMF leaves GRUB too little of 256 MB. */
#define MEMORY_BYTES	  (256ull << 20)
#define MEMORY_UEFI_BYTES (384ull << 20)

enum {
	STATUS_INTERRUPTED = 130, /* as a shell says it */
};

struct lab_options {
	uint64_t nodes, light, memory, timeout, until_pid;
	const char *name, *boot, *keys, *image, *append, *accel;
	struct parts_names parts;
};

static volatile int interrupted;

static void on_interrupt(int sig)
{
	interrupted = sig;
}

/* Interrupts end what waits, and are then cleaned up after. */
static void catch_interrupts(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_interrupt };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaction(signals[i], &sa, NULL); /* these can be set */
}

static int check_choice(const char *option, const char *value, const char *const *choices)
{
	for (size_t i = 0; choices[i]; i++) {
		if (!strcmp(value, choices[i]))
			return 0;
	}
	return log_err(0, "unknown --%s '%s'; see 'bpboot lab --help'", option, value), -EINVAL;
}

/* A program of ours, beside this one or in sbin beside our bin: NULL when it is not there. Caller
 * frees. */
static char *find_own(const char *name)
{
	static const char *const at[] = { "", "../sbin/" };
	char self[PATH_MAX], *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = 0;
	*strrchr(self, '/') = 0;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		if (asprintf(&path, "%s/%s%s", self, at[i], name) < 0)
			return NULL;
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static bool has_master_key(const char *dir)
{
	_cleanup_free_ char *path = NULL;

	return path_join(dir, "master.key", &path) == 0 && access(path, R_OK) == 0;
}

/* Start it and wait. Return: exit status. */
static int come_up(struct lab_up *u, pid_t until)
{
	_cleanup_close_ int until_fd = FD_NONE;
	int r;

	if (until) {
		until_fd = pidfd_open(until, 0);
		if (until_fd < 0)
			return log_err(-errno, "--until-pid %d: cannot watch this process", until);
		u->site.until_fd = until_fd;
	}
	catch_interrupts();
	r = lab_up(u, &interrupted);
	if (r == -EINTR)
		return STATUS_INTERRUPTED;
	return r < 0 ? COMMAND_FAILED : COMMAND_OK;
}

/* Nodes without machines need our own programs and nothing else. */
static int up_light(const struct lab_options *o, pid_t until)
{
	_cleanup_free_ char *bpmaster = find_own("bpmaster"), *bpslave = find_own("bpslave"),
			    *bpstat = find_own("bpstat"), *bpboot = find_own("bpboot");
	struct lab_up u = {
		.name = o->name,
		.timeout_s = o->timeout ? o->timeout : 60 + o->light / 4,
		.site = {
			.light = true,
			.n_nodes = o->light,
			.bpmaster = bpmaster,
			.bpslave = bpslave,
			.bpstat = bpstat,
			.bpboot = bpboot,
			.until_fd = FD_NONE,
		},
	};

	if (!bpmaster || !bpslave || !bpstat || !bpboot)
		return log_err(0, "no %s beside this program",
			       !bpmaster  ? "bpmaster"
			       : !bpslave ? "bpslave"
			       : !bpstat  ? "bpstat"
					  : "bpboot"),
		       COMMAND_FAILED;
	return come_up(&u, until);
}

/* The lab ends with process @until; with 0 it runs until it is taken down. */
static int up(const struct lab_options *o, pid_t until)
{
	static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
	_cleanup_free_ char *bpmaster = find_own("bpmaster"), *boot = realpath(o->boot, NULL),
			    *keys = realpath(o->keys, NULL);
	struct lab_up u = {
		.name = o->name,
		.accel = o->accel,
		.timeout_s = o->timeout ? o->timeout : 120 + 30 * o->nodes,
		.site = {
			.n_nodes = o->nodes,
			.memory_bytes = o->memory,
			.boot = boot,
			.keys = keys,
			.image = o->image,
			.append = o->append,
			.bpmaster = bpmaster,
			.bpboot = "/proc/self/exe",
			.until_fd = FD_NONE,
		},
	};
	int r;

	if (o->light)
		return up_light(o, until);
	r = parts_choose(&o->parts, &u.site);
	if (!u.site.memory_bytes)
		u.site.memory_bytes =
			u.site.firmware == SITE_UEFI ? MEMORY_UEFI_BYTES : MEMORY_BYTES;
	if (r == 0)
		r = check_choice("accel", o->accel, accels);
	if (r < 0)
		return COMMAND_USAGE;
	if (parts_check(&u.site) < 0)
		return COMMAND_FAILED;
	if (!boot)
		return log_err(0,
			       "no boot directory '%s': 'bpboot initrd' and 'bpboot image' make "
			       "it, "
			       "or name another with --boot",
			       o->boot),
		       COMMAND_FAILED;
	if (!has_master_key(o->keys)) {
		log_warn(0,
			 "no master.key in '%s': the lab runs without bpmaster ('bpboot keygen' "
			 "makes one)",
			 o->keys);
		u.site.keys = o->keys;
		u.site.bpmaster = NULL;
	}
	return come_up(&u, until);
}

static int down(const struct lab_options *o)
{
	_cleanup_free_ char *bpctl = find_own("bpctl");

	return lab_down(o->name, bpctl) < 0 ? COMMAND_FAILED : COMMAND_OK;
}

/* Variables in which our commands find the lab. */
static int lab_environment(const struct lab_options *o, char **ret_socket, char **ret_path)
{
	_cleanup_place_ struct place p = PLACE();
	_cleanup_free_ char *socket = NULL;
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *path = getenv("PATH");
	int r = place_open(o->name, &p);

	if (r < 0)
		return r;
	if (n <= 0)
		return log_err(-errno, "cannot find this program's own directory");
	self[n] = 0;
	*strrchr(self, '/') = 0;
	if (asprintf(&socket, "%s/master.sock", p.path) < 0) {
		socket = NULL;
		return -ENOMEM;
	}
	if (asprintf(ret_path, "%s:%s", self, path ? path : "/usr/bin:/bin") < 0)
		return -ENOMEM;
	*ret_socket = TAKE_PTR(socket);
	return 0;
}

static int do_up(const struct lab_options *o, int argc, char **argv)
{
	return up(o, (pid_t)o->until_pid);
}

static int do_down(const struct lab_options *o, int argc, char **argv)
{
	return down(o);
}

static int do_status(const struct lab_options *o, int argc, char **argv)
{
	_cleanup_free_ char *bpstat = find_own("bpstat");

	return lab_status(o->name, bpstat) < 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int do_console(const struct lab_options *o, int argc, char **argv)
{
	uint32_t number;

	if (parse_u32(argv[0], 0, SITE_NODES_MAX - 1, &number) < 0) {
		log_err(0, "node '%s': expected its number, 0 to %d", argv[0], SITE_NODES_MAX - 1);
		return COMMAND_USAGE;
	}
	return lab_console(o->name, number) < 0 ? COMMAND_FAILED : COMMAND_OK;
}

/* For a shell's eval: in single quotes, with those in it written as '\''. */
static void print_export(const char *name, const char *value)
{
	printf("export %s='", name);
	for (const char *p = value; *p; p++) {
		if (*p == '\'')
			printf("'\\''");
		else
			putchar(*p);
	}
	printf("'\n");
}

static int do_env(const struct lab_options *o, int argc, char **argv)
{
	_cleanup_free_ char *socket = NULL, *path = NULL;

	if (lab_environment(o, &socket, &path) < 0)
		return COMMAND_FAILED;
	print_export("BPBOOT_SOCKET", socket);
	print_export("PATH", path);
	return COMMAND_OK;
}

/* Run a command with the lab's environment on our own terminal. Return: its exit status. */
static int run_command(const struct lab_options *o, char **argv)
{
	_cleanup_free_ char *socket = NULL, *path = NULL;
	struct process p = PROCESS((const char *const *)argv);
	int status, r;
	pid_t pid;

	if (lab_environment(o, &socket, &path) < 0)
		return COMMAND_FAILED;
	if (setenv("BPBOOT_SOCKET", socket, 1) < 0 || setenv("PATH", path, 1) < 0)
		return log_err(-errno, "cannot set the environment");
	p.in = STDIN_FILENO;
	p.out = STDOUT_FILENO;
	p.err = STDERR_FILENO;
	r = process_spawn(&p, &pid);
	if (r < 0)
		return log_err(r, "cannot run '%s'", argv[0]);
	catch_interrupts(); /* the command gets them too, from the terminal */
	r = process_wait(pid, -1, &status);
	return r < 0 ? log_err(r, "cannot wait for '%s'", argv[0]) : status;
}

static int do_exec(const struct lab_options *o, int argc, char **argv)
{
	return run_command(o, argv);
}

static int do_run(const struct lab_options *o, int argc, char **argv)
{
	int status = up(o, getpid()), end;

	if (status == STATUS_INTERRUPTED || status == COMMAND_USAGE)
		return status;
	if (status == COMMAND_OK)
		status = run_command(o, argv);
	end = down(o);
	return status < 0 || (status == COMMAND_OK && end != COMMAND_OK) ? COMMAND_FAILED : status;
}

static const struct verb {
	const char *name;
	int args_min, args_max; /* behind the verb; -1: any */
	int (*run)(const struct lab_options *o, int argc, char **argv);
} verbs[] = {
	{ "up", 0, 0, do_up },	    { "down", 0, 0, do_down },	     { "status", 0, 0, do_status },
	{ "run", 1, -1, do_run },   { "console", 1, 1, do_console }, { "env", 0, 0, do_env },
	{ "exec", 1, -1, do_exec },
};

static int lab_run(void *options, int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(argv[0], v->name))
			continue;
		if (argc - 1 < v->args_min || (v->args_max >= 0 && argc - 1 > v->args_max))
			return command_usage(&cmd_lab, "bpboot ");
		return v->run(options, argc - 1, argv + 1);
	}
	log_err(0, "unknown verb '%s'; expected up, down, status, run, console, env or exec",
		argv[0]);
	return COMMAND_USAGE;
}

static void lab_defaults(void *options)
{
	struct lab_options *o = options;

	o->name = PLACE_NAME_USUAL;
	o->nodes = 2;
	o->boot = where_boot_dir();
	o->keys = where_key_dir();
	o->image = "compute";
	o->append = "";
	o->parts = (struct parts_names){ "dnsmasq", "dnsmasq", "ipxe", "bios", "virtio" };
	o->accel = "auto";
}

static const struct option_row lab_options[] = {
#define AT(field) offsetof(struct lab_options, field)
	{ "nodes", 'n', OPTION_U64, "N", "number of nodes (2)", AT(nodes), 1, SITE_NODES_MAX },
	{ "light", 0, OPTION_U64, "N",
	  "in place of machines, N nodes that are namespaces with a bpslave", AT(light), 1,
	  LIGHT_NODES_MAX },
	{ "memory", 'm', OPTION_SIZE, "SIZE", "memory of each node (256M; 384M with uefi)",
	  AT(memory), SITE_MEMORY_MIN, SITE_MEMORY_MAX },
	{ "boot", 'b', OPTION_STRING, "DIR", "boot directory (/srv/bpboot; BPBOOT_DIR overrides)",
	  AT(boot) },
	{ "keys", 'k', OPTION_STRING, "DIR",
	  "where master.key is (/etc/bpboot; BPBOOT_KEYS overrides)", AT(keys) },
	{ "image", 'i', OPTION_STRING, "NAME", "image that the nodes fetch (compute)", AT(image) },
	{ "append", 'a', OPTION_STRING, "WORDS", "further words of the kernel's command line",
	  AT(append) },
	{ "name", 'N', OPTION_STRING, "NAME",
	  "name of the lab; labs of other names run beside it (lab)", AT(name) },
	{ "dhcp", 0, OPTION_STRING, "SERVER", "dnsmasq, isc or kea (dnsmasq)", AT(parts.dhcp) },
	{ "tftp", 0, OPTION_STRING, "SERVER", "dnsmasq, hpa or atftpd (dnsmasq)", AT(parts.tftp) },
	{ "loader", 0, OPTION_STRING, "LOADER", "ipxe, pxelinux, grub or uki (ipxe)",
	  AT(parts.loader) },
	{ "firmware", 0, OPTION_STRING, "KIND",
	  "bios, uefi, or direct: QEMU loads kernel and initrd itself (bios)", AT(parts.firmware) },
	{ "nic", 0, OPTION_STRING, "MODEL",
	  "e1000, e1000e, virtio, rtl8139, vmxnet3, or another of QEMU's (virtio)", AT(parts.nic) },
	{ "accel", 0, OPTION_STRING, "KIND",
	  "auto, kvm or tcg; auto boots a probe to find out (auto)", AT(accel) },
	{ "timeout", 't', OPTION_U64, "SECONDS", "how long up waits (120, and 30 a machine)",
	  AT(timeout), 1, 86400 },
	{ "until-pid", 0, OPTION_U64, "PID", "end the lab when this process ends", AT(until_pid), 1,
	  INT32_MAX },
	{ 0 },
#undef AT
};

const struct command cmd_lab = {
	.name = "lab",
	.args = "VERB [ARGUMENT...]",
	.summary = "a virtual cluster on this machine",
	.details = "Verbs:\n"
		   "  up               start it and wait until all nodes are up\n"
		   "  down             power the nodes off, end and remove everything\n"
		   "  status           how far each node is\n"
		   "  run -- COMMAND   up, run a command here with bpsh and bpstat at hand, down\n"
		   "  console N        the console of node N; Ctrl-] leaves\n"
		   "  env              print the variables in which bpsh and bpstat find it\n"
		   "  exec -- COMMAND  run a command here with these variables\n",
	.options = lab_options,
	.options_size = sizeof(struct lab_options),
	.defaults = lab_defaults,
	.args_min = 1,
	.args_max = -1,
	.run = lab_run,
};
