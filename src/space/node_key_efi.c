/*
 * node_key_efi.c - a key of this node in a variable of its EFI firmware
 *
 * What a diskless machine has that outlives its boots. A variable is a file of efivarfs: four bytes
 * of attributes, then its value, which is the text of a key file. The kernel shows each variable to
 * everybody who sees that file system, and protects it from being changed by a flag: so the file is
 * taken from others each time before it is read, and where we are init nobody else has the file
 * system at all, since our mount of it has no place.
 *
 * A key is written once in a machine's life. What stands there and is no key of ours is never
 * overwritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sodium.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/reader.h"
#include "base/writer.h"
#include "space/node_key_efi.h"
#include "wire/masterkey.h"

#define EFI		 "/sys/firmware/efi"
#define EFI_VARIABLES	 EFI "/efivars"
#define ATTRIBUTES_BYTES 4
#define ATTRIBUTES	 7u /* non-volatile, for the boot services, for the running system */
#define VALUE_MAX	 (ATTRIBUTES_BYTES + MASTERKEY_TEXT_MAX)

int node_key_efi_mount(int *ret_dir)
{
	_cleanup_close_ int fs = FD_NONE, dir = FD_NONE;
	struct statfs st;
	int r = 0;

	if (access(EFI, F_OK) < 0)
		return -ENODEV;
	fs = fsopen("efivarfs", FSOPEN_CLOEXEC);
	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		dir = fsmount(fs, FSMOUNT_CLOEXEC,
			      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (dir < 0) {
		r = errno == ENODEV ? -EOPNOTSUPP : -errno; /* ENODEV: no such file system */
		dir = open(EFI_VARIABLES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || fstatfs(dir, &st) < 0 || st.f_type != EFIVARFS_MAGIC)
			return r;
	}
	*ret_dir = TAKE_FD(dir);
	return 0;
}

/* Let nobody but root read it. Return: 0 or negative errno. */
static int hide(int fd)
{
	int flags = 0, bare, r = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if ((st.st_mode & 07777) == 0600)
		return 0;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		flags = 0; /* a file system without them */
	bare = flags & ~FS_IMMUTABLE_FL;
	if (bare != flags && ioctl(fd, FS_IOC_SETFLAGS, &bare) < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0)
		r = -errno;
	if (bare != flags && ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 && r == 0)
		r = -errno;
	return r;
}

/* The whole value. Return: its bytes, or negative errno. */
static ssize_t value_read(int fd, uint8_t *to, size_t n)
{
	for (int turns = 0; turns < 10; turns++) { /* EINTR: the kernel holds readers back */
		ssize_t got = pread(fd, to, n, 0);

		if (got >= 0 || errno != EINTR)
			return got < 0 ? -errno : got;
	}
	return -EINTR;
}

/* Return: 0; -ENOENT: there is none, or one without a value; -EBADMSG; another errno. */
static int load(int dir, struct keypair *ret)
{
	_cleanup_close_ int fd = openat(dir, NODE_KEY_EFI_VARIABLE,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t value[VALUE_MAX], secret[CIPHER_KEY_BYTES];
	struct reader r;
	uint32_t attributes;
	ssize_t n;
	int e;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	e = hide(fd);
	if (e < 0)
		return e;
	n = value_read(fd, value, sizeof(value));
	if (n <= 0)
		return n < 0 ? (int)n : -ENOENT;
	r = READER(value, (size_t)n);
	attributes = reader_le32(&r);
	e = r.err || attributes != ATTRIBUTES
		    ? -EBADMSG
		    : masterkey_parse(MASTERKEY_NODE, r.p, r.left, secret);
	if (e == 0)
		e = keypair_of(secret, ret);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(value, sizeof(value));
	return e < 0 ? -EBADMSG : 0;
}

/* Take away what was made, or what a machine that lost its power left: a name without a value. */
static void drop(int dir)
{
	_cleanup_close_ int fd = openat(dir, NODE_KEY_EFI_VARIABLE,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int flags;

	if (fd < 0)
		return;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_IMMUTABLE_FL) {
		flags &= ~FS_IMMUTABLE_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* unlinkat() fails then */
	}
	(void)unlinkat(dir, NODE_KEY_EFI_VARIABLE, 0); /* making it anew says what is wrong */
}

static int make(int dir)
{
	_cleanup_close_ int fd = FD_NONE;
	char text[MASTERKEY_TEXT_MAX];
	uint8_t value[VALUE_MAX];
	struct writer w = WRITER(value, sizeof(value));
	struct keypair pair;
	ssize_t n;
	int r = 0;

	drop(dir);
	fd = openat(dir, NODE_KEY_EFI_VARIABLE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	keypair_make(&pair);
	masterkey_format(MASTERKEY_NODE, pair.secret, text);
	writer_le32(&w, ATTRIBUTES);
	writer_bytes(&w, text, strlen(text));
	n = write(fd, value, w.len); /* in one piece: that is how the kernel makes a variable */
	if (n != (ssize_t)w.len)
		r = n < 0 ? -errno : -EIO;
	keypair_clear(&pair);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(value, sizeof(value));
	if (r < 0)
		drop(dir);
	return r;
}

int node_key_efi_open(int dir, struct keypair *ret)
{
	int r = load(dir, ret);

	if (r != -ENOENT)
		return r;
	r = make(dir);
	if (r == 0)
		r = load(dir, ret); /* what the firmware has kept, not what we wrote */
	return r == -ENOENT ? -EIO : r;
}
