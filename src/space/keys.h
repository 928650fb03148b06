/*
 * keys.h - the keys of nodes, within bpmaster
 */
#pragma once

#include "space/master_internal.h"

/* Read what is kept. Return: 0 or negative errno (logged). */
_must_check_ int keys_load(struct master *m);
void keys_close(struct master *m);

/*
 * Whether a machine that says that it is @mac, and has proved its key, may register; else *words
 * (MESSAGE_WORDS_MAX) say why, and it is noted as waiting or refused.
 */
bool keys_allow(struct slave *s, const struct mac *mac, char *words);

/* Whether its key is the one that is pinned. */
bool keys_known(const struct slave *s, const struct mac *mac);

/* It is registered. */
void keys_pin(struct slave *s, struct member *n);

/* What bpctl says. Return: 0, or a positive errno with words. */
int keys_accept(struct master *m, const struct mac *mac, const char *fingerprint, char *words);
int keys_forget(struct master *m, const struct mac *mac, char *words);

/* Tell a client of all. Return: 0, or negative errno. */
_must_check_ int keys_send(struct master *m, struct stream *to);
