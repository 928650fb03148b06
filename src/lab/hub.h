/*
 * hub.h - the lab's network: a switch of our own between QEMU machines and one interface of the
 * front end
 *
 * Works for every user, since nothing in it asks for /dev/net/tun: each machine's network card is a
 * stream socket to QEMU ("-netdev socket"), and the front end's interface is one end of a veth pair
 * whose other end is a packet socket.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/lang.h"

#define HUB_INTERFACE "lab0"	 /* the front end's */
#define HUB_NODES_MAX 254	 /* with the front end, what a /24 holds */
#define HUB_FRAME_MAX 65536	 /* bytes; ours have an MTU of 1500 */
#define HUB_QUEUE_MAX (1u << 20) /* bytes that wait for one machine; what comes then is dropped */

struct hub;

/* Whether the interface has fd77::1/64 too. */
bool hub_has_ipv6(void);

/* MAC of node @number: 52:54:00:b0:00:NN. */
struct mac hub_mac(size_t number);

/*
 * Make the interface, with address 10.77.0.1/24 (in the current network namespace), and the switch.
 * Return: 0 or negative errno (logged).
 */
_must_check_ int hub_new(struct ev_loop *loop, size_t n_nodes, struct hub **ret);
void hub_free(struct hub *h);

/*
 * Plug node @number in, in place of what was there.
 * Return: 0 with the end of the cable that QEMU gets (the caller closes it), or negative errno.
 */
_must_check_ int hub_plug(struct hub *h, size_t number, int *ret_fd);
