// SPDX-License-Identifier: GPL-2.0
/* Who goes which way in a round, and what changes below them. See crowd.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"
#include "crowd.h"
#include "words.h"

#define THINGS_MAX 16
#define HUGE_MAX (4 << 20)	/* larger pages take too long to fill */
#define SHARED_ONE_IN 3
#define SELDOM 4	/* one turn in as many, of a change with a cheaper one beside it */
#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define ROUND_NS 1000000000	/* no further change then: some take long on a busy machine */

enum { WRITER0, WRITER1, PEER, OWNERS };

/* Those of a table that take turns. */
struct turns {
	unsigned int nr, which[THINGS_MAX];
	uint64_t done[THINGS_MAX], refused[THINGS_MAX], took_ns[THINGS_MAX];
};

static const struct crowd *crowd;
static struct region region;
static char *aside;		/* as large as the region */
static struct turns *ways, *changes;	/* shared: see words.c */
static const struct way *way;
static bool alike;
static int shmem = -1;		/* memory that processes can share, for the rounds that are about it */
static bool both;
static uint64_t shared_rounds, visits[THINGS_MAX];

/* missing: of the i-th thing, which the option asks for, by name or as one of all. */
static void take(struct turns *t, const char *option, unsigned int i,
		 const char *name, const char *missing)
{
	if (!missing)
		t->which[t->nr++] = i;
	else if (strcmp(race_option(option), "all"))
		race_skip("--%s %s: %s", option, name, missing);
	else
		race_note("--%s %s is left out: %s", option, name, missing);
}

static bool asked(const char *option, const char *name)
{
	const char *value = race_option(option);

	return !strcmp(value, "all") || !strcmp(value, name);
}

const char *const crowd_sizes[] = { "small", "huge", "mixed", NULL };
const char *const crowd_memories[] = { "anon", "shmem", "both", NULL };

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
 * What a round has split stays small, unless the kernel collapses it; and there is little to
 * see in small pages. Nobody else runs now: the same words, in fresh memory, private or of a file
 * in memory.
 */
static void make_huge(int file)
{
	bool other = file != region.file;

	memcpy(aside, region.mem, region.len);
	region.file = file;
	if (other && !change_map(&region, region.mem, region.len))
		race_error("mmap: %s", strerror(errno));
	if (!change_drop(&region, region.mem, region.len))
		race_error("dropping memory: %s", strerror(errno));
	/* By stores: a load gets the huge zero page, which a store splits (6.12). */
	memcpy(region.mem, aside, region.len);
}

/* Shared memory of one huge page and more; -1: it cannot be huge here. */
static int huge_file(void)
{
	char old[128], *set, *end;
	int file;

	if (race_read_file(SHMEM_ENABLED, old, sizeof(old)))
		return -1;
	set = strchr(old, '[');
	end = set ? strchr(set, ']') : NULL;
	if (!end || access(SHMEM_ENABLED, W_OK))
		return -1;
	*end = '\0';
	race_undo_write(SHMEM_ENABLED, set + 1);
	if (race_write_file(SHMEM_ENABLED, "advise"))
		return -1;
	file = memfd_create("mmrace-crowd", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, region.len))
		race_error("memfd_create: %s", strerror(errno));
	return file;
}

void crowd_setup(const struct crowd *c, struct region r)
{
	const char *missing;

	crowd = c;
	region = r;
	ways = race_shared(sizeof(*ways));
	changes = race_shared(sizeof(*changes));
	if (r.unit > race_page_size()) {
		aside = mmap(NULL, r.len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (aside == MAP_FAILED)
			race_error("mmap: %s", strerror(errno));
		make_huge(-1);
	}
	words_setup(r.mem, r.pages, OWNERS);
	for (unsigned int i = 0; c->ways[i]; i++) {
		if (!asked("way", c->ways[i]->name))
			continue;
		missing = c->ways[i]->setup ? c->ways[i]->setup() : NULL;
		if (!missing && c->ways[i]->range)
			c->ways[i]->range(r.mem, r.pages * race_page_size());
		take(ways, "way", i, c->ways[i]->name, missing);
	}
	for (unsigned int i = 0; c->changes[i]; i++) {
		if (!asked("change", c->changes[i]->name))
			continue;
		missing = c->changes[i]->setup ? c->changes[i]->setup(&region) :
			  NULL;
		take(changes, "change", i, c->changes[i]->name, missing);
	}
	if (!ways->nr || !changes->nr)
		race_skip("nothing that this race needs can be had here");
}

void crowd_setup_by_options(const struct crowd *c)
{
	crowd_setup(c, crowd_region(race_option_index("size"),
				    race_option_number("pages")));
}

void crowd_setup_memory(enum crowd_memory memory)
{
	if (memory == PRIVATE)
		return;
	shmem = huge_file();
	both = memory == BOTH;
	if (shmem >= 0)
		return;
	if (!both)
		race_skip("--memory shmem: needs " SHMEM_ENABLED ", and root");
	race_note("--memory shmem is left out: needs " SHMEM_ENABLED ", and root");
}

/* Its place in the table, or -1: it takes no turns. */
static int place(const struct change *change)
{
	for (unsigned int n = 0; n < changes->nr; n++)
		if (crowd->changes[changes->which[n]] == change)
			return changes->which[n];
	return -1;
}

bool crowd_makes(const struct change *change)
{
	return place(change) >= 0;
}

void crowd_prepare(void)
{
	struct rng *rng = race_rng();
	bool shared = shmem >= 0 && (!both || race_round() % SHARED_ONE_IN == 1);

	if (shared != (region.file >= 0) ||
	    (region.unit > race_page_size() && rng_below(rng, 2)))
		make_huge(shared ? shmem : -1);
	way = crowd->ways[ways->which[race_round() % ways->nr]];
	alike = !rng_below(rng, 4);
	words_focus(rng);
	shared_rounds += shared;
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
	run(PEER, way);
	if (way->release)
		way->release();
}

static unsigned int draw(struct rng *rng)
{
	unsigned int i = changes->which[rng_below(rng, changes->nr)];
	const struct change *rather = crowd->changes[i]->rather;

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
		const struct change *c = crowd->changes[i];
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
	if (shmem >= 0)
		race_extra("shmem.rounds", shared_rounds);
	for (unsigned int n = 0; ways && n < ways->nr; n++) {
		unsigned int i = ways->which[n];

		snprintf(name, sizeof(name), "%s.rounds", crowd->ways[i]->name);
		race_extra(name, ways->done[i]);
		snprintf(name, sizeof(name), "%s.visits", crowd->ways[i]->name);
		race_extra(name, visits[i]);
	}
	for (unsigned int n = 0; changes && n < changes->nr; n++) {
		unsigned int i = changes->which[n];

		snprintf(name, sizeof(name), "%s.done", crowd->changes[i]->name);
		race_extra(name, changes->done[i]);
		snprintf(name, sizeof(name), "%s.refused",
			 crowd->changes[i]->name);
		race_extra(name, changes->refused[i]);
		snprintf(name, sizeof(name), "%s.ms", crowd->changes[i]->name);
		race_extra(name, changes->took_ns[i] / 1000000);
	}
}
