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
 *
 * In tight rounds swap is full but for as many slots as there are pages that the round is
 * about, and these go out in turn: a page gets the slot back that it just left, and
 * who was late with a fault of his own finds the entry that he has seen, with other data
 * behind it (13ddaf26be32, 6.8: two threads swap in one entry past the swap cache).
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
#define PAGEOUTS_NS	1000000000	/* no further pageout then: some take long on a busy machine */
#define DELAY_NS	100000
#define TIGHT_ONE_IN	3	/* times that a kind of round is drawn */
#define TIGHT_ROUNDS	4	/* in a row: filling swap takes long */
#define TIGHT_PAGES	8	/* at most, that a tight round is about */
#define TIGHT_PAGEOUTS	256
#define TIGHT_DELAY_NS	100000	/* at most, before each: the page is wanted back */
#define TIGHT_NS	500000000	/* no further pageout then */

static struct region region;
static char *ballast;		/* fills swap in tight rounds */
static bool tight;
static unsigned int tight_left;	/* rounds that are to come */
static uint64_t pageouts, tight_rounds;

static void writer0(void)
{
	words_run(0, tight ? &way_drained : &way_cpu);
}

static void writer1(void)
{
	words_run(1, tight ? &way_drained : &way_cpu);
}

static void page_out_hot(struct rng *rng)
{
	size_t page = race_page_size(), first, pages;
	uint64_t end = race_now_ns() + TIGHT_NS;

	words_hot(&first, &pages);
	for (int i = 0; i < TIGHT_PAGEOUTS && !race_over() && race_now_ns() < end; i++) {
		race_delay(rng_below(rng, TIGHT_DELAY_NS));
		if (madvise(region.mem + first * page, pages * page, MADV_PAGEOUT))
			race_error("MADV_PAGEOUT: %s", strerror(errno));
		pageouts++;
	}
}

static void page_out(void)
{
	struct rng *rng = race_rng();
	uint64_t end = race_now_ns() + PAGEOUTS_NS;

	if (tight) {
		page_out_hot(rng);
		return;
	}
	for (int i = 0; i < PAGEOUTS && !race_over() && race_now_ns() < end; i++) {
		race_delay(rng_below(rng, DELAY_NS));
		change_pageout.make(&region, rng);
		pageouts++;
	}
}

/* What is left of swap but for the hot pages is taken. */
static void fill_swap(void)
{
	size_t page = race_page_size(), slots = swap_slots(), first, pages;

	/* Zeros cost the least: zram keeps one word of them, and 6.12 (mm/page_io.c) one bit. */
	for (size_t i = 0; i < slots; i++)
		*(volatile char *)(ballast + i * page) = 0;
	madvise(ballast, slots * page, MADV_PAGEOUT);
	words_hot(&first, &pages);
	madvise(ballast, pages * page, MADV_DONTNEED);
}

static void prepare(void)
{
	struct rng *rng = race_rng();

	if (tight_left) {
		tight_left--;
		tight_rounds++;
		return;
	}
	if (tight)
		madvise(ballast, swap_slots() * race_page_size(), MADV_DONTNEED);
	/* The control's plants are about the flush: what enters the kernel all the time needs none. */
	tight = race_mode() != MODE_CONTROL && !rng_below(rng, TIGHT_ONE_IN);
	if (!tight) {
		words_focus(rng);
		return;
	}
	words_focus_on(rng, TIGHT_PAGES);
	fill_swap();
	tight_left = TIGHT_ROUNDS - 1;
	tight_rounds++;
}

static void setup(void)
{
	const char *missing;

	region.pages = race_option_number("pages");
	region.unit = race_page_size();
	region.len = region.pages * race_page_size();
	region.file = -1;
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
	ballast = mmap(NULL, swap_slots() * race_page_size(),
		       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ballast == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	words_setup(region.mem, region.pages, WRITERS);
}

static void teardown(void)
{
	/* Swapping back in what nobody will read would only take time. */
	if (region.mem)
		munmap(region.mem, region.pages * race_page_size());
	if (ballast)
		munmap(ballast, swap_slots() * race_page_size());
}

static void extra(void)
{
	words_extra();
	race_extra("pageouts", pageouts);
	race_extra("tight", tight_rounds);
}

const struct race race = {
	.name = "reclaim-write",
	.theme = "lost-write",
	.summary = "private memory holds the last store, however often it is swapped",
	.needs = (const char *const[]){ "root", "swap", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.batch.flush", 100000, 1000000, 2, 400000 },
		{ "swap.in.read", 500000, 3000000, 8, 200000 },
		{ "swap.in.done", 2000000, 5000000, 2, 400000 },
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
