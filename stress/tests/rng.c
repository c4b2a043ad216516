// SPDX-License-Identifier: GPL-2.0
#include "rng.h"

#include "ktap.h"

/* Computed by another implementation: a plan must mean the same everywhere. */
static void known_values(void)
{
	struct rng rng;

	rng_init(&rng, 7, 1000, 2);
	CHECK(rng_next(&rng) == 0xa3b1a38918ddba76ULL);
	CHECK(rng_next(&rng) == 0x01caffa32e59c2dcULL);
	CHECK(rng_next(&rng) == 0x2667e57c5f1a7ac4ULL);
}

static void keys_differ(void)
{
	static const uint64_t keys[][3] = {
		{ 1, 2, 3 }, { 2, 1, 3 }, { 1, 3, 2 }, { 3, 2, 1 }, { 1, 2, 4 },
		{ 1, 3, 3 }, { 2, 2, 3 }, { 0, 0, 0 },
	};
	uint64_t first[8];

	for (int i = 0; i < 8; i++) {
		struct rng rng;

		rng_init(&rng, keys[i][0], keys[i][1], keys[i][2]);
		first[i] = rng_next(&rng);
		for (int j = 0; j < i; j++)
			CHECK(first[i] != first[j]);
	}
}

static void below_stays_below(void)
{
	unsigned int seen[10] = { 0 };
	struct rng rng;

	rng_init(&rng, 1, 0, 0);
	for (int i = 0; i < 10000; i++) {
		uint64_t x = rng_below(&rng, 10);

		CHECK(x < 10);
		seen[x % 10]++;
	}
	for (int i = 0; i < 10; i++)
		CHECK(seen[i] > 800 && seen[i] < 1200);
	CHECK(rng_below(&rng, 1) == 0);
	CHECK(rng_below(&rng, 0) == 0);
}

static void log_reaches_all_scales(void)
{
	unsigned int ones = 0, large = 0;
	struct rng rng;

	rng_init(&rng, 1, 0, 0);
	for (int i = 0; i < 10000; i++) {
		uint64_t x = rng_log(&rng, 1000);

		CHECK(x >= 1 && x <= 1000);
		ones += x == 1;
		large += x >= 512;
	}
	CHECK(ones > 700 && ones < 1300);
	CHECK(large > 700 && large < 1300);
	CHECK(rng_log(&rng, 1) == 1);
}

/* Every sixteenth of the span is met within few rounds, from any seed. */
static void sweep_covers(void)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		unsigned int met = 0;

		for (uint64_t i = 0; i < 40; i++) {
			uint64_t x = jitter_sweep(seed, i, 1600);

			CHECK(x < 1600);
			met |= 1U << (x / 100);
		}
		CHECK(met == 0xffff);
	}
	CHECK(jitter_sweep(5, 9, 1000000) == jitter_sweep(5, 9, 1000000));
	CHECK(jitter_sweep(5, 9, 1000000) != jitter_sweep(6, 9, 1000000));
	CHECK(jitter_sweep(5, 9, 0) == 0);
}

int main(void)
{
	static const struct test tests[] = {
		{ "rng: known values", known_values },
		{ "rng: each part of the key counts", keys_differ },
		{ "rng: below", below_stays_below },
		{ "rng: log", log_reaches_all_scales },
		{ "rng: the sweep covers its span", sweep_covers },
	};

	return KTAP_RUN(tests);
}
