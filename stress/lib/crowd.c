// SPDX-License-Identifier: GPL-2.0
/* Who goes which way in a round, and what changes below them. See crowd.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"
#include "crowd.h"
#include "huge_file.h"
#include "words.h"

#define THINGS_MAX 16
#define HUGE_MAX (4 << 20)	/* larger pages take too long to fill */
#define SHARED_ONE_IN 3	/* rounds, where private memory takes turns with other */
#define HUGE_ATTEMPTS 2	/* to have a file in one folio: where no file can be, each takes long */
#define ALIKE_ONE_IN 4	/* rounds; all others, where nothing but equal pages are changed */
#define SELDOM 4	/* one turn in as many, of a change with a cheaper one beside it */
#define ROUND_NS 1000000000	/* no further change then: some take long on a busy machine */

enum { WRITER0, WRITER1, PEER, OWNERS };
enum memory { PRIVATE, SHMEM, ON_FILE, MEMORIES };	/* crowd_memories[] */

/* Those of a table that take turns. */
struct turns {
	unsigned int nr, which[THINGS_MAX];
	uint64_t done[THINGS_MAX], refused[THINGS_MAX], took_ns[THINGS_MAX];
};

static const struct crowd *crowd;
static const struct change *const *table;	/* of changes, for this run */
static struct region region;
static char *aside;		/* as large as the region */
static struct turns *ways, *changes;	/* shared: see words.c */
static const struct way *way;
static bool alike;
static struct way looks;		/* the round's way without its stores */
static int shared[2], on_file = -1;	/* files; the latter is one of a file system's */
static unsigned int nshared;
static bool private = true;
static uint64_t rounds_of[MEMORIES], visits[THINGS_MAX];

const char *const crowd_sizes[] = { "small", "huge", "mixed", NULL };
const char *const crowd_memories[] = { "anon", "shmem", "file", "all", NULL };

struct region crowd_region(enum crowd_size size, size_t pages)
{
	size_t page = race_page_size(), pmd = race_pmd_size();
	bool large = size != SMALL && !race_need_missing("thp") &&
		     pmd <= HUGE_MAX;
	struct region r = { .pages = pages, .unit = large ? pmd : page, .file = -1 };
	char *p;

	if (size == HUGE && !large)
		race_skip("--size huge: no transparent huge pages, or larger than %d bytes",
			  HUGE_MAX);
	if (size == HUGE)
		r.pages = pmd / page - 1;
	r.len = ((r.pages + 1) * page + r.unit - 1) / r.unit * r.unit;
	p = mmap(NULL, r.len + pmd, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	r.mem = (char *)(((uintptr_t)p + pmd - 1) / pmd * pmd);
	madvise(r.mem, r.len, large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return r;
}

/*
 * What a round has split stays small, unless the kernel collapses it, and what is huge moves,
 * is shared and is written out as one. Nobody else runs now: the same words, in fresh memory,
 * huge or small, private or of a file. Mapped anew, as only an entry without a page table
 * gets a huge page (__handle_mm_fault(), 5.10 to 7.2), and MADV_DONTNEED keeps the table but
 * on x86 since 6.14 (zap_details.reclaim_pt of madvise_dontneed_single_vma()).
 */
static void make_anew(int file, bool huge)
{
	memcpy(aside, region.mem, region.len);
	region.file = file;
	if (!change_map(&region, region.mem, region.len))
		race_error("mmap: %s", strerror(errno));
	if (!huge)
		madvise(region.mem, region.len, MADV_NOHUGEPAGE);
	if (file >= 0 && file == on_file)
		huge_file_write(file, aside, region.len);
	else if (file >= 0 && !change_drop(&region, region.mem, region.len))
		race_error("dropping memory: %s", strerror(errno));
	/* By stores: a load gets the huge zero page, which a store splits (6.12). */
	memcpy(region.mem, aside, region.len);
	/* Small pages may be collapsed, all the same. */
	if (!huge)
		madvise(region.mem, region.len, MADV_HUGEPAGE);
}

void crowd_setup(const struct crowd *c, struct region r)
{
	const char *missing;

	crowd = c;
	table = c->planted && race_mode() == MODE_CONTROL &&
		!strcmp(race_option("change"), "all") ? c->planted : c->changes;
	region = r;
	ways = race_shared(sizeof(*ways));
	changes = race_shared(sizeof(*changes));
	if (r.unit > race_page_size()) {
		aside = mmap(NULL, r.len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (aside == MAP_FAILED)
			race_error("mmap: %s", strerror(errno));
		make_anew(-1, true);
	}
	words_setup(r.mem, r.pages, OWNERS);
	for (unsigned int i = 0; c->ways[i]; i++)
		if (way_taken(c->ways[i], r.mem, r.pages * race_page_size()))
			ways->which[ways->nr++] = i;
	for (unsigned int i = 0; table[i]; i++) {
		if (!race_asked("change", table[i]->name))
			continue;
		missing = table[i]->setup ? table[i]->setup(&region) : NULL;
		if (race_has("change", table[i]->name, missing))
			changes->which[changes->nr++] = i;
	}
	if (!ways->nr || !changes->nr)
		race_skip("nothing that this race needs can be had here");
	if (c->exposed_by_change && changes->nr == 1 &&
	    table[changes->which[0]]->exposure.counter)
		race_exposed_by(table[changes->which[0]]->exposure);
}

void crowd_setup_by_options(const struct crowd *c)
{
	crowd_setup(c, crowd_region(race_option_index("size"),
				    race_option_number("pages")));
}

static void take_file(enum memory kind, int file, const char *missing)
{
	if (race_has("memory", crowd_memories[kind], file < 0 ? missing : NULL))
		shared[nshared++] = file;
}

/* The file, if it is really mapped by a huge entry. */
static int huge_on_file(const char **missing)
{
	bool done = false;

	on_file = huge_file(region.len, missing);
	if (on_file < 0)
		return -1;
	for (int i = 0; i < HUGE_ATTEMPTS && !done; i++) {
		make_anew(on_file, true);
		done = huge_file_mapped(region.mem);
	}
	make_anew(-1, true);
	*missing = "--dir has no file in one folio of a huge page's size (ext4 before 6.16)";
	return done ? on_file : -1;
}

void crowd_setup_memory(void)
{
	const char *missing = NULL;
	int file;

	private = race_asked("memory", crowd_memories[PRIVATE]);
	if (race_asked("memory", crowd_memories[SHMEM])) {
		file = huge_shmem(region.len, &missing);
		take_file(SHMEM, file, missing);
	}
	if (race_asked("memory", crowd_memories[ON_FILE])) {
		file = huge_on_file(&missing);
		take_file(ON_FILE, file, missing);
	}
}

/* Its place in the table, or -1: it takes no turns. */
static int place(const struct change *change)
{
	for (unsigned int n = 0; n < changes->nr; n++)
		if (table[changes->which[n]] == change)
			return changes->which[n];
	return -1;
}

bool crowd_makes(const struct change *change)
{
	return place(change) >= 0;
}

/* The file that the round's memory is of, or -1. */
static int memory_of_round(void)
{
	int file;

	if (!nshared || (private && race_round() % SHARED_ONE_IN != 1))
		return -1;
	file = shared[race_round() / SHARED_ONE_IN % nshared];
	return file == on_file && way->pins_for_long ? -1 : file;
}

/* --size huge: words in all of the memory but nobody's page. */
static bool huge_only(void)
{
	return region.pages == region.len / race_page_size() - 1;
}

static bool only_of_alike(void)
{
	for (unsigned int n = 0; n < changes->nr; n++)
		if (!table[changes->which[n]]->of_alike)
			return false;
	return true;
}

void crowd_prepare(void)
{
	struct rng *rng = race_rng();
	bool large = region.unit > race_page_size();
	int file;

	way = crowd->ways[ways->which[race_round() % ways->nr]];
	file = memory_of_round();
	/*
	 * The setup has split memory without content: that is the zero page now, and each page's
	 * first store a copy with a flush (6.12, try_to_map_unused_to_zeropage()).
	 */
	if (file != region.file || (large && (!race_round() || rng_below(rng, 2))))
		make_anew(file, file >= 0 || huge_only() || rng_below(rng, 2));
	looks = *way;
	looks.set = NULL;
	looks.burst = NULL;
	alike = !rng_below(rng, ALIKE_ONE_IN);
	if (only_of_alike())
		alike = !alike;
	words_focus(rng);
	rounds_of[file < 0 ? PRIVATE : file == on_file ? ON_FILE : SHMEM]++;
	ways->done[ways->which[race_round() % ways->nr]]++;
}

static void run(unsigned int owner, const struct way *by)
{
	if (alike)
		words_run_alike(owner, by);
	else
		words_run(owner, by);
}

void crowd_writer0(void)
{
	run(WRITER0, &way_cpu);
}

void crowd_writer1(void)
{
	run(WRITER1, &way_cpu);
}

void crowd_peer(void)
{
	run(PEER, region.file >= 0 && region.file == on_file ? &looks : way);
	if (way->release)
		way->release();
}

static unsigned int draw(struct rng *rng)
{
	unsigned int i = changes->which[rng_below(rng, changes->nr)];
	const struct change *rather = table[i]->rather;

	if (rather && crowd_makes(rather) && rng_below(rng, SELDOM))
		return place(rather);
	return i;
}

void crowd_change(void)
{
	struct rng *rng = race_rng();
	uint64_t end = race_now_ns() + ROUND_NS;

	for (unsigned int n = 0; n < crowd->calls && !race_over() &&
	     race_now_ns() < end; n++) {
		unsigned int i = draw(rng);
		const struct change *c = table[i];
		uint64_t start;

		race_delay(rng_below(rng, crowd->delay_ns));
		if ((c->forks && way->not_with_fork) ||
		    (c->private_only && region.file >= 0))
			continue;
		start = race_now_ns();
		if (c->make(&region, rng))
			changes->done[i]++;
		else
			changes->refused[i]++;
		changes->took_ns[i] += race_now_ns() - start;
	}
}

void crowd_judge(void)
{
	visits[ways->which[race_round() % ways->nr]] += words_visits(PEER);
	words_judge();
}

void crowd_extra(void)
{
	char name[64];

	words_extra();
	for (unsigned int i = 0; nshared && i < MEMORIES; i++) {
		snprintf(name, sizeof(name), "%s.rounds", crowd_memories[i]);
		race_extra(name, rounds_of[i]);
	}
	for (unsigned int n = 0; ways && n < ways->nr; n++) {
		unsigned int i = ways->which[n];

		snprintf(name, sizeof(name), "%s.rounds", crowd->ways[i]->name);
		race_extra(name, ways->done[i]);
		snprintf(name, sizeof(name), "%s.visits", crowd->ways[i]->name);
		race_extra(name, visits[i]);
	}
	for (unsigned int n = 0; changes && n < changes->nr; n++) {
		unsigned int i = changes->which[n];

		snprintf(name, sizeof(name), "%s.done", table[i]->name);
		race_extra(name, changes->done[i]);
		snprintf(name, sizeof(name), "%s.refused", table[i]->name);
		race_extra(name, changes->refused[i]);
		snprintf(name, sizeof(name), "%s.ms", table[i]->name);
		race_extra(name, changes->took_ns[i] / 1000000);
	}
}
