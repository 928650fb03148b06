/*
 * install.c - bpboot install and uninstall: bpboot's services and folders on the front end
 *
 * One table says what belongs to the site: folders, units, a tmpfiles entry. install makes what is
 * not there and starts nothing; uninstall takes away what install made, as it made it: a file that
 * was changed stays, and so does a folder that holds something.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/where.h"

enum { TEXT_BYTES_MAX = 8192 };

struct options {
	const char *root;
	bool dry_run;
};

static const char unit_serve[] = "# written by bpboot install\n"
				 "[Unit]\n"
				 "Description=bpboot: DHCP and TFTP for the cluster's nodes\n"
				 "Documentation=man:bpboot-serve(1)\n"
				 "Wants=network-online.target\n"
				 "After=network-online.target\n"
				 "ConditionPathExists=/etc/bpboot/cluster.conf\n"
				 "\n"
				 "[Service]\n"
				 "ExecStart=%s serve\n"
				 "ExecReload=/bin/kill -HUP $MAINPID\n"
				 "Restart=on-failure\n"
				 "RestartSec=10\n"
				 "NoNewPrivileges=yes\n"
				 "ProtectHome=yes\n"
				 "ProtectSystem=full\n"
				 "\n"
				 "[Install]\n"
				 "WantedBy=multi-user.target\n";

static const char unit_master[] = "# written by bpboot install\n"
				  "[Unit]\n"
				  "Description=bpboot: the nodes' process space and boot events\n"
				  "Documentation=man:bpmaster(8)\n"
				  "Wants=network-online.target\n"
				  "After=network-online.target\n"
				  "ConditionPathExists=/etc/bpboot/cluster.conf\n"
				  "\n"
				  "[Service]\n"
				  "ExecStart=%s --foreground\n"
				  "ExecReload=/bin/kill -HUP $MAINPID\n"
				  "Restart=on-failure\n"
				  "RestartSec=5\n"
				  "LimitNOFILE=65536\n"
				  "OOMScoreAdjust=-900\n"
				  "\n"
				  "[Install]\n"
				  "WantedBy=multi-user.target\n";

static const char tmpfiles[] = "# written by bpboot install\n"
			       "d /run/bpboot 0755 root root -\n";

static const struct item {
	const char *path;
	mode_t mode;
	const char *text;    /* with a "%s" for the program; NULL: a folder */
	const char *program; /* of text; NULL: none */
} items[] = {
	{ "/etc/bpboot", 0755, NULL, NULL },
	{ WHERE_BOOT_DIR, 0755, NULL, NULL },
	{ "/var/lib/bpboot", 0755, NULL, NULL },
	{ "/run/bpboot", 0755, NULL, NULL },
	{ "/etc/tmpfiles.d/bpboot.conf", 0644, tmpfiles, NULL },
	{ "/etc/systemd/system/bpboot-serve.service", 0644, unit_serve, "bpboot" },
	{ "/etc/systemd/system/bpmaster.service", 0644, unit_master, "bpmaster" },
};

static int make_text(const struct item *i, struct buffer *to)
{
	const char *mark = strstr(i->text, "%s");
	_cleanup_free_ char *program = NULL;
	int r;

	if (!mark)
		return buffer_append(to, i->text, strlen(i->text));
	r = where_program(i->program, &program);
	if (r == 0)
		r = buffer_append(to, i->text, (size_t)(mark - i->text));
	if (r == 0)
		r = buffer_append(to, program, strlen(program));
	return r < 0 ? r : buffer_append(to, mark + 2, strlen(mark + 2));
}

/* Whether the file holds exactly that. */
static bool holds(const char *path, const struct buffer *text)
{
	_cleanup_buffer_ struct buffer there = BUFFER(TEXT_BYTES_MAX);

	return file_read(AT_FDCWD, path, &there) == 0 && there.len == text->len &&
	       !memcmp(there.data, text->data, text->len);
}

static int install_file(const struct options *o, const struct item *i, const char *path)
{
	_cleanup_buffer_ struct buffer text = BUFFER(TEXT_BYTES_MAX);
	_cleanup_free_ char *dir = strndup(path, (size_t)(path_base(path) - path));
	int r = dir ? make_text(i, &text) : -ENOMEM;

	if (r < 0)
		return r == -ENOENT ? r : log_err(r, "cannot make '%s'", path);
	if (o->dry_run) {
		printf("%s:\n%s\n", path, buffer_str(&text));
		return 0;
	}
	if (holds(path, &text)) {
		printf("%s: is there\n", path);
		return 0;
	}
	if (access(path, F_OK) == 0)
		return log_err(0, "'%s' is there already, and is another: move it away", path),
		       -EEXIST;
	r = path_mkdirs(AT_FDCWD, dir, 0755);
	if (r == 0)
		r = file_write(AT_FDCWD, path, buffer_str(&text), text.len, i->mode);
	if (r < 0)
		return log_err(r, "cannot write '%s'", path);
	printf("%s: written\n", path);
	return 0;
}

static int install_folder(const struct options *o, const char *path)
{
	bool there = access(path, F_OK) == 0;
	int r = there || o->dry_run ? 0 : path_mkdirs(AT_FDCWD, path, 0755);

	if (r < 0)
		return log_err(r, "cannot make '%s'", path);
	printf("%s/: %s\n", path, there ? "is there" : o->dry_run ? "would be made" : "made");
	return 0;
}

static int run_install(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	int r = 0;

	for (size_t k = 0; r == 0 && k < ARRAY_SIZE(items); k++) {
		const struct item *i = &items[k];
		_cleanup_free_ char *path = NULL;

		r = path_join(o->root, i->path, &path);
		if (r == 0)
			r = i->text ? install_file(o, i, path) : install_folder(o, path);
	}
	if (r == 0 && !o->dry_run)
		printf("nothing was started: systemctl daemon-reload && systemctl enable --now "
		       "bpmaster bpboot-serve\n");
	return r;
}

static int remove_file(const struct options *o, const struct item *i, const char *path)
{
	_cleanup_buffer_ struct buffer text = BUFFER(TEXT_BYTES_MAX);
	int r = make_text(i, &text);

	if (access(path, F_OK) < 0)
		return 0;
	if (r < 0 || !holds(path, &text)) {
		log_warn(0, "'%s' is not as bpboot install wrote it, and stays", path);
		return 0;
	}
	if (!o->dry_run && unlink(path) < 0)
		return log_err(-errno, "cannot remove '%s'", path);
	printf("%s: %s\n", path, o->dry_run ? "would be removed" : "removed");
	return 0;
}

static int remove_folder(const struct options *o, const char *path)
{
	if (access(path, F_OK) < 0)
		return 0;
	if (o->dry_run)
		printf("%s/: would be removed if empty\n", path);
	else if (rmdir(path) == 0)
		printf("%s/: removed\n", path);
	else if (errno == ENOTEMPTY || errno == EEXIST)
		printf("%s/: stays, since it holds something\n", path);
	else
		return log_err(-errno, "cannot remove '%s'", path);
	return 0;
}

static int run_uninstall(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	int r = 0;

	for (size_t k = ARRAY_SIZE(items); r == 0 && k-- > 0;) {
		const struct item *i = &items[k];
		_cleanup_free_ char *path = NULL;

		r = path_join(o->root, i->path, &path);
		if (r == 0)
			r = i->text ? remove_file(o, i, path) : remove_folder(o, path);
	}
	if (r == 0 && !o->dry_run)
		printf("nothing was stopped: systemctl daemon-reload, if services ran\n");
	return r;
}

static void defaults(void *opts)
{
	struct options *o = opts;

	o->root = "/";
}

static const struct option_row rows[] = {
#define AT(field) offsetof(struct options, field)
	{ "dry-run", 'n', OPTION_FLAG, NULL, "show what would be done, and do nothing",
	  AT(dry_run) },
	{ "root", 'r', OPTION_STRING, "DIR", "below this folder, as a package is built (/)",
	  AT(root) },
	{ 0 },
#undef AT
};

const struct command cmd_install = {
	.name = "install",
	.args = "",
	.summary = "systemd units for serve and bpmaster, and their folders",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_max = 0,
	.run = run_install,
};

const struct command cmd_uninstall = {
	.name = "uninstall",
	.args = "",
	.summary = "take away what install made",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_max = 0,
	.run = run_uninstall,
};
