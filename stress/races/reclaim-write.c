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
 * Two writers never stop. Each owns one word in every page and visits the pages in turn;
 * before each store it reads the word back, which must be what it stored last.
 * Nobody else writes there, so on a correct kernel nothing else can be read.
 * Where the machine completes stores late (race_late_stores()), so few prove nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "race.h"

#define WRITERS		2
#define PAGES_MAX	512
#define SWAP_FACTOR	4	/* swap slots for each page: old copies stay a while */
#define SWAP_SLOTS_MIN	64
#define PAGEOUTS	8	/* calls in one round */
#define STORES_MAX	64	/* in a row to one page, before the next one */
#define DELAY_NS	300000
#define PRIO_MAX	32767	/* ours is used before any other */

/* The head of a swap area, as mkswap(8) writes it. */
#define SWAP_INFO	1024
#define SWAP_MAGIC	"SWAPSPACE2"

struct swap_info {
	uint32_t version, last_page, nr_badpages;
};

static struct writer {
	_Alignas(64) uint64_t stored[PAGES_MAX];
	uint64_t wrong, expected, found, page;	/* the round's first */
	uint64_t late;
} writers[WRITERS];

static char *mem;
static size_t npages;
static uint64_t lost, late, pageouts;

static volatile uint64_t *word(unsigned int writer, size_t page)
{
	return (volatile uint64_t *)(mem + page * race_page_size()) + writer;
}

static void check(struct writer *w, size_t page, uint64_t found)
{
	uint64_t expected = w->stored[page];

	if (found == expected)
		return;
	if (expected - found <= race_late_stores()) {
		w->late++;
	} else if (!w->wrong++) {
		w->expected = expected;
		w->found = found;
		w->page = page;
	}
}

static void store(unsigned int self)
{
	struct writer *w = &writers[self];
	struct rng *rng = race_rng();

	while (!race_over()) {
		size_t page = rng_below(rng, npages);
		uint64_t stores = rng_log(rng, STORES_MAX);
		volatile uint64_t *p = word(self, page);

		while (stores--) {
			check(w, page, *p);
			*p = ++w->stored[page];
		}
	}
}

static void writer0(void)
{
	store(0);
}

static void writer1(void)
{
	store(1);
}

static void page_out(void)
{
	for (int i = 0; i < PAGEOUTS && !race_over(); i++) {
		race_delay(rng_below(race_rng(), DELAY_NS));
		if (madvise(mem, npages * race_page_size(), MADV_PAGEOUT))
			race_error("MADV_PAGEOUT: %s", strerror(errno));
		pageouts++;
	}
}

static void judge(void)
{
	for (unsigned int i = 0; i < WRITERS; i++) {
		struct writer *w = &writers[i];

		/* All pages, also those that the writer did not come back to. */
		for (size_t page = 0; page < npages; page++) {
			check(w, page, *word(i, page));
			w->stored[page] = *word(i, page);
		}
		late += w->late;
		w->late = 0;
		if (!w->wrong)
			continue;
		lost += w->wrong;
		race_fail("page %llu: writer %u stored %llu and then read %llu (%llu such reads in this round)",
			  (unsigned long long)w->page, i,
			  (unsigned long long)w->expected,
			  (unsigned long long)w->found,
			  (unsigned long long)w->wrong);
		w->wrong = 0;
	}
}

static void swap_on(void)
{
	size_t page = race_page_size(), slots = npages * SWAP_FACTOR;
	struct swap_info info = { .version = 1 };
	char path[256];
	int fd;

	if (slots < SWAP_SLOTS_MIN)
		slots = SWAP_SLOTS_MIN;
	info.last_page = slots - 1;
	fd = race_file(".swap", path, slots * page);
	if (pwrite(fd, &info, sizeof(info), SWAP_INFO) != sizeof(info) ||
	    pwrite(fd, SWAP_MAGIC, strlen(SWAP_MAGIC),
		   page - strlen(SWAP_MAGIC)) != (ssize_t)strlen(SWAP_MAGIC) ||
	    fsync(fd))
		race_error("%s: %s", path, strerror(errno));
	race_undo_swapoff(path);
	if (swapon(path, SWAP_FLAG_PREFER | PRIO_MAX))
		race_skip("no swap on a file in %s: %s", race_dir(),
			  strerror(errno));
}

static void setup(void)
{
	npages = race_option_number("pages");
	mem = mmap(NULL, npages * race_page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	swap_on();
	/* A kernel built without it says so before any round. */
	if (madvise(mem, race_page_size(), MADV_PAGEOUT))
		race_skip("MADV_PAGEOUT: %s", strerror(errno));
}

static void teardown(void)
{
	/* Swapping back in what nobody will read would only take time. */
	munmap(mem, npages * race_page_size());
}

static void extra(void)
{
	race_extra("lost", lost);
	race_extra("late", late);
	race_extra("pageouts", pageouts);
}

const struct race race = {
	.name = "reclaim-write",
	.theme = "lost-write",
	.summary = "private memory holds the last store, however often it is swapped",
	.needs = (const char *const[]){ "root", "dir", "swap", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.batch.flush", 100000, 1000000, 2, 400000 },
		{ NULL }
	},
	.control = "skip.tlb.batch",
	.exposure = { "probe.tlb.batch.flush", 10 },
	.options = (const struct race_option[]){
		{ "pages", NULL, "16", 1, PAGES_MAX, "pages that are written and swapped" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "writer0", .loops = true, .act = writer0 },
		{ .name = "writer1", .loops = true, .act = writer1 },
		{ NULL }
	},
	.setup = setup,
	.main_act = page_out,
	.judge = judge,
	.teardown = teardown,
	.extra = extra,
};
