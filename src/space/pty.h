/*
 * pty.h - a terminal of its own for a process on a node
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "wire/message.h"

/*
 * Open one as large as the spec says, which belongs to the user. Return: 0 or negative errno; both
 * ends are the caller's, close on exec, and the slave is nobody's controlling terminal yet.
 */
_must_check_ int pty_open(const struct message_spec *spec, const struct message_credentials *who,
			  int *ret_master, int *ret_slave);

/* In a child that leads its session: its controlling terminal. Return: 0 or negative errno. */
_must_check_ int pty_control(int slave);

/* Another size: what runs in the foreground there gets SIGWINCH. Nothing happens when @master is
 * not a terminal. */
void pty_resize(int master, uint16_t rows, uint16_t columns);
