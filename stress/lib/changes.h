/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes below memory that leave its content alone: what a process, an
 * administrator or the kernel itself does to pages and page tables while the
 * owners of words (words.h) go on. Each is allowed to any process at any time and must be seen
 * by nobody.
 */
#ifndef STRESS_CHANGES_H
#define STRESS_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "race.h"

/* What is changed: page by page, and unit by unit where a change needs whole ones. */
struct region {
	char *mem;
	size_t pages;	/* words in all of them; one more page follows, nobody's */
	size_t unit;	/* in bytes: huge pages, or one page where there are none */
	size_t len;	/* in bytes: all of it, whole units */
	int file;	/* what it is a shared mapping of, from offset 0; -1: private memory */
};

struct change {
	const char *name;
	bool forks;
	bool private_only;
	bool of_alike;	/* happens to pages that are equal */
	/* What it cannot do without, for a crowd that is exposed by its one change. */
	struct race_exposure exposure;
	/* What does much the same in less time: most turns are its, where it can be had. */
	const struct change *rather;
	const char *(*setup)(const struct region *r);	/* as for ways */
	/* False: the kernel refused, as it may. */
	bool (*make)(const struct region *r, struct rng *rng);
};

/* Maps a part of the region anew: empty memory, or the file's. False: errno says why not. */
bool change_map(const struct region *r, char *at, size_t len);
/* Takes the pages of a part out of the memory: it is zero then. */
bool change_drop(const struct region *r, char *at, size_t len);

extern const struct change change_split, change_collapse, change_pageout,
			   change_swapoff, change_fork, change_ksm,
			   change_migrate, change_softdirty, change_cold,
			   change_swapcycle, change_kernel, change_khugepaged,
			   change_folio_split, change_kept;

#endif /* STRESS_CHANGES_H */
