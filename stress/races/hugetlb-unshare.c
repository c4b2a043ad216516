// SPDX-License-Identifier: GPL-2.0
/*
 * hugetlb-unshare: a page table that two processes shared is still used by one that left it.
 *
 * Law. Processes that map the same hugetlb file may share the page tables for it (x86, arm64,
 * riscv). When one of them gives such a table up, as part of munmap(), mprotect() or
 * mremap(), none of its CPUs uses the table or a translation from it once the call has
 * returned; the others keep theirs.
 *
 * The interleaving (CVE-2021-4002, a4a118f2eead, 5.16; CVE-2025-38085, 1013af4f585f, 6.16):
 *
 *   change (CPU 0)                       store (CPU 1)
 *   ----------------------------------   ------------------------------
 *                                        *p = 1: translation is cached
 *   drop the reference to the table;
 *   there is no entry of ours in it to
 *   clear, so nothing is flushed
 *   return
 *                                        *p = 2: still goes through
 *
 * Oracle. No store begun after the call had returned completes at the old address; what
 * the other process stored at its own address is still there.
 * Where the machine completes stores late (race_late_stores()), so few prove nothing.
 *
 * mremap only when it is asked for: up to 7.2 at least, move_hugetlb_page_tables() takes
 * the file's i_mmap lock for writing and calls huge_pte_alloc(), whose huge_pmd_share() takes
 * it for reading: a call that moves a whole table's worth locks itself up for good.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "race.h"

#define DELAY_NS	100000
#define PAGES		4	/* huge ones that exist */
#define PRESENT		(1ULL << 63)	/* in a word of /proc/PID/pagemap */
#define POOL		"/proc/sys/vm/nr_hugepages"

enum how { MUNMAP, MPROTECT, PART, ALL, MREMAP };
static const char *const how_names[] = {
	"munmap", "mprotect", "part", "all", "mremap", NULL
};

enum phase { BEFORE, CHANGED };

static struct shared {
	volatile uint64_t last, later;
	_Alignas(64) atomic_uint phase;
	atomic_uint writer_done, mapped, go;
	volatile uint64_t other, other_found;
	enum how how;
	size_t slot;
} *s;

static int fd;
static size_t huge, span;	/* a huge page; what one shared table maps */
static char *base, *aside;
static uint64_t first, stale, wrong;

static void map(char *at)
{
	if (mmap(at, span, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED |
		 MAP_NORESERVE, fd, 0) == MAP_FAILED)
		race_error("mmap of %zu bytes of hugetlb: %s", span,
			   strerror(errno));
	for (size_t i = 0; i < PAGES; i++)
		(void)*(volatile char *)(at + i * huge);
}

static void reserve(char *at)
{
	if (mmap(at, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

static void store(void *arg)
{
	volatile uint64_t *slot = arg;
	unsigned int forgiven = race_late_stores();
	uint64_t n = s->last;

	for (;;) {
		enum phase phase = atomic_load_explicit(&s->phase,
							memory_order_acquire);

		*slot = ++n;
		s->last = n;
		if (phase == CHANGED && ++s->later > forgiven)
			return;
	}
}

static void writer(void)
{
	race_until_fault(store, base + s->slot, base, span);
	atomic_store(&s->writer_done, 1);
}

/* The other process of the table: it has the same pages at the same place of a table. */
static void sharer(void)
{
	volatile uint64_t *word;

	/* Before main's own entries: who comes second takes the first one's table. */
	map(aside);
	word = (volatile uint64_t *)(aside + s->slot) + 1;
	atomic_store(&s->mapped, 1);
	while (!atomic_load(&s->go) && !race_over())
		race_relax();
	/* Once at least: the page may hold what an earlier round left. */
	do {
		*word = ++s->other;
	} while (!atomic_load(&s->writer_done) && !race_over());
	s->other_found = *word;
	reserve(aside);
}

static void prepare(void)
{
	int how = race_option_index("how");

	s->how = how == ALL ? race_round() % ALL : (enum how)how;
	s->slot = rng_below(race_rng(), PAGES) * huge;
	s->phase = BEFORE;
	s->writer_done = s->mapped = s->go = 0;
	s->later = 0;
	first = s->last;
	if (mmap(base, span, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED |
		 MAP_NORESERVE, fd, 0) == MAP_FAILED)
		race_error("mmap of hugetlb: %s", strerror(errno));
}

static void change(void)
{
	int err = 0;

	while (s->last == first && !s->writer_done && !race_over())
		race_relax();
	while (!atomic_load(&s->mapped) && !race_over())
		race_relax();
	atomic_store(&s->go, 1);
	race_delay(race_sweep(DELAY_NS));
	switch (s->how) {
	case MUNMAP:
		err = munmap(base, span);
		break;
	case MPROTECT:
		err = mprotect(base, span, PROT_READ);
		break;
	case MREMAP:
		err = mremap(base, span, span, MREMAP_MAYMOVE | MREMAP_FIXED,
			     aside) == MAP_FAILED;
		break;
	default:
		/* Not the whole table: its other pages stay, so it is given up for a copy. */
		err = munmap(base, PAGES * huge);
		break;
	}
	if (err)
		race_error("%s: %s", how_names[s->how], strerror(errno));
	atomic_store_explicit(&s->phase, CHANGED, memory_order_release);
}

static void judge(void)
{
	if (s->later > race_late_stores()) {
		stale++;
		race_fail("--how %s: store %llu began after the call had returned, and completed",
			  how_names[s->how], (unsigned long long)s->last);
	}
	if (s->other_found != s->other) {
		wrong++;
		race_fail("--how %s: the other process stored %llu and found %llu",
			  how_names[s->how], (unsigned long long)s->other,
			  (unsigned long long)s->other_found);
	}
	reserve(base);
	reserve(aside);
	if (s->last == first)
		race_void("the writer could not store once");
}

static void pool(void)
{
	char old[32], want[32];
	long have;

	if (race_read_file(POOL, old, sizeof(old)))
		race_skip("needs hugetlb: the kernel has no " POOL);
	have = strtol(old, NULL, 10);
	if (have >= PAGES)
		return;
	snprintf(want, sizeof(want), "%d", PAGES);
	race_undo_write(POOL, old);
	if (race_write_file(POOL, want) || race_read_file(POOL, old, sizeof(old)) ||
	    strtol(old, NULL, 10) < PAGES)
		race_skip("needs %d huge pages: " POOL " does not take them", PAGES);
}

static size_t huge_size(void)
{
	char *entry = NULL;
	size_t room = 0, kb = 0;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && !kb && getline(&entry, &room, f) > 0)
		if (sscanf(entry, "Hugepagesize: %zu", &kb) == 1)
			break;
	free(entry);
	if (f)
		fclose(f);
	return kb << 10;
}

/*
 * Whether this kernel shares tables at all (CONFIG_ARCH_WANT_HUGE_PMD_SHARE, or its like): who has
 * touched another page finds the first one in his table too, as somebody else put it there.
 */
static bool shares_tables(void)
{
	char *first_page = aside, *other_page = aside + huge;
	uint64_t entry = 0;
	int status, pagemap;
	pid_t pid;

	map(base);
	pid = fork();
	if (pid < 0)
		race_error("fork: %s", strerror(errno));
	if (!pid) {
		if (mmap(aside, span, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED |
			 MAP_NORESERVE, fd, 0) == MAP_FAILED)
			_exit(2);
		(void)*(volatile char *)other_page;
		pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)first_page /
			  race_page_size() * sizeof(entry)) != sizeof(entry))
			_exit(2);
		_exit(!(entry & PRESENT));
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
		race_error("could not find out whether page tables are shared: status %x", status);
	reserve(base);
	return !WEXITSTATUS(status);
}

static void setup(void)
{
	char *p;

	s = race_shared(sizeof(*s));
	huge = huge_size();
	if (!huge)
		race_skip("needs hugetlb: this machine or kernel has no huge pages");
	pool();
	/* A page of eight-byte entries is what is shared. */
	span = race_page_size() / 8 * race_pmd_size();
	fd = memfd_create("mmrace-hugetlb", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0)
		race_skip("needs hugetlb: %s", strerror(errno));
	if (ftruncate(fd, span))
		race_error("ftruncate: %s", strerror(errno));
	p = mmap(NULL, 3 * span, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		race_skip("needs %zu bytes of address space", 3 * span);
	base = (char *)(((uintptr_t)p + span - 1) / span * span);
	aside = base + span;
	if (!shares_tables())
		race_skip("this kernel shares no page tables of hugetlb memory");
}

static void extra(void)
{
	race_extra("stale", stale);
	race_extra("wrong", wrong);
}

const struct race race = {
	.name = "hugetlb-unshare",
	.theme = "stale-translation",
	.summary = "nobody uses a shared hugetlb page table that his process gave up",
	.needs = (const char *const[]){ "root", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.flush", 100000, 1000000, 1, 500000 },
		{ NULL }
	},
	.control = "skip.tlb.unshare",
	.exposure = { "probe.tlb.flush", 20 },
	.options = (const struct race_option[]){
		{ "how", how_names, "all", .help =
		  "what gives the table up; all takes turns, but for mremap, which hangs" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "writer", .act = writer },
		{ .name = "sharer", .process = true, .act = sharer },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = change,
	.judge = judge,
	.extra = extra,
};
