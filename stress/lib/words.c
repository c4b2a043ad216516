// SPDX-License-Identifier: GPL-2.0
/* Owners, their words, and what they should have found there. See words.h. */
#include <stdatomic.h>

#include "race.h"
#include "words.h"

#define STRIDE		512	/* a sector: direct I/O reads and writes no less */
#define STORES_MAX	64	/* in a row to one page, before the next one */
#define DWELL_MAX	32768	/* the same of visits by the CPU that last */
#define DWELLS_ONE_IN	8	/* visits by the CPU */
#define LOOKS_ONE_IN	3	/* visits to a page without a store */
#define BURST		16	/* as many in a row, where they cost one call */
#define REST_NS		20000000	/* at most, of pages that are alike */

/*
 * One owner's view; but for what it publishes it is his alone while a round runs. In shared
 * memory, as all that several threads write: fork() takes no copy of it, so a planted bug in
 * copy on write does not turn against the program's own data.
 */
static struct owner {
	/* For each page: what is stored for certain, and what may be by now. */
	_Alignas(64) atomic_ullong *stored, *announced;
	uint64_t highest;
	uint64_t wrong, late, visits;		/* in this round */
} *owners;

static char *words;
static size_t npages;
static size_t hot_first, hot_pages;	/* of this round */
static unsigned int nowners;
static uint64_t wrong, late;

volatile uint64_t *words_at(unsigned int owner, size_t page)
{
	return (volatile uint64_t *)(words + page * race_page_size() +
				     owner * STRIDE);
}

uint64_t words_published(unsigned int owner, size_t page)
{
	return atomic_load(&owners[owner].stored[page]);
}

uint64_t words_announced(unsigned int owner, size_t page)
{
	return atomic_load(&owners[owner].announced[page]);
}

unsigned int words_owners(void)
{
	return nowners;
}

static void blame(struct owner *o, const char *what, const char *by,
		  size_t page, uint64_t expected, uint64_t found)
{
	if (expected - found <= race_late_stores()) {
		o->late++;
		return;
	}
	if (o->wrong++)
		return;
	race_fail("owner %u found %s by %s in page %zu of %zu to be %llu, not %llu",
		  (unsigned int)(o - owners), what, by, page, npages,
		  (unsigned long long)found, (unsigned long long)expected);
}

static void look_at_own(unsigned int self, size_t page, const struct way *way)
{
	struct owner *me = &owners[self];
	uint64_t last = atomic_load_explicit(&me->stored[page],
					     memory_order_relaxed);
	uint64_t found = way->get(words_at(self, page));

	if (found != last)
		blame(me, "its own word", way->name, page, last, found);
}

static void store(unsigned int self, size_t page, uint64_t value,
		  const struct way *way)
{
	struct owner *me = &owners[self];

	atomic_store(&me->announced[page], value);
	way->set(words_at(self, page), value);
	/* Whoever reads this, reads the word later. */
	atomic_store(&me->stored[page], value);
	if (value > me->highest)
		me->highest = value;
}

/*
 * Whether a word, looked at while its owner stored numbers from least to most, can have
 * been found. Ways that copy do so byte by byte: what they find then may be
 * made of two numbers' bytes, where these differ in more than one.
 */
bool words_possible(uint64_t found, uint64_t least, uint64_t most)
{
	uint64_t differing = 0xff;

	if (found >= least && found <= most)
		return true;
	while ((least ^ most) & ~differing)
		differing = differing << 8 | 0xff;
	return differing != 0xff && !((found ^ least) & ~differing);
}

static void look_at_other(unsigned int self, unsigned int other, size_t page,
			  const struct way *way)
{
	struct owner *me = &owners[self], *o = &owners[other];
	uint64_t least = atomic_load(&o->stored[page]);
	uint64_t found = way->get(words_at(other, page));
	uint64_t most = atomic_load(&o->announced[page]);

	if (!words_possible(found, least, most))
		blame(me, found < least ? "another's word" :
		      "another's word, never stored,", way->name, page,
		      found < least ? least : most, found);
}

static void store_burst(unsigned int self, size_t page, uint64_t n,
			const struct way *way)
{
	struct owner *me = &owners[self];
	uint64_t last = words_published(self, page);

	atomic_store(&me->announced[page], last + n);
	if (last + n > me->highest)
		me->highest = last + n;
	last = way->burst(words_at(self, page), last + 1, n);
	atomic_store(&me->stored[page], last);
}

void words_focus_on(struct rng *rng, size_t most)
{
	hot_pages = rng_log(rng, most < npages ? most : npages);
	hot_first = rng_below(rng, npages - hot_pages + 1);
}

void words_focus(struct rng *rng)
{
	if (rng_below(rng, 2)) {
		hot_pages = npages;
		hot_first = 0;
	} else {
		words_focus_on(rng, npages);
	}
}

void words_hot(size_t *first, size_t *pages)
{
	*first = hot_first;
	*pages = hot_pages;
}

static void look_at_others(unsigned int self, size_t page, const struct way *way)
{
	for (unsigned int other = 0; other < nowners; other++)
		if (other != self)
			look_at_other(self, other, page, way);
}

/*
 * Some visits only look: a store renews the visitor's own translation, and what another one's
 * copy on write left behind would be seen by nobody. Some last: the page goes while it is
 * stored to, and no fault of the visitor's drops the translation (QEMU's s390x forgets all
 * of a CPU's on its way into the kernel, helper_lctlg()).
 */
void words_run(unsigned int self, const struct way *way)
{
	struct rng *rng = race_rng();

	while (!race_over()) {
		size_t page = hot_first + rng_below(rng, hot_pages);
		bool dwells = way == &way_cpu && !rng_below(rng, DWELLS_ONE_IN);
		uint64_t times = rng_log(rng, dwells ? DWELL_MAX : STORES_MAX);
		bool stores = way->set && rng_below(rng, LOOKS_ONE_IN);

		owners[self].visits++;
		if (dwells) {
			/* On what can be reclaimed meanwhile. */
			way->get(words_at(self, page));
			way_drain();
		}
		if (way->burst && stores)
			store_burst(self, page, times * BURST, way);
		while (times-- && !race_over()) {
			uint64_t last = words_published(self, page);

			look_at_own(self, page, way);
			if (stores)
				store(self, page, last + 1, way);
			else
				look_at_others(self, page, way);
		}
		look_at_others(self, page, way);
	}
}

void words_run_alike(unsigned int self, const struct way *way)
{
	struct rng *rng = race_rng();

	while (!race_over()) {
		uint64_t value = owners[self].highest + 1, end;
		/*
		 * Also against the scan's direction: behind it each store is a fault, and what
		 * an emulator drops then may be all that this CPU has.
		 */
		bool down = rng_below(rng, 2);

		for (size_t i = 0; i < npages && way->set && !race_over(); i++)
			store(self, down ? npages - 1 - i : i, value, way);
		way_drain();
		end = race_now_ns() + rng_below(rng, REST_NS);
		do {
			size_t page = rng_below(rng, npages);

			owners[self].visits++;
			look_at_own(self, page, way);
			look_at_other(self, (self + 1) % nowners, page, way);
		} while (!race_over() && race_now_ns() < end);
	}
}

static void judge_owner(unsigned int self)
{
	struct owner *o = &owners[self];

	for (size_t page = 0; page < npages; page++) {
		uint64_t last = words_published(self, page);
		uint64_t now = *words_at(self, page);

		if (now != last)
			blame(o, "its word after the round", "cpu", page, last, now);
		atomic_store(&o->stored[page], now);
		atomic_store(&o->announced[page], now);
	}
	late += o->late;
	o->late = 0;
	wrong += o->wrong;
	o->wrong = 0;
	o->visits = 0;
}

uint64_t words_visits(unsigned int owner)
{
	return owners[owner].visits;
}

void words_judge(void)
{
	for (unsigned int i = 0; i < nowners; i++)
		judge_owner(i);
}

void words_setup(char *mem, size_t pages, unsigned int n)
{
	if (n > WORDS_OWNERS_MAX || n * STRIDE > race_page_size())
		race_error("too many owners of words");
	words = mem;
	npages = pages;
	nowners = n;
	hot_pages = pages;
	owners = race_shared(n * sizeof(*owners));
	for (unsigned int i = 0; i < n; i++) {
		owners[i].stored = race_shared(pages * sizeof(uint64_t));
		owners[i].announced = race_shared(pages * sizeof(uint64_t));
	}
}

void words_extra(void)
{
	race_extra("wrong", wrong);
	race_extra("late", late);
}
