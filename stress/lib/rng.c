// SPDX-License-Identifier: GPL-2.0
#include "rng.h"

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void rng_init(struct rng *rng, uint64_t seed, uint64_t round, uint64_t actor)
{
	uint64_t x = seed;

	/* Each number of the key is mixed in before the next one joins. */
	x = splitmix(&x) ^ round;
	x = splitmix(&x) ^ actor;
	for (int i = 0; i < 4; i++)
		rng->s[i] = splitmix(&x);
}

uint64_t rng_next(struct rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	uint64_t x, limit;

	if (!bound)
		return 0;
	/* Values below 2^64 mod bound would make small results likelier. */
	limit = -bound % bound;
	do {
		x = rng_next(rng);
	} while (x < limit);
	return x % bound;
}

uint64_t rng_log(struct rng *rng, uint64_t bound)
{
	unsigned int bits = 0;
	uint64_t base, top;

	while (bits < 63 && (bound >> (bits + 1)))
		bits++;
	base = 1ULL << rng_below(rng, bits + 1);
	top = base * 2 - 1 < bound ? base * 2 - 1 : bound;
	return base + rng_below(rng, top - base + 1);
}

uint64_t jitter_sweep(uint64_t seed, uint64_t i, uint64_t span)
{
	/* 2^64 divided by the golden ratio: the fraction's steps wrap freely. */
	uint64_t x = splitmix(&seed) + i * 0x9e3779b97f4a7c15ULL;

	return (uint64_t)(((unsigned __int128)x * span) >> 64);
}
