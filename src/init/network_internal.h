/*
 * network_internal.h - the network stage: how an address is waited for, and what is done with it
 */
#pragma once

#include "init/boot.h"

/*
 * Wait until there is an address: set b->link and the lease of its family. Return: 0 or negative
 * errno, said.
 */
int network_wait(struct boot *b);
