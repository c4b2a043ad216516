// SPDX-License-Identifier: GPL-2.0
#include "barrier.h"

#include "race.h"

#define SLEEP_MS 20

void barrier_init(struct barrier *b, unsigned int parties, unsigned int spins)
{
	atomic_init(&b->parties, parties);
	atomic_init(&b->arrived, 0);
	atomic_init(&b->turn, 0);
	b->spins = spins;
}

bool barrier_wait(struct barrier *b, bool (*broken)(void))
{
	unsigned int turn = atomic_load(&b->turn);

	if (atomic_fetch_add(&b->arrived, 1) + 1 == atomic_load(&b->parties)) {
		/* Nobody can arrive for the next turn before this one is over. */
		atomic_store(&b->arrived, 0);
		atomic_fetch_add(&b->turn, 1);
		race_futex_wake(&b->turn);
		return true;
	}
	for (unsigned int i = 0; i < b->spins; i++) {
		if (atomic_load(&b->turn) != turn)
			return true;
		race_relax();
	}
	while (atomic_load(&b->turn) == turn) {
		if (broken && broken())
			return false;
		race_futex_wait(&b->turn, turn, SLEEP_MS);
	}
	return true;
}
