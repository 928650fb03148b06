/*
 * tftp_socket.h - the socket of a TFTP transfer, and what can be asked for over it
 */
#pragma once

#include <stdbool.h>

#include "base/ip.h"
#include "base/lang.h"
#include "wire/tftp.h"

/*
 * Open a socket for a transfer from @server and choose the options to ask for: @blksize, or what
 * fits the MTU of the route when it is 0; @window, or as much of it as the receive buffer holds.
 * The socket is not connected, since the server answers from another port. Return: descriptor or
 * negative errno (-ENETUNREACH: no route).
 */
_must_check_ int tftp_socket_open(const union ip_sock *server, uint16_t blksize, unsigned window,
				  struct tftp_options *ret);

/*
 * Empty the socket's queue of ICMP errors. Return: whether one says that nobody listens at @other;
 * what we told strangers may come back, too, and means nothing.
 */
bool tftp_socket_refused(int fd, const union ip_sock *other);
