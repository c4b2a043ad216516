// SPDX-License-Identifier: GPL-2.0
/*
 * madvise-free: what was stored into memory after MADV_FREE is thrown away with it.
 *
 * Law. Once MADV_FREE has returned, a store cancels it for that page: the kernel may
 * drop a page as long as it is as it was then, and no longer. What direct I/O reads into the
 * page is such a store, from the moment the kernel took the page for it.
 *
 * The interleavings, one where a huge entry is split (4.16, d52605d7cb30), one where
 * the storage writes (5.18, 6c8e2a256915):
 *
 *   split (CPU 0)             store (CPU 1)        reclaim (CPU 0)    read(2) (CPU 1)
 *   ----------------------    -----------------    ---------------    -----------------
 *   read the entry: clean                                             take the page
 *                             p[0] = 42: the       entry and page
 *                             entry is dirty now   are clean: drop
 *   invalidate the entry                           the page
 *   put clean small ones in                                           the data goes into
 *   its place                                                         the dropped page
 *   reclaim: all is clean
 *
 * Oracle. Every page that was stored to since holds that store; every sector that
 * a read(2) has returned holds the file's data, right then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop.h"
#include "race.h"

#define DELAY_NS	200000
#define READ_PAGES	16
#define OLD		0x6f6c646f6c646f6cULL
#define HUGE_MAX	(4 << 20)	/* bytes */

enum how { REWRITE, SPLIT, DIRECT, ALL };
static const char *const how_names[] = {
	"rewrite", "split", "direct", "all", NULL
};

static struct {
	bool usable[ALL];
	enum how how;
	size_t pages, stored;		/* of this round's memory; how many of them */
	atomic_uint filled, freed, done;
	uint64_t value, reads;
	uint64_t lost[ALL];
} s;

static size_t most, huge;
static char *mem;
static int device = -1;

static volatile uint64_t *word(size_t page)
{
	return (volatile uint64_t *)(mem + page * race_page_size());
}

/* What the device holds, at each of its words. */
static uint64_t pattern(size_t at)
{
	return 0x7061747465726e00ULL + at;
}

static void prepare(void)
{
	int how = race_option_index("how");
	bool large;

	s.how = how == ALL ? race_round() % ALL : (enum how)how;
	for (unsigned int i = 0; i < ALL && !s.usable[s.how]; i++)
		s.how = (s.how + 1) % ALL;
	large = s.how == SPLIT;
	s.pages = large ? huge / race_page_size() :
		  s.how == DIRECT ? READ_PAGES : rng_log(race_rng(), most);
	s.filled = s.freed = s.done = 0;
	s.stored = 0;
	s.value = race_round() + 1;
	/* Pages of 64 KiB: the most of them may be more than a huge one. */
	if (mmap(mem, huge > most * race_page_size() ? huge : most * race_page_size(),
		 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	madvise(mem, s.pages * race_page_size(),
		large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (size_t i = 0; i < s.pages; i++)
		*word(i) = OLD;
}

static void rewrite(void)
{
	/* By this CPU: what it has cached is what MADV_FREE must flush. */
	for (size_t i = 0; i < s.pages; i++)
		*word(i) = OLD;
	atomic_store(&s.filled, 1);
	while (!atomic_load(&s.freed))
		race_relax();
	race_delay(race_sweep(DELAY_NS));
	/* The one store that counts for a huge entry may be any page's. */
	for (size_t i = 0; i < s.pages; i++) {
		*word((i + race_round()) % s.pages) = s.value;
		s.stored++;
	}
}

static void read_direct(void)
{
	size_t page = race_page_size(), words = page / sizeof(uint64_t);

	atomic_store(&s.filled, 1);
	while (!atomic_load(&s.freed))
		race_relax();
	for (size_t i = 0; i < s.pages; i++) {
		if (pread(device, (void *)word(i), page, i * page) != (ssize_t)page)
			race_error("read with O_DIRECT: %s", strerror(errno));
		s.reads++;
		for (size_t n = 0; n < words; n++) {
			if (word(i)[n] == pattern(i * words + n))
				continue;
			s.lost[DIRECT]++;
			race_fail("--how direct: page %zu holds %llx at %zu, the file %llx",
				  i, (unsigned long long)word(i)[n],
				  n * sizeof(uint64_t),
				  (unsigned long long)pattern(i * words + n));
			return;
		}
	}
}

static void store(void)
{
	if (s.how == DIRECT)
		read_direct();
	else
		rewrite();
	atomic_store(&s.done, 1);
}

static void split(void)
{
	size_t page = race_page_size();

	race_delay(rng_below(race_rng(), DELAY_NS));
	if (madvise(mem + page, page, MADV_DONTFORK) ||
	    madvise(mem + page, page, MADV_DOFORK))
		race_error("madvise: %s", strerror(errno));
}

static void free_and_reclaim(void)
{
	size_t len = s.pages * race_page_size();

	while (!atomic_load(&s.filled) && !race_over())
		race_relax();
	if (madvise(mem, len, MADV_FREE))
		race_error("MADV_FREE: %s", strerror(errno));
	/* The call itself only queues small pages; the next one of this CPU empties the queue. */
	madvise(mem, len, MADV_COLD);
	atomic_store(&s.freed, 1);
	if (s.how == SPLIT)
		split();
	do {
		if (madvise(mem, len, MADV_PAGEOUT))
			race_error("MADV_PAGEOUT: %s", strerror(errno));
	} while (!atomic_load(&s.done));
	madvise(mem, len, MADV_PAGEOUT);
}

static void judge(void)
{
	if (s.how == DIRECT)
		return;
	for (size_t i = 0; i < s.pages; i++) {
		if (*word(i) == s.value)
			continue;
		s.lost[s.how]++;
		race_fail("--how %s: page %zu of %zu was stored to after MADV_FREE and holds %llx",
			  how_names[s.how], i, s.pages,
			  (unsigned long long)*word(i));
		return;
	}
}

static const char *direct_setup(void)
{
	size_t page = race_page_size(), words = READ_PAGES * page / sizeof(uint64_t);
	const char *missing = race_need_missing("dir");
	uint64_t *data;
	char path[256];
	int fd;

	if (missing)
		return missing;
	data = malloc(words * sizeof(*data));
	if (!data)
		race_error("no memory");
	for (size_t i = 0; i < words; i++)
		data[i] = pattern(i);
	fd = race_file(".backing", path, READ_PAGES * page);
	if (pwrite(fd, data, words * sizeof(*data), 0) !=
	    (ssize_t)(words * sizeof(*data)) || fsync(fd))
		race_error("%s: %s", path, strerror(errno));
	free(data);
	return loop_open(fd, &device);
}

static void usable(enum how how, const char *missing)
{
	s.usable[how] = race_has("how", how_names[how], missing);
}

static void setup(void)
{
	size_t page = race_page_size(), pmd = race_pmd_size();
	const char *no_thp = race_need_missing("thp");
	char *p;

	if (!no_thp && pmd > HUGE_MAX)
		no_thp = "huge pages are too large here";
	most = race_option_number("pages");
	huge = no_thp ? 0 : pmd;
	p = mmap(NULL, most * page + 2 * pmd, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	mem = (char *)(((uintptr_t)p + pmd - 1) / pmd * pmd);
	usable(REWRITE, NULL);
	if (race_asked("how", "split"))
		usable(SPLIT, no_thp);
	if (race_asked("how", "direct"))
		usable(DIRECT, direct_setup());
	if (mmap(mem, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_FIXED, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	if (madvise(mem, page, MADV_FREE) || madvise(mem, page, MADV_PAGEOUT))
		race_skip("the kernel has no MADV_FREE or no MADV_PAGEOUT");
}

static void extra(void)
{
	for (int i = 0; i < ALL; i++)
		race_extra(how_names[i], s.lost[i]);
	race_extra("reads", s.reads);
}

const struct race race = {
	.name = "madvise-free",
	.theme = "lost-write",
	.summary = "a store after MADV_FREE is not thrown away",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "thp.pmd.invalidate", 50000, 500000, 1, 300000 },
		{ "gup.fast.backoff", 50000, 300000, 2, 200000 },
		{ "tlb.batch.flush", 50000, 300000, 2, 200000 },
		{ NULL }
	},
	.control = "skip.dirty.unmap",
	.exposure = { "probe.rmap.unmap", 50 },
	.options = (const struct race_option[]){
		{ "how", how_names, "all", .help =
		  "what stores while what drops the memory; all takes turns" },
		{ "pages", NULL, "64", 1, 512, "most pages that are freed at once" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "store", .act = store },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = free_and_reclaim,
	.judge = judge,
	.extra = extra,
};
