// SPDX-License-Identifier: GPL-2.0
/*
 * thp-split-gup: an access misses a huge page's split or collapse.
 *
 * Law. However a huge page is split and collapsed again, all ways to one address
 * reach one page: a CPU's translation, and the page that get_user_pages()
 * finds, also without taking locks. So a split invalidates the huge
 * translation, at its own address, before the small ones count; and a page
 * table is not taken away while somebody without locks may walk it.
 *
 * The interleaving (s390 in 2016 invalidated the wrong address):
 *
 *   split (CPU 0)                     store (CPU 1)      GUP (CPU 2)
 *   ------------------------------    ---------------    ------------------
 *                                     p[0] = 41
 *   invalidate a huge entry, but
 *   not the one that CPU 1 has cached
 *   put a page table in its place
 *   later: move the small page
 *   (collapse, migration)
 *                                                        reads the new page
 *                                     p[0] = 42, into
 *                                     the old page
 *                                                        reads 41: stale
 *
 * Each word has one owner: the writer stores by the CPU, the peer by process_vm_writev().
 * Either reads its word back by its own way, and the other's by its own way too.
 *   own word	is what was stored last
 *   the other's	is at least what its owner had published as stored before the read
 * Where the machine completes stores late (race_late_stores()), so few prove nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "race.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define HUGE_PAGES	2
#define CHANGES		8	/* calls in one round */
#define DELAY_NS	100000

enum { WRITER, PEER, OWNERS };

/* One owner's view; counts are his alone while a round runs. */
static struct owner {
	_Alignas(64) atomic_ullong *stored;	/* published, for each page */
	uint64_t wrong, late;
	uint64_t expected, found, page;		/* the round's first wrong one */
	const char *what;
} owners[OWNERS];

static char *mem;
static size_t npages, huge;
static uint64_t wrong, late, splits, collapses, refused;

static char *word(unsigned int owner, size_t page)
{
	return mem + page * race_page_size() + owner * sizeof(uint64_t);
}

static uint64_t cpu_read(void *p)
{
	return *(volatile uint64_t *)p;
}

static void cpu_write(void *p, uint64_t value)
{
	*(volatile uint64_t *)p = value;
}

static void gup(void *p, uint64_t *value,
		ssize_t (*call)(pid_t, const struct iovec *, unsigned long,
				const struct iovec *, unsigned long, unsigned long))
{
	struct iovec here = { value, sizeof(*value) };
	struct iovec there = { p, sizeof(*value) };
	ssize_t n = call(getpid(), &here, 1, &there, 1, 0);

	if (n < 0 && (errno == ENOSYS || errno == EPERM))
		race_skip("process_vm_readv: %s", strerror(errno));
	if (n != sizeof(*value))
		race_error("process_vm_readv or writev: %s", strerror(errno));
}

static uint64_t gup_read(void *p)
{
	uint64_t value;

	gup(p, &value, process_vm_readv);
	return value;
}

static void gup_write(void *p, uint64_t value)
{
	gup(p, &value, process_vm_writev);
}

static void blame(struct owner *o, const char *what, size_t page,
		  uint64_t expected, uint64_t found)
{
	if (expected - found <= race_late_stores()) {
		o->late++;
		return;
	}
	if (o->wrong++)
		return;
	o->what = what;
	o->page = page;
	o->expected = expected;
	o->found = found;
}

static void own(unsigned int self, uint64_t (*get)(void *),
		void (*set)(void *, uint64_t))
{
	struct owner *me = &owners[self], *other = &owners[!self];

	while (!race_over()) {
		size_t page = rng_below(race_rng(), npages);
		uint64_t last = atomic_load(&me->stored[page]), found, least;

		found = get(word(self, page));
		if (found != last)
			blame(me, self == WRITER ? "the CPU's own word" :
			      "GUP's own word", page, last, found);
		set(word(self, page), last + 1);
		atomic_store(&me->stored[page], last + 1);

		/* What is published is in memory: what is read is no older. */
		least = atomic_load(&other->stored[page]);
		found = get(word(!self, page));
		if (found < least)
			blame(me, self == WRITER ? "GUP's word, read by the CPU" :
			      "the CPU's word, read by GUP", page, least, found);
	}
}

static void writer(void)
{
	own(WRITER, cpu_read, cpu_write);
}

static void peer(void)
{
	own(PEER, gup_read, gup_write);
}

static void split(char *at, struct rng *rng)
{
	size_t page = race_page_size();
	size_t first = rng_below(rng, huge / page);
	size_t len = rng_log(rng, huge / page - first) * page;
	int err;

	splits++;
	at += first * page;
	switch (rng_below(rng, 3)) {
	case 0:
		/* New entries, too; writable and executable may be forbidden. */
		err = mprotect(at, len, PROT_READ | PROT_WRITE | PROT_EXEC);
		if (err && errno == EACCES)
			return;
		err = err || mprotect(at, len, PROT_READ | PROT_WRITE);
		break;
	case 1:
		err = madvise(at, len, MADV_DONTFORK) ||
		      madvise(at, len, MADV_DOFORK);
		break;
	default:
		/* The page that is nobody's. */
		err = madvise(mem + npages * page, page, MADV_DONTNEED);
		break;
	}
	if (err)
		race_error("split: %s", strerror(errno));
}

static void change(void)
{
	struct rng *rng = race_rng();

	for (int i = 0; i < CHANGES && !race_over(); i++) {
		char *at = mem + rng_below(rng, HUGE_PAGES) * huge;

		race_delay(rng_below(rng, DELAY_NS));
		if (rng_below(rng, 2)) {
			split(at, rng);
		} else if (madvise(at, huge, MADV_COLLAPSE)) {
			/* No memory, no such call, a page busy: all allowed. */
			refused++;
		} else {
			collapses++;
		}
	}
}

static void judge(void)
{
	for (unsigned int i = 0; i < OWNERS; i++) {
		struct owner *o = &owners[i];

		for (size_t page = 0; page < npages; page++) {
			uint64_t last = atomic_load(&o->stored[page]);
			uint64_t cpu = cpu_read(word(i, page));

			if (cpu != last)
				blame(o, "a word after the round", page, last, cpu);
			atomic_store(&o->stored[page], cpu);
		}
		late += o->late;
		o->late = 0;
		if (!o->wrong)
			continue;
		wrong += o->wrong;
		race_fail("%s: page %llu of %zu holds %llu, stored was %llu (%llu wrong reads in this round)",
			  o->what, (unsigned long long)o->page, npages,
			  (unsigned long long)o->found,
			  (unsigned long long)o->expected,
			  (unsigned long long)o->wrong);
		o->wrong = 0;
	}
}

static void setup(void)
{
	char *p;

	huge = race_pmd_size();
	p = mmap(NULL, (HUGE_PAGES + 1) * huge, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	mem = (char *)(((uintptr_t)p + huge - 1) / huge * huge);
	/* The last page is nobody's: dropping it splits the huge page. */
	npages = HUGE_PAGES * huge / race_page_size() - 1;
	if (madvise(mem, HUGE_PAGES * huge, MADV_HUGEPAGE))
		race_skip("MADV_HUGEPAGE: %s", strerror(errno));
	for (int i = 0; i < OWNERS; i++)
		owners[i].stored = race_shared(npages * sizeof(uint64_t));
	for (size_t page = 0; page < npages; page++)
		cpu_write(word(WRITER, page), 0);
}

static void extra(void)
{
	race_extra("wrong", wrong);
	race_extra("late", late);
	race_extra("splits", splits);
	race_extra("collapses", collapses);
	race_extra("refused", refused);
}

const struct race race = {
	.name = "thp-split-gup",
	.theme = "thp-split-gup",
	.summary = "CPU and get_user_pages() see one memory while huge pages split and collapse",
	.needs = (const char *const[]){ "thp", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "thp.pmd.invalidate", 50000, 500000, 1, 200000 },
		{ "thp.collapse.flush", 50000, 500000, 1, 200000 },
		{ NULL }
	},
	.control = "thp.wrong-address",
	.exposure = { "probe.thp.split.pmd", 10 },
	.actors = (const struct race_actor[]){
		{ .name = "writer", .loops = true, .act = writer },
		{ .name = "peer", .loops = true, .act = peer },
		{ NULL }
	},
	.setup = setup,
	.main_act = change,
	.judge = judge,
	.extra = extra,
};
