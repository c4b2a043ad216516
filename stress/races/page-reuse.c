// SPDX-License-Identifier: GPL-2.0
/*
 * page-reuse: an address reaches a page that was taken from it and given to somebody else.
 *
 * Law. A page is given to its next owner when nobody can find it at its old address any
 * more: no CPU has a translation to it, and who walks the page table without locks either
 * has taken a reference, which keeps the page, or looks again after he took it and lets go.
 *
 * The interleaving (fast GUP that does not look again):
 *
 *   zap (CPU 0)                        GUP (CPU 1)
 *   -------------------------------    -----------------------------------
 *                                      reads the entry of address A: page X
 *   clear the entry, flush, free X
 *   fault at address B: X, zeroed
 *   store B's number
 *                                      takes a reference to X
 *                                      reads B's number at A
 *
 * Where the flush is an interrupt that the walker keeps off (x86 without a hypervisor's), it
 * waits for the walker, and nothing is to be seen of that; a stale translation is seen
 * everywhere.
 *
 * Oracle: each page holds zeros or a number that names it, as nobody stores anything else
 * there; whatever else is found at it, by whatever way, is of another owner.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "race.h"
#include "ways.h"

#define MAGIC		0x5250ULL	/* in the upper 16 bits of each number */
#define CALLS		32		/* in one round */
#define AT_ONCE		8		/* pages in one call, at most */
#define SET_ONE_IN	4		/* looks of the peer's */
#define PAGES_MAX	65535		/* 16 bits of each number, from 1 on */

enum how { DONTNEED, MAP, PUNCH, ALL };
static const char *const how_names[] = { "dontneed", "map", "punch", "all", NULL };

static const char *const way_names[] = {
	"process_vm", "direct", "vmsplice", "uring", "pin", "all", NULL
};

static const struct way *const ways[] = {
	&way_process_vm, &way_direct, &way_vmsplice, &way_uring, &way_pin, NULL
};

#define NR_WAYS (sizeof(ways) / sizeof(ways[0]) - 1)

static struct counts {
	atomic_ullong looks[NR_WAYS], by_cpu;
	uint64_t calls[ALL];
} *counts;

static unsigned int have[NR_WAYS], nr_have, chosen;
static enum how how;
static size_t pages;
static char *private_mem, *shared_mem, *mem;
static int own_memory = -1;

static uint64_t number(size_t page, uint32_t n)
{
	return MAGIC << 48 | (uint64_t)(page + 1) << 32 | n;
}

/* The kernel copies bytes: a number may be met half stored, in zeros. */
static bool belongs(uint64_t value, size_t page)
{
	uint64_t own = number(page, 0);

	/* Its lower half is anything. */
	for (unsigned int bit = 32; bit < 64; bit += 8) {
		uint8_t byte = value >> bit;

		if (byte && byte != (uint8_t)(own >> bit))
			return false;
	}
	return true;
}

static volatile uint64_t *word(size_t page)
{
	return (volatile uint64_t *)(mem + page * race_page_size());
}

static void judge_one(uint64_t value, size_t page, const char *by)
{
	if (!belongs(value, page))
		race_fail("--how %s: page %zu, read by %s, holds %llx, which nobody stored there",
			  how_names[how], page, by, (unsigned long long)value);
}

/* The CPU never stores here: with a plant that would destroy what is another's. */
static void look(void)
{
	size_t page = rng_below(race_rng(), pages);
	unsigned int again = race_late_stores();
	uint64_t value;

	/* A load, as a store, may be that late; the next one is not. */
	do {
		value = *word(page);
	} while (!belongs(value, page) && again--);
	judge_one(value, page, "a CPU");
	atomic_fetch_add(&counts->by_cpu, 1);
}

static void cpu(void)
{
	while (!race_over())
		look();
}

static void peer(void)
{
	const struct way *way = ways[chosen];
	struct rng *rng = race_rng();

	while (!race_over()) {
		size_t page = rng_below(rng, pages);

		if (way->set && !rng_below(rng, SET_ONE_IN))
			way->set(word(page), number(page, 0));
		else
			judge_one(way->get(word(page)), page, way->name);
		/* What is held is not reused. */
		if (way->release)
			way->release();
		atomic_fetch_add(&counts->looks[chosen], 1);
	}
}

static void take_away(char *at, size_t len)
{
	int err;

	if (how == MAP)
		err = mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED;
	else
		err = madvise(at, len, how == PUNCH ? MADV_REMOVE : MADV_DONTNEED);
	if (err)
		race_error("--how %s: %s", how_names[how], strerror(errno));
}

/*
 * Not by this CPU's own translation, which the control's plant leaves stale: the store would
 * go to whoever has the page now.
 */
static void fill(size_t page, uint32_t n)
{
	uint64_t value = number(page, n);

	if (race_mode() != MODE_CONTROL)
		*word(page) = value;
	else if (pwrite(own_memory, &value, sizeof(value), (uintptr_t)word(page)) !=
		 sizeof(value))
		race_error("/proc/self/mem: %s", strerror(errno));
}

/*
 * Filled in another order than they were freed: the allocator gives the page that came last
 * first, and an address shall get another one's.
 */
static void reuse(void)
{
	struct rng *rng = race_rng();
	size_t page = race_page_size();

	for (uint32_t n = 0; n < CALLS; n++) {
		size_t nr = 1 + rng_below(rng, pages < AT_ONCE ? pages : AT_ONCE);
		size_t first = rng_below(rng, pages - nr + 1);
		size_t turn = rng_below(rng, nr);

		take_away(mem + first * page, nr * page);
		for (size_t i = 0; i < nr; i++)
			fill(first + (i + turn) % nr, n);
	}
	counts->calls[how] += CALLS;
}

static void prepare(void)
{
	int asked = race_option_index("how");

	how = asked == ALL ? race_round() % ALL : (enum how)asked;
	chosen = have[race_round() / ALL % nr_have];
	mem = how == PUNCH ? shared_mem : private_mem;
}

static void judge(void)
{
	for (size_t page = 0; page < pages; page++)
		judge_one(*word(page), page, "a CPU after the round");
}

static void setup(void)
{
	int fd = memfd_create("mmrace-page-reuse", MFD_CLOEXEC);
	size_t len;

	pages = race_option_number("pages");
	len = pages * race_page_size();
	counts = race_shared(sizeof(*counts));
	private_mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, len) || private_mem == MAP_FAILED)
		race_error("setup: %s", strerror(errno));
	shared_mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	own_memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (shared_mem == MAP_FAILED || own_memory < 0)
		race_error("setup: %s", strerror(errno));
	for (unsigned int i = 0; ways[i]; i++)
		if (way_taken(ways[i], private_mem, len))
			have[nr_have++] = i;
}

static void extra(void)
{
	race_extra("cpu.looks", counts->by_cpu);
	for (unsigned int i = 0; i < nr_have; i++)
		race_extra(ways[have[i]]->name, counts->looks[have[i]]);
	for (int i = 0; i < ALL; i++)
		race_extra(how_names[i], counts->calls[i]);
}

const struct race race = {
	.name = "page-reuse",
	.theme = "stale-translation",
	.summary = "no address reaches a page that was taken from it and given to another",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "gup.fast.grab", 50000, 500000, 4, 200000 },
		{ "tlb.flush", 50000, 500000, 4, 200000 },
		{ NULL }
	},
	.control = "skip.tlb.zap",
	.exposure = { "probe.tlb.flush", 100 },
	.options = (const struct race_option[]){
		{ "way", way_names, "all", .help =
		  "how the peer reaches the memory; all takes turns" },
		{ "how", how_names, "all", .help =
		  "what takes the pages away; all takes turns" },
		{ "pages", NULL, "16", 1, PAGES_MAX, "in all" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "cpu", .loops = true, .act = cpu },
		{ .name = "peer", .loops = true, .act = peer },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = reuse,
	.judge = judge,
	.extra = extra,
};
