// SPDX-License-Identifier: GPL-2.0
/*
 * one-memory: threads of one process see different memory at one address.
 *
 * Law. A process has one memory: a store that one of its threads has made and told of
 * is found by all others, by whatever way they look, whatever the kernel did to the page
 * meanwhile: copied it for a child, merged it with an equal one, moved it, swapped it out and
 * in, write-protected it to learn who writes. And a child's copy is of one moment, and its own.
 *
 * The interleaving, for all kinds of change that give an address another page:
 *
 *   change (CPU 0)                     store (CPU 1)      look (CPU 2)
 *   -------------------------------    ---------------    ------------------
 *                                      p[0] = 41
 *   write-protect the entry; CPU 1's
 *   translation is not flushed, or CPU 2
 *   has just taken the page by its table
 *   copy the page
 *                                      p[0] = 42, into
 *                                      the old page
 *   map the copy
 *                                                         p[0] is 41
 *
 * Oracle: lib/words.h, and for fork lib/change_fork.c.
 */
#include "crowd.h"
#include "race.h"

static const char *const way_names[] = {
	"process_vm", "direct", "vmsplice", "uring", "pin", "all", NULL
};

static const char *const change_names[] = {
	"fork", "ksm", "migrate", "softdirty", "swapoff", "pageout", "split",
	"folio-split", "collapse", "cold", "all", NULL
};

static const struct crowd crowd = {
	.ways = (const struct way *const[]){
		&way_process_vm, &way_direct, &way_vmsplice, &way_uring,
		&way_pin, NULL
	},
	.changes = (const struct change *const[]){
		&change_fork, &change_ksm, &change_migrate, &change_softdirty,
		&change_swapoff, &change_pageout, &change_split,
		&change_folio_split, &change_collapse, &change_cold, NULL
	},
	.planted = (const struct change *const[]){
		&change_fork, &change_ksm, &change_pageout, NULL
	},
	.exposed_by_change = true,
	.calls = 8,
	.delay_ns = 200000,
};

static void setup(void)
{
	crowd_setup_by_options(&crowd);
}

const struct race race = {
	.name = "one-memory",
	.theme = "stale-translation",
	.summary = "threads see one memory while it is copied, merged, moved and swapped",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "rmap.map", 50000, 300000, 4, 200000 },
		{ "pte.clear_flush", 50000, 300000, 4, 200000 },
		{ "tlb.flush", 50000, 300000, 4, 200000 },
		{ "tlb.batch.flush", 50000, 300000, 2, 200000 },
		{ NULL }
	},
	.control = "skip.tlb.pte|skip.tlb.batch",
	.exposure = { "probe.cow", 100 },
	.options = (const struct race_option[]){
		CROWD_WAY(way_names),
		CROWD_CHANGE(change_names),
		CROWD_SIZE("mixed"),
		CROWD_PAGES,
		{ NULL }
	},
	.setup = setup,
	CROWD_FUNCTIONS,
};
