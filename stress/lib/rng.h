/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Randomness that can be repeated: xoshiro256** (Blackman and Vigna, public
 * domain), its state filled by splitmix64 from a key of three numbers.
 */
#ifndef STRESS_RNG_H
#define STRESS_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed, uint64_t round, uint64_t actor);
uint64_t rng_next(struct rng *rng);
/* Uniform in [0, bound), without bias; 0 for bound 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* In [1, bound], each power of two as likely as the next. */
uint64_t rng_log(struct rng *rng, uint64_t bound);

/*
 * The sweep: delay number i of a sequence that covers [0, span) evenly however
 * early it is cut off (steps of the golden ratio). Seeds shift its start.
 */
uint64_t jitter_sweep(uint64_t seed, uint64_t i, uint64_t span);

#endif /* STRESS_RNG_H */
