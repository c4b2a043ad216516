/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Words: the oracle of the races in which several threads share private memory
 * that the kernel moves, copies, merges, writes out and maps anew below them.
 *
 * Law. All ways to one address reach one page, always. So a thread finds what it
 * stored last, and finds of others' no less than they had stored before it looked.
 *
 * Each owner has one word in every page and stores rising numbers into it,
 * by a way of its own (ways.h). Nobody else stores there, so on a correct kernel
 *   its own word		is what it stored last
 *   another's word	is at least what that one had published before the look
 *			began, and at most what it had announced at its end; or, since not
 *			all ways copy a word as one, made of the bytes of two such numbers
 * Where the machine completes stores late (race_late_stores()), so few prove nothing.
 */
#ifndef STRESS_WORDS_H
#define STRESS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"
#include "ways.h"

#define WORDS_OWNERS_MAX 4

/* setup: mem, whose pages are zero and stay mapped, gets the words. */
void words_setup(char *mem, size_t npages, unsigned int owners);

/*
 * main, prepare: which pages the round is about, all of them or a few, on which the
 * owners meet more often.
 */
void words_focus(struct rng *rng);
/* On at most so many. */
void words_focus_on(struct rng *rng, size_t most);
/* Which ones they are. */
void words_hot(size_t *first, size_t *pages);

/* An actor: stores and looks until the round is over. */
void words_run(unsigned int owner, const struct way *way);

/*
 * The same with all words of the owner alike for milliseconds at a time: pages
 * become equal, as KSM needs them.
 */
void words_run_alike(unsigned int owner, const struct way *way);

/*
 * Any owner's word of any page: what it has stored for certain, what it may have
 * stored by now, and where, for a change that works on the content.
 */
uint64_t words_published(unsigned int owner, size_t page);
uint64_t words_announced(unsigned int owner, size_t page);
volatile uint64_t *words_at(unsigned int owner, size_t page);
unsigned int words_owners(void);
bool words_possible(uint64_t found, uint64_t least, uint64_t most);

/* judge: how often an owner came to a page in the round. */
uint64_t words_visits(unsigned int owner);

/* judge: every word of every page, and what the owners saw in the round. */
void words_judge(void);
void words_extra(void);

#endif /* STRESS_WORDS_H */
