/*
 * boot.h - what one boot knows, and the stages that it goes through
 *
 * One struct for the whole of PID 1, handed from stage to stage. What stands under "of this
 * attempt" is undone by boot_undo() before the next attempt, so that a retry starts from a clean
 * machine. A stage that fails has said so (stage_fail) before it returns its negative errno.
 */
#pragma once

#include <ev.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "init/cmdline.h"
#include "init/drivers.h"
#include "init/nfsroot.h"
#include "init/watchdog.h"
#include "net/fetch.h"
#include "net/ip6_client.h"
#include "net/link.h"
#include "net/reporter.h"
#include "wire/dhcp.h"
#include "wire/index.h"
#include "wire/report.h"

#define BOOT_KEY_DIR	 "/etc/bpboot"
#define BOOT_MIN_COUNTER BOOT_KEY_DIR "/min-counter"
#define BOOT_EVENTS_MAX	 (256u << 10) /* bytes of the file of events */
#define BOOT_RUN_DIR	 "/run/bpboot"
#define BOOT_ROOT_DIR	 "/sysroot"
#define BOOT_RAMDISK	 "/dev/ram0"

/* Below an overlay: the image, and the tmpfs that takes what is written. */
#define BOOT_IMAGE_DIR	 BOOT_RUN_DIR "/image"
#define BOOT_OVERLAY_DIR BOOT_RUN_DIR "/overlay"
#define BOOT_DNS_MAX	 8
#define BOOT_DISK_MAX	 320 /* bytes of what names a root that is no image, with NUL */
#define BOOT_CONSOLES_MAX 4 /* beside the one that is /dev/console */

struct boot {
	struct ev_loop *loop;
	struct cmdline cmdline;
	struct drivers *drivers;
	struct reporter reporter;
	char **argv, **envp;	       /* for the root's init */
	const char *target;	       /* where the root is mounted */
	uint64_t start_us;	       /* when init began, CLOCK_MONOTONIC */
	unsigned attempt;	       /* from 1 */
	uint64_t counter_seen;	       /* of the index that was accepted last; 0: none yet */
	uint64_t free_start, free_min; /* bytes of memory */
	uint64_t free_memory;	       /* before the image came */

	struct watchdog watchdog;
	bool netconsole; /* is set up */

	int console, kmsg, events; /* where events go; FD_NONE while closed */
	size_t events_bytes;	   /* in the file */
	int consoles[BOOT_CONSOLES_MAX]; /* of further console= words */
	size_t n_consoles;
	enum report_stage stage;   /* that runs */
	uint64_t console_progress_ms;

	/* of this attempt */
	struct links *links;
	struct link link; /* the one with the address; ifindex 0: none yet */
	bool have_lease;
	struct dhcp_lease lease; /* or what a static address comes with */
	bool have_lease6;
	struct ip6_lease lease6;
	struct ipaddr dns[BOOT_DNS_MAX];
	size_t n_dns;
	uint64_t obtained_ms; /* since kernel start */
	bool adopted;	      /* link and address are another program's */
	struct fetch_url url; /* of the index that is used */
	struct fetch_url urls[FETCH_SERVERS_MAX]; /* of the index at each server, in order */
	size_t n_urls;
	struct index index;
	int ramdisk;	    /* or the folder that files are unpacked to; FD_NONE: not there */
	const char *device; /* that is mounted; NULL: not there */
	char disk[BOOT_DISK_MAX]; /* its path, or SERVER:/PATH; "": the root is an image */
	bool is_nfs;		  /* the latter, and what was said of it */
	struct nfsroot nfs;
	const char *nfs_version; /* for a person, once it is mounted */
	bool mounted, overlaid;
	char init[INDEX_INIT_MAX];
};

/* --- setup.c: what a boot stands on, and its sequence --- */

struct boot_stage {
	const char *name;
	int (*run)(struct boot *b);
	bool of_image; /* is passed over when the root is none */
};

/* malloc, libsodium, the event loop, an empty boot. Return: 0 or -ENOSYS: no event loop. */
_must_check_ int boot_init(struct boot *b, char **argv, char **envp);

/* Read /proc/cmdline. */
void boot_read_cmdline(struct boot *b);

/* One after the other until one fails; before each, @before when it is not NULL. Return: as the
 * stage that failed, or 0. */
int boot_run(struct boot *b, const struct boot_stage *stages, size_t n,
	     void (*before)(struct boot *b, const char *name));

/* --- stage.c: events --- */

/* Open where events go. Called once, and again when /dev and /run are mounted. */
void stage_open(struct boot *b);

void stage_say(struct boot *b, enum report_stage stage, enum report_state state, const char *fmt,
	       ...) _printf_(4, 5);
#define stage_begin(b, s, ...) stage_say(b, s, REPORT_BEGIN, __VA_ARGS__)
#define stage_ok(b, s, ...)    stage_say(b, s, REPORT_OK, __VA_ARGS__)
#define stage_warn(b, s, ...)  stage_say(b, s, REPORT_WARN, __VA_ARGS__)

/* Say why this attempt failed. Return: @err. */
int stage_fail(struct boot *b, enum report_stage stage, int err, const char *fmt, ...)
	_printf_(4, 5);

void stage_progress(struct boot *b, enum report_stage stage, uint64_t done, uint64_t total,
		    const char *words);

/* The end of a boot that went well: "@doing /sbin/init", its time and its peak of memory. */
void stage_say_root(struct boot *b, const char *doing);

/* Look at how much memory is free now; the least is what the boot's peak is told from. */
void stage_sample_memory(struct boot *b);

/* --- the stages, one file each. Return: 0 or negative errno, already said --- */

int mounts_stage(struct boot *b);   /* proc, sys, dev, run */
int drivers_stage(struct boot *b);  /* begins; goes on while the network is waited for */
int network_stage(struct boot *b);  /* link and address */
int adopt_stage(struct boot *b);    /* the same, as another program brought them up */
int netconsole_stage(struct boot *b); /* netconsole=; never fails */
int root_stage(struct boot *b);	    /* where the index is */
int disk_network_stage(struct boot *b); /* when ip= asks for it */
int disk_stage(struct boot *b);	       /* the disk that is the root */
int nfs_stage(struct boot *b);	       /* where the NFS root is */
int index_stage(struct boot *b);    /* fetched, signature good */
int memory_stage(struct boot *b);   /* the image fits */
int fetch_stage(struct boot *b);    /* parts into the ram disk */
int mount_stage(struct boot *b);    /* and the root's init is there */
int handover_stage(struct boot *b); /* what the root needs to know, in /run */
int switch_stage(struct boot *b);   /* returns on an error only */

/* --- compose.c: links made of others --- */

/* The interface that the address goes to, or NULL: any. */
const char *compose_device(const struct cmdline *c);

/* Make what bond= and vlan= say, as far as it can be made now, and go on with it. Says. */
int compose_begin(struct boot *b);
void compose_undo(struct boot *b);

/* Is root= a local disk? */
bool disk_is_meant(const char *root);

/* --- nfs.c --- */

/* Do root= or, without it, the DHCP answer name an NFS root? */
bool nfs_is_meant(const struct boot *b);

/* Mount it at b->target with flags @f and options @data. Says. Return: 0 or negative errno. */
int nfs_mount(struct boot *b, unsigned long f, const char *data);

/* Begin to report to whoever is named, or else serves. */
void connect_reporter(struct boot *b, bool have_url);

/* --- resolve.c --- */

/* Set b->dns: which name servers this node has. */
void resolve_servers(struct boot *b);

/* Find the address of the URL's host, when it is a name. Says. Return: 0 or negative errno. */
int resolve_url(struct boot *b, struct fetch_url *u);

/* Forget the index and the address; remove the ram disk. */
void boot_undo(struct boot *b);
void network_undo(struct boot *b);
void ramdisk_undo(struct boot *b);

/* The tmpfs for files that are unpacked, at b->target. Says. */
int mount_files(struct boot *b);

void mount_undo(struct boot *b);

/* Does the kernel have the file system, built in or loaded before? */
bool kernel_has_filesystem(const char *name);

/* --- switch.c --- */

/*
 * May what is below @root be removed and @next become the root? Only when @root is a ramfs or tmpfs
 * with a regular file /init, and @next another file system. Return: 0, or negative errno with
 * *ret_why written.
 */
_must_check_ int switch_guard(int root, int next, const char **ret_why);

/* --- failure.c: the one way to give up --- */

/* An attempt failed: open a shell, reboot, or wait for the next one. Returns when the next attempt
 * is due. */
void failure_handle(struct boot *b);

/* rd.break: a shell before the stage @name. */
void failure_break(struct boot *b, const char *name);

/* There is no way back (the root's init could not be executed): say so, wait, reboot. */
_noreturn_ void failure_final(struct boot *b);

/* --- rescue.c --- */

/* The built-in prompt on the console. Returns when the person says "retry". */
void rescue_prompt(struct boot *b);
