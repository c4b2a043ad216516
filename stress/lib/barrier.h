/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A barrier for threads and processes: plain memory, to be placed in a shared
 * mapping. Waiters spin for a while, so that all leave within a few hundred
 * nanoseconds where CPUs are free, and sleep on a futex after that, so that a
 * machine with fewer CPUs than waiters gets on.
 */
#ifndef STRESS_BARRIER_H
#define STRESS_BARRIER_H

#include <stdatomic.h>
#include <stdbool.h>

struct barrier {
	atomic_uint parties, arrived, turn;
	unsigned int spins;
};

void barrier_init(struct barrier *b, unsigned int parties, unsigned int spins);

/*
 * Returns false when broken() said so, which is asked now and then: the others
 * will not come. broken may be NULL.
 */
bool barrier_wait(struct barrier *b, bool (*broken)(void));

#endif /* STRESS_BARRIER_H */
