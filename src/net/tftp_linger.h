/*
 * tftp_linger.h - the socket of a TFTP transfer after its end, while answers to it may still come
 */
#pragma once

#include <netinet/in.h>

struct ev_loop;

/*
 * Keep @fd (taken) open for a while and tell whoever still answers that nobody wants it: a request
 * that was said twice, or given up, leaves a session at the server that would else wait minutes for
 * us, and servers have few. Does not keep the loop running.
 */
void tftp_linger(struct ev_loop *loop, int fd);
