// SPDX-License-Identifier: GPL-2.0
/*
 * stale-translation: an access goes through a translation that is gone.
 *
 * Law. When a call that takes a translation away, or rights from it, has
 * returned, no access of that mm that begins later goes through the old one, on
 * any CPU; and a page is not given to anybody else before that holds.
 *
 * The interleaving, where the flush is missing, early, or left to somebody
 * else who has not done it yet:
 *
 *   change (CPU 0)                        store (CPU 1)
 *   ----------------------------------    ------------------------------
 *                                         *p = 1: translation is cached
 *   change the page table entry
 *   (the flush is not done, or CPU 0
 *   trusts in a flush of another's)
 *   return
 *                                         *p = 2 goes to the old page
 *
 * Variants and their oracles:
 *   mprotect	no store begun after mprotect(PROT_READ) returned completes, and
 *		the content read right then is final
 *   munmap	no store begun after munmap() of a file mapping returned completes
 *   mremap	the same for the old address, while another process truncates the file; and
 *		memory that this process takes after the truncation is not written to
 *   move	the same for private memory, and its content at the new address right then
 *		is final
 *   dontneed	two threads drop the same private memory at once; each reads zeros
 *		after its own call returned, since nobody writes
 *   fork	the child's copy does not change while the parent stores on
 * With --meanwhile migrate another thread moves the pages from node to node at the same time:
 * what changes then may be a migration entry, and is another page when it is put back.
 * Private memory is made of small pages or of huge ones, where there are any.
 * Where the machine completes stores late (race_late_stores()), so few prove nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "numa.h"
#include "race.h"

#define DELAY_NS	200000	/* span of the sweep: the order of the calls' length */
#define CANARY_PAGES	16
#define CANARY		0x6d6d726163652121ULL
#define FILLING		0x66696c6c696e6721ULL
#define CHILD_LOOKS	2000	/* of the child at its copy, while the parent stores */
#define CHILD_SAW	1	/* its exit status for a change */
#define ALIGNMENT	64	/* bytes */
#define MOVE_NS		20000000	/* at most, of a call that is met */
#define HUGE_MAX	(4 << 20)	/* larger pages take too long to fill */

enum change { MPROTECT, MUNMAP, MREMAP, MOVE, DONTNEED, FORK, ALL };
static const char *const change_names[] = {
	"mprotect", "munmap", "mremap", "move", "dontneed", "fork", "all", NULL
};

enum size { SMALL, HUGE, SIZE_ALL };
static const char *const size_names[] = { "small", "huge", "all", NULL };

enum meanwhile { NOTHING, MIGRATE };
static const char *const meanwhile_names[] = { "nothing", "migrate", "all", NULL };

enum phase { BEFORE, CHANGED, STOP };

static struct shared {
	/* Volatile: read after the writer's loop was left by a fault. */
	volatile uint64_t last;		/* the last store that completed */
	volatile uint64_t nlater;	/* stores begun in phase CHANGED */
	atomic_uint writer_done;
	_Alignas(ALIGNMENT) atomic_uint phase;
	enum change change;
	size_t len, slot;
	uint64_t final;			/* what was read right after the change */
	uint64_t child_first, child_then;
	_Alignas(ALIGNMENT) atomic_uint go;
	atomic_ullong stale_read;	/* 1 + offset of a page that was not zero */
	atomic_ullong stale_value;
	atomic_ullong scribble;
	bool migrates;
	atomic_uint moves, changed;	/* calls that returned; main is done */
	uint64_t move_ns;		/* what the last call took */
} *s;

static int fd;
static size_t most;	/* mapped at once, of small pages */
static size_t huge;	/* bytes of a huge page, 0: there are none */
static size_t span;	/* reserved at each address */
static char *base, *aside, *canary;
static uint64_t first, failures[ALL];
static bool can_migrate;
static uint64_t migrated;	/* pages that arrived, in all rounds */

static void store(void *arg)
{
	volatile uint64_t *slot = arg;
	unsigned int forgiven = race_late_stores();
	bool goes_on = s->change == FORK;
	uint64_t n = s->last;

	for (;;) {
		/* Acquire, with main's release after the call returned. */
		enum phase phase = atomic_load_explicit(&s->phase,
							memory_order_acquire);

		if (phase == STOP)
			return;
		*slot = ++n;
		s->last = n;
		if (phase == CHANGED && ++s->nlater > forgiven && !goes_on)
			return;
	}
}

static void writer(void)
{
	if (s->change != DONTNEED)
		race_until_fault(store, base + s->slot, base, s->len);
	atomic_store(&s->writer_done, 1);
}

static void mover(void)
{
	uint64_t start, stored;
	long arrived;

	do {
		stored = s->last;
		start = race_now_ns();
		arrived = numa_move(base, s->len, true, race_rng());
		s->move_ns = race_now_ns() - start;
		migrated += arrived > 0 ? arrived : 0;
		s->moves++;
		/* Who waits for a page that is moved all the time never gets it. */
		while (s->change != DONTNEED && s->last == stored && !s->writer_done &&
		       !s->changed && !race_over())
			race_relax();
	} while (!s->changed && !race_over());
}

/* main: the change comes at any moment of a later call, as long as the last one. */
static void meet_mover(void)
{
	while (s->migrates && !s->moves && !race_over())
		race_relax();
	if (s->migrates)
		race_delay(rng_below(race_rng(), s->move_ns < MOVE_NS ? s->move_ns : MOVE_NS));
}

/* Drops the memory that another thread drops or moves, and looks at once. */
static void drop_and_look(uint64_t delay_ns)
{
	size_t page = race_page_size();
	uint64_t value;

	/* Old translations of this CPU are what the law is about. */
	for (size_t at = 0; at < s->len; at += page)
		if (*(volatile uint64_t *)(base + at) != FILLING)
			return;
	race_delay(delay_ns);
	if (madvise(base, s->len, MADV_DONTNEED))
		race_error("madvise: %s", strerror(errno));
	for (size_t at = 0; at < s->len; at += page) {
		value = *(volatile uint64_t *)(base + at);
		if (!value)
			continue;
		s->stale_value = value;
		s->stale_read = 1 + at;
		return;
	}
}

static void other_thread(void)
{
	/* One sweeps, the other draws: two sweeps would keep their distance. */
	if (s->migrates)
		mover();
	else if (s->change == DONTNEED)
		drop_and_look(race_sweep(DELAY_NS));
}

static void truncator(void)
{
	volatile uint64_t *p = (volatile uint64_t *)canary;
	size_t words = CANARY_PAGES * race_page_size() / sizeof(*p);

	if (s->change != MREMAP)
		return;
	madvise(canary, CANARY_PAGES * race_page_size(), MADV_DONTNEED);
	while (!atomic_load(&s->go) && !race_over())
		race_relax();
	race_delay(race_sweep(DELAY_NS));
	if (ftruncate(fd, 0))
		race_error("ftruncate: %s", strerror(errno));
	for (size_t i = 0; i < words; i++)
		p[i] = CANARY;
	while (!atomic_load(&s->writer_done) && !race_over())
		race_relax();
	for (size_t i = 0; i < words; i++)
		if (p[i] != CANARY)
			s->scribble = p[i];
}

static void map_file(void)
{
	if (ftruncate(fd, most))
		race_error("ftruncate: %s", strerror(errno));
	if (mmap(base, s->len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED,
		 fd, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

static void map_private(bool large)
{
	if (mmap(base, s->len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE |
		 MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	/* It may end up in small ones all the same. */
	if (large)
		madvise(base, s->len, MADV_HUGEPAGE);
}

static void prepare(void)
{
	struct rng *rng = race_rng();
	size_t page = race_page_size();
	int change = race_option_index("change"), size = race_option_index("size");
	bool file, large;

	s->change = change == ALL ? race_round() % ALL : (enum change)change;
	file = s->change == MUNMAP || s->change == MREMAP;
	large = huge && !file &&
		(size == SIZE_ALL ? !rng_below(rng, 3) : size == HUGE);
	s->migrates = can_migrate && (race_option_index("meanwhile") == MIGRATE ||
				      rng_below(rng, 2));
	s->len = large ? huge : rng_log(rng, most / page) * page;
	s->slot = rng_below(rng, s->len / page) * page;
	s->nlater = 0;
	s->writer_done = 0;
	s->go = 0;
	s->moves = 0;
	s->changed = 0;
	s->stale_read = 0;
	s->scribble = 0;
	s->phase = BEFORE;
	first = s->last;
	if (file)
		map_file();
	else
		map_private(large);
	for (size_t at = 0; at < s->len; at += page)
		*(volatile uint64_t *)(base + at) = FILLING;
}

static void fork_child(void)
{
	volatile uint64_t *slot = (volatile uint64_t *)(base + s->slot);
	pid_t parent = getpid(), pid = fork();
	int status;

	if (pid < 0)
		race_error("fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		s->child_first = *slot;
		for (int i = 0; i < CHILD_LOOKS && getppid() == parent; i++) {
			s->child_then = *slot;
			if (s->child_then != s->child_first)
				_exit(CHILD_SAW);
		}
		_exit(0);
	}
	atomic_store_explicit(&s->phase, CHANGED, memory_order_release);
	if (waitpid(pid, &status, 0) != pid)
		race_error("waitpid: %s", strerror(errno));
	atomic_store(&s->phase, STOP);
}

static void change_it(void)
{
	volatile uint64_t *slot = (volatile uint64_t *)(base + s->slot);
	int err = 0;

	meet_mover();
	if (s->change == DONTNEED) {
		drop_and_look(rng_below(race_rng(), DELAY_NS));
		return;
	}
	while (s->last == first && !s->writer_done && !race_over())
		race_relax();
	atomic_store(&s->go, 1);
	race_delay(race_sweep(DELAY_NS));
	switch (s->change) {
	case MPROTECT:
		err = mprotect(base, s->len, PROT_READ);
		s->final = *slot;
		break;
	case MUNMAP:
		err = munmap(base, s->len);
		break;
	case MREMAP:
	case MOVE:
		err = mremap(base, s->len, s->len, MREMAP_MAYMOVE | MREMAP_FIXED,
			     aside) == MAP_FAILED;
		if (!err && s->change == MOVE)
			s->final = *(volatile uint64_t *)(aside + s->slot);
		break;
	default:
		fork_child();
		return;
	}
	if (err)
		race_error("%s: %s", change_names[s->change], strerror(errno));
	atomic_store_explicit(&s->phase, CHANGED, memory_order_release);
}

static void main_act(void)
{
	change_it();
	s->changed = 1;
}

static void reserve(char *at)
{
	if (mmap(at, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

/* What is in the page now, wherever it was moved. */
static uint64_t content(void)
{
	char *at = s->change == MOVE ? aside : base;

	return *(volatile uint64_t *)(at + s->slot);
}

static void judge(void)
{
	unsigned int forgiven = race_late_stores();
	const char *name = change_names[s->change];
	uint64_t before = failures[s->change]++, now;

	if (s->change != DONTNEED && s->change != FORK && s->nlater > forgiven)
		race_fail("--change %s: store %llu began after the call had returned, and completed",
			  name, (unsigned long long)s->last);
	else if ((s->change == MPROTECT || s->change == MOVE) &&
		 (now = content()) - s->final > forgiven)
		race_fail("--change %s: the page held %llu when the call had returned, now %llu",
			  name, (unsigned long long)s->final,
			  (unsigned long long)now);
	else if (s->change == MREMAP && s->scribble && !forgiven)
		race_fail("--change mremap: memory taken after the truncation holds %llu of the writer's stores (%llu to %llu)",
			  (unsigned long long)s->scribble,
			  (unsigned long long)first + 1,
			  (unsigned long long)s->last);
	else if (s->change == DONTNEED && s->stale_read)
		race_fail("--change dontneed: page %llu of %zu read as %llx after the thread's own call had returned",
			  (unsigned long long)(s->stale_read - 1) / race_page_size(),
			  s->len / race_page_size(),
			  (unsigned long long)s->stale_value);
	else if (s->change == FORK && s->child_then - s->child_first > forgiven)
		race_fail("--change fork: the child's copy changed from %llu to %llu",
			  (unsigned long long)s->child_first,
			  (unsigned long long)s->child_then);
	else
		failures[s->change] = before;
	reserve(base);
	reserve(aside);
	if (s->change != DONTNEED && s->last == first)
		race_void("the writer could not store once");
}

static void setup(void)
{
	size_t page = race_page_size(), pmd = race_pmd_size();
	bool thp = !race_need_missing("thp") && pmd <= HUGE_MAX;
	char *p;

	s = race_shared(sizeof(*s));
	if (!thp && race_option_index("size") == HUGE)
		race_skip("--size huge: no transparent huge pages, or larger than %d bytes",
			  HUGE_MAX);
	huge = thp ? pmd : 0;
	most = race_option_number("pages") * page;
	fd = memfd_create("mmrace-stale-translation", MFD_CLOEXEC);
	/* Whole page tables, so that these can be moved as such. */
	span = (most + pmd - 1) / pmd * pmd;
	p = mmap(NULL, 2 * span + pmd, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	canary = mmap(NULL, CANARY_PAGES * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || p == MAP_FAILED || canary == MAP_FAILED)
		race_error("setup: %s", strerror(errno));
	base = (char *)(((uintptr_t)p + pmd - 1) / pmd * pmd);
	aside = base + span;
	if (race_asked("meanwhile", "migrate"))
		can_migrate = race_has("meanwhile", "migrate", numa_two_nodes() ? NULL :
				       "needs two NUMA nodes");
}

static void extra(void)
{
	for (int i = 0; i < ALL; i++)
		race_extra(change_names[i], failures[i]);
	race_extra("migrated.pages", migrated);
}

const struct race race = {
	.name = "stale-translation",
	.theme = "stale-translation",
	.summary = "no access goes through a translation after the call that took it away returned",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.flush", 100000, 1000000, 2, 500000 },
		{ NULL }
	},
	.control = "skip.tlb.zap",
	.exposure = { "probe.tlb.flush", 100 },
	.options = (const struct race_option[]){
		{ "change", change_names, "all", .help =
		  "what changes the translation; all takes turns" },
		{ "size", size_names, "all", .help =
		  "pages of private memory; all: either" },
		{ "meanwhile", meanwhile_names, "all", .help =
		  "what another thread does to the pages; all: nothing or migrate, as is drawn" },
		{ "pages", NULL, "128", 1, 4096, "most pages changed at once" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "writer", .act = writer },
		{ .name = "other", .act = other_thread },
		{ .name = "truncator", .process = true, .act = truncator },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = main_act,
	.judge = judge,
	.extra = extra,
};
