/* SPDX-License-Identifier: GPL-2.0 */
/* For the changes themselves (change_*.c): what they have in common. */
#ifndef STRESS_CHANGE_H
#define STRESS_CHANGE_H

#include "changes.h"

/* Some pages: half of the time of those that the round is about. len: in bytes. */
char *change_some(const struct region *r, struct rng *rng, size_t *len);

/* A switch of the kernel's, until the program ends; why it cannot be set, or NULL. */
const char *change_switch(const char *path, const char *value);

/* Faults all pages in, by loads. */
void change_touch(const char *at, size_t len);

#endif /* STRESS_CHANGE_H */
