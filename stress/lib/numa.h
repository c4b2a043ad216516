/* SPDX-License-Identifier: GPL-2.0 */
/* Pages that go from node to node. */
#ifndef STRESS_NUMA_H
#define STRESS_NUMA_H

#include <stdbool.h>
#include <stddef.h>

#include "rng.h"

bool numa_two_nodes(void);

/*
 * Moves this program's pages to node 0 or 1, as is drawn: all to one, or each to one of its own,
 * which takes a huge page there and back many times. Returns how many arrived, or -1 and errno.
 */
long numa_move(char *at, size_t len, bool together, struct rng *rng);

#endif /* STRESS_NUMA_H */
