/*
 * pty.c - a terminal of its own for a process on a node
 *
 * The slave side is opened through its master (TIOCGPTPEER) and not by name, so that it does not
 * matter where or whether devpts is mounted for the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "space/pty.h"

#define PTY_MODE 0620 /* write(1) and wall(1) come through the group that devpts gives */

void pty_resize(int master, uint16_t rows, uint16_t columns)
{
	const struct winsize size = { .ws_row = rows, .ws_col = columns };

	(void)ioctl(master, TIOCSWINSZ, &size); /* ENOTTY: it is no terminal */
}

int pty_open(const struct message_spec *spec, const struct message_credentials *who,
	     int *ret_master, int *ret_slave)
{
	_cleanup_close_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = FD_NONE;

	if (master < 0 || unlockpt(master) < 0)
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	/* A bpslave that is not root runs programs of its own user only, whose terminal it is. */
	if (geteuid() == 0 &&
	    (fchown(slave, who->uid, (gid_t)-1) < 0 || fchmod(slave, PTY_MODE) < 0))
		return -errno;
	pty_resize(master, spec->rows, spec->columns);
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int pty_control(int slave)
{
	return ioctl(slave, TIOCSCTTY, 0) < 0 ? -errno : 0;
}
