// SPDX-License-Identifier: GPL-2.0
/*
 * reclaim-write: a store into private memory is lost in a trip to swap.
 *
 * Law. Private memory holds the last store of its thread, always: before a page is
 * written to swap, no CPU may have a translation left through which it could store without
 * setting the entry's dirty bit anew; and threads that fault one swap entry in at
 * once must end up with one page.
 *
 * The interleaving (the rule is from 4.3, d950c9477d51):
 *
 *   reclaim (CPU 0)                      store (CPU 1)
 *   ---------------------------------    ------------------------------
 *                                        p[0] = 41
 *   replace the entries of a batch of
 *   pages by swap entries; the flush
 *   is put off to the batch's end
 *   write the page out: 41
 *                                        p[0] = 42, through a stale entry
 *   flush, free the page
 *                                        read p[0]: faults 41 in
 *
 * Two writers never stop; oracle: lib/words.h. Most pages go out at once, so that the first
 * of a batch waits long between its copy and the flush.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "changes.h"
#include "race.h"
#include "swap.h"
#include "words.h"

#define WRITERS		2
#define PAGES_MAX	4096
#define SWAP_FACTOR	4	/* swap slots for each page: old copies stay a while */
#define PAGEOUTS	8	/* calls in one round */
#define DELAY_NS	100000

static struct region region;
static uint64_t pageouts;

static void writer0(void)
{
	words_run(0, &way_cpu);
}

static void writer1(void)
{
	words_run(1, &way_cpu);
}

static void page_out(void)
{
	struct rng *rng = race_rng();

	for (int i = 0; i < PAGEOUTS && !race_over(); i++) {
		race_delay(rng_below(rng, DELAY_NS));
		change_pageout.make(&region, rng);
		pageouts++;
	}
}

static void prepare(void)
{
	words_focus(race_rng());
}

static void setup(void)
{
	const char *missing;

	region.pages = race_option_number("pages");
	region.unit = race_page_size();
	region.len = region.pages * race_page_size();
	region.mem = mmap(NULL, region.pages * race_page_size(),
			  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	if (region.mem == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	/* Before the change makes do with what it finds. */
	missing = swap_on(race_option_index("swap"), region.pages * SWAP_FACTOR);
	if (!missing)
		missing = change_pageout.setup(&region);
	if (missing)
		race_skip("--swap %s: %s", race_option("swap"), missing);
	words_setup(region.mem, region.pages, WRITERS);
}

static void teardown(void)
{
	/* Swapping back in what nobody will read would only take time. */
	if (region.mem)
		munmap(region.mem, region.pages * race_page_size());
}

static void extra(void)
{
	words_extra();
	race_extra("pageouts", pageouts);
}

const struct race race = {
	.name = "reclaim-write",
	.theme = "lost-write",
	.summary = "private memory holds the last store, however often it is swapped",
	.needs = (const char *const[]){ "root", "swap", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.batch.flush", 100000, 1000000, 2, 400000 },
		{ NULL }
	},
	.control = "skip.tlb.batch|skip.tlb.pte",
	.exposure = { "probe.rmap.unmap", 100 },
	.options = (const struct race_option[]){
		{ "swap", swap_names, "both", .help =
		  "where the pages go: a file in --dir, zram, or to both in turn" },
		{ "pages", NULL, "128", 1, PAGES_MAX, "pages that are written and swapped" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "writer0", .loops = true, .act = writer0 },
		{ .name = "writer1", .loops = true, .act = writer1 },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = page_out,
	.judge = words_judge,
	.teardown = teardown,
	.extra = extra,
};
