// SPDX-License-Identifier: GPL-2.0
/*
 * The changes. Each is allowed to any process at any time and must be seen by
 * nobody. Sizes are drawn so that one page and all of them are equally likely.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../include/mmrace_abi.h"
#include "changes.h"
#include "core.h"
#include "device.h"
#include "numa.h"
#include "swap.h"
#include "words.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define RARELY 8	/* one turn in as many, of what is dear */
#define MIGRATE_ONE_IN 4	/* turns: compaction, where it is slow, takes all of a short run */
#define COMPACT_BYTES (8ULL << 30)	/* at most, that the machine may have */
#define COMPACT_NS 3000000000	/* at most, that compaction may take */
#define COLLAPSE_ATTEMPTS 3
#define PAGEOUT_MAX 32	/* pages; all of them, rarely: compressing takes milliseconds each */
#define LOOK_MAX 128	/* pages that a forked child looks at */
#define SWAP_FACTOR 2	/* slots for each page: old copies stay a while */

/* Some pages: half of the time of those that the round is about. */
static char *some(const struct region *r, struct rng *rng, size_t *len)
{
	size_t first = 0, pages = r->pages, skip;

	if (rng_below(rng, 2))
		words_hot(&first, &pages);
	skip = rng_below(rng, pages);
	*len = rng_log(rng, pages - skip) * race_page_size();
	return r->mem + (first + skip) * race_page_size();
}

/* A switch of the kernel's, until the program ends; why it cannot be set, or NULL. */
static const char *set_switch(const char *path, const char *value)
{
	char old[32];

	if (race_read_file(path, old, sizeof(old)) || access(path, W_OK))
		return "needs the kernel's switches for it, and root";
	race_undo_write(path, old);
	return race_write_file(path, value) ? strerror(errno) : NULL;
}

static void touch(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i += race_page_size())
		(void)*(const volatile char *)(at + i);
}

bool change_map(const struct region *r, char *at, size_t len)
{
	int flags = r->file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	/* Without MAP_NORESERVE it stays a VMA of its own: none is huge then. */
	if (mmap(at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE,
		 r->file, r->file < 0 ? 0 : at - r->mem) == MAP_FAILED)
		return false;
	if (r->unit > race_page_size())
		madvise(at, len, MADV_HUGEPAGE);
	return true;
}

bool change_drop(const struct region *r, char *at, size_t len)
{
	/* Of a file's memory it would only end the mapping. */
	return !madvise(at, len, r->file < 0 ? MADV_DONTNEED : MADV_REMOVE);
}

/* --- splits: a VMA's border inside a huge page, a hole in it --------------- */

static bool split(const struct region *r, struct rng *rng)
{
	size_t page = race_page_size(), len;
	char *at = some(r, rng, &len), *nobodys = r->mem + r->pages * page;
	int err;

	switch (rng_below(rng, 4)) {
	case 0:
		/* New entries, too; writable and executable may be forbidden. */
		err = mprotect(at, len, PROT_READ | PROT_WRITE | PROT_EXEC);
		if (err && errno == EACCES)
			return false;
		err = err || mprotect(at, len, PROT_READ | PROT_WRITE);
		break;
	case 1:
		err = madvise(at, len, MADV_DONTFORK) ||
		      madvise(at, len, MADV_DOFORK);
		break;
	case 2:
		err = !change_map(r, nobodys, page);
		break;
	default:
		err = !change_drop(r, nobodys, page);
		break;
	}
	if (err)
		race_error("split: %s", strerror(errno));
	return true;
}

const struct change change_split = { .name = "split", .make = split };

/* --- collapse ------------------------------------------------------------ */

static const char *collapse_setup(const struct region *r)
{
	if (r->unit == race_page_size())
		return "needs transparent huge pages";
	/* Of memory without a page of its own it says the same as a kernel without the call. */
	touch(r->mem, r->unit);
	atomic_fetch_add((atomic_char *)r->mem, 0);
	if (madvise(r->mem, r->unit, MADV_COLLAPSE) && errno == EINVAL)
		return "the kernel has no MADV_COLLAPSE";
	return NULL;
}

/* A unit that is huge no more: what is huge already would be left as it is. */
static char *to_collapse(const struct region *r, struct rng *rng)
{
	char *at = r->mem + rng_below(rng, r->len / r->unit) * r->unit;
	char *nobodys = r->mem + r->pages * race_page_size();

	if (nobodys >= at && nobodys < at + r->unit)
		change_drop(r, nobodys, race_page_size());
	/* A page that is away or new to some CPU's list is a reason to refuse. */
	touch(at, r->unit);
	return at;
}

static bool collapse(const struct region *r, struct rng *rng)
{
	char *at = to_collapse(r, rng);

	for (int i = 0; i < COLLAPSE_ATTEMPTS; i++)
		if (!madvise(at, r->unit, MADV_COLLAPSE))
			return true;
	/* No memory, a page busy: all allowed. */
	return false;
}

const struct change change_collapse = {
	.name = "collapse",
	.setup = collapse_setup,
	.make = collapse,
};

/* --- collapse by the kernel's own thread, which holds other locks ------------ */

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KHUGEPAGED_NS	100000000	/* at most, that a change waits for it */
#define KHUGEPAGED_REST_US 2000

static uint64_t collapsed(void)
{
	char text[65536], *found;

	if (race_read_file("/proc/vmstat", text, sizeof(text)))
		return 0;
	found = strstr(text, "thp_collapse_alloc ");
	return found ? strtoull(found + strlen("thp_collapse_alloc "), NULL, 10) : 0;
}

static const char *khugepaged_setup(const struct region *r)
{
	const char *missing;

	if (r->unit == race_page_size())
		return "needs transparent huge pages";
	missing = set_switch(THP "khugepaged/scan_sleep_millisecs", "1");
	if (!missing)
		missing = set_switch(THP "khugepaged/alloc_sleep_millisecs", "1");
	return missing;
}

static bool khugepaged(const struct region *r, struct rng *rng)
{
	uint64_t end = race_now_ns() + KHUGEPAGED_NS, before = collapsed();

	to_collapse(r, rng);
	/* It has the lowest priority: this thread's CPU is the one that it may get. */
	while (race_now_ns() < end && collapsed() == before)
		usleep(KHUGEPAGED_REST_US);
	return collapsed() != before;
}

const struct change change_khugepaged = {
	.name = "khugepaged",
	.rather = &change_collapse,
	.setup = khugepaged_setup,
	.make = khugepaged,
};

/* --- the split of the page itself, not only of its mapping ------------------- */

#define SPLIT	"/sys/kernel/debug/split_huge_pages"

static bool split_folios(char *at, size_t len)
{
	char text[64];

	snprintf(text, sizeof(text), "%d,%p,%p", getpid(), (void *)at, (void *)(at + len));
	return !race_write_file(SPLIT, text);
}

static bool folio_split(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = some(r, rng, &len);

	return split_folios(at, len);
}

static const char *folio_split_setup(const struct region *r)
{
	if (r->unit == race_page_size())
		return "needs transparent huge pages";
	return split_folios(r->mem, race_page_size()) ? NULL :
	       "needs " SPLIT " that takes addresses, and root";
}

const struct change change_folio_split = {
	.name = "folio-split",
	.setup = folio_split_setup,
	.make = folio_split,
};

/* --- reclaim -------------------------------------------------------------- */

static const char *pageout_setup(const struct region *r)
{
	if (madvise(r->mem, race_page_size(), MADV_PAGEOUT))
		return "the kernel has no MADV_PAGEOUT";
	return swap_on(SWAP_BOTH, SWAP_FACTOR * r->pages);
}

static bool pageout(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = some(r, rng, &len);

	if (len > PAGEOUT_MAX * race_page_size() && rng_below(rng, RARELY))
		len = PAGEOUT_MAX * race_page_size();
	/* What we fault in is on no other CPU's list of new pages: see way_drain(). */
	touch(at, len);
	if (madvise(at, len, MADV_PAGEOUT))
		race_error("MADV_PAGEOUT: %s", strerror(errno));
	return true;
}

const struct change change_pageout = {
	.name = "pageout",
	.setup = pageout_setup,
	.make = pageout,
};

static bool cold(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = some(r, rng, &len);

	return !madvise(at, len, MADV_COLD);
}

const struct change change_cold = { .name = "cold", .make = cold };

static const char *swapoff_setup(const struct region *r)
{
	return swap_on(SWAP_BOTH, SWAP_FACTOR * r->pages);
}

static bool swapcycle(const struct region *r, struct rng *rng)
{
	pageout(r, rng);
	return swap_cycle();
}

const struct change change_swapoff = {
	.name = "swapoff",
	.rather = &change_pageout,
	.setup = swapoff_setup,
	.make = swapcycle,
};

/* The same for those who want nothing else. */
const struct change change_swapcycle = {
	.name = "swapcycle",
	.setup = swapoff_setup,
	.make = swapcycle,
};

/* --- the kernel's own page tables, by the module's device ------------------- */

#define KPT_PAGES	64
#define KPT_ROUNDS	4

static int kpt_device = -1;

static const char *kernel_setup(const struct region *r)
{
	const char *missing;

	(void)r;
	kpt_device = device_open(MMRACE_HAS_KPT, &missing);
	return kpt_device < 0 ? missing : NULL;
}

static bool kernel(const struct region *r, struct rng *rng)
{
	struct mmrace_kpt kpt = {
		.op = rng_below(rng, 2) ? MMRACE_KPT_REMAP : MMRACE_KPT_APPLY,
		.nr_pages = rng_log(rng, KPT_PAGES),
		.rounds = KPT_ROUNDS,
	};

	(void)r;
	if (ioctl(kpt_device, MMRACE_IOC_KPT, &kpt)) {
		if (errno == EOPNOTSUPP || errno == ENOMEM)
			return false;
		race_error("MMRACE_IOC_KPT: %s", strerror(errno));
	}
	if (kpt.bad)
		race_fail("%s of a vmalloc area of %u pages: %llu %s",
			  kpt.op == MMRACE_KPT_REMAP ? "vmap()" :
			  "apply_to_page_range()", kpt.nr_pages,
			  (unsigned long long)kpt.bad,
			  kpt.op == MMRACE_KPT_REMAP ? "wrong words" :
			  "breaches of a lazy-MMU section's law");
	return true;
}

const struct change change_kernel = {
	.name = "kernel",
	.setup = kernel_setup,
	.make = kernel,
};

/* --- fork: the child's copy is of one moment, and its own ------------------- */

enum child { CHILD_FINE, CHILD_OLD, CHILD_CHANGED, CHILD_LOST };
static const char *const child_saw[] = {
	[CHILD_OLD] = "less than had been stored before fork()",
	[CHILD_CHANGED] = "a change of its copy",
	[CHILD_LOST] = "that its own store was lost",
};

/* The pages that the child looks at. */
static size_t look_first, look_pages;
static uint64_t *before, *copy;

static const char *fork_setup(const struct region *r)
{
	size_t most = r->pages < LOOK_MAX ? r->pages : LOOK_MAX;

	before = race_shared(most * words_owners() * sizeof(*before));
	copy = race_shared(most * words_owners() * sizeof(*copy));
	return NULL;
}

static volatile uint64_t *look_at(size_t i)
{
	return words_at(i / look_pages, look_first + i % look_pages);
}

static enum child child_looks(void)
{
	size_t n = look_pages * words_owners();
	uint64_t own = ~(uint64_t)getpid();

	for (size_t i = 0; i < n; i++) {
		uint64_t most = words_announced(i / look_pages,
						look_first + i % look_pages);

		copy[i] = *look_at(i);
		if (copy[i] < before[i] && before[i] - copy[i] > race_late_stores() &&
		    !words_possible(copy[i], before[i], most))
			return CHILD_OLD;
	}
	for (size_t i = 0; i < n; i++)
		if (*look_at(i) - copy[i] > race_late_stores())
			return CHILD_CHANGED;
	for (size_t i = 0; i < n; i++)
		*look_at(i) = own;
	for (size_t i = 0; i < n; i++)
		if (*look_at(i) != own)
			return CHILD_LOST;
	return CHILD_FINE;
}

static bool fork_once(const struct region *r, struct rng *rng)
{
	pid_t parent = getpid(), pid;
	int status;

	look_first = rng_below(rng, r->pages);
	look_pages = rng_log(rng, r->pages - look_first);
	if (look_pages > LOOK_MAX)
		look_pages = LOOK_MAX;
	for (size_t i = 0; i < look_pages * words_owners(); i++)
		before[i] = words_published(i / look_pages,
					    look_first + i % look_pages);
	/*
	 * Not fork(), which in the parent writes to its locks while the child is there: a planted
	 * bug in copy on write would turn against the program's own data.
	 */
	pid = _Fork();
	if (pid < 0)
		return false;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? child_looks() : CHILD_FINE);
	}
	if (waitpid(pid, &status, 0) != pid)
		race_error("waitpid: %s", strerror(errno));
	/* Killed: for its memory, or by somebody who does not like it. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return false;
	if (!WIFEXITED(status))
		race_fail("a forked child died of signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		race_fail("a forked child saw %s", child_saw[WEXITSTATUS(status)]);
	return true;
}

const struct change change_fork = {
	.name = "fork",
	.forks = true,
	.private_only = true,
	.setup = fork_setup,
	.make = fork_once,
};

/* --- KSM ------------------------------------------------------------------- */

#define KSM "/sys/kernel/mm/ksm/"
/* One that had begun, and two between which a page has not changed: then it is merged. */
#define KSM_SCANS	3
#define KSM_WAIT_NS	60000000	/* at most, for them */
#define KSM_REST_US	1000
#define KSM_SLEEP	KSM "sleep_millisecs"
#define KSM_PACE	"1"

static uint64_t full_scans(void)
{
	char text[32];

	return race_read_file(KSM "full_scans", text, sizeof(text)) ? 0 :
	       strtoull(text, NULL, 10);
}

static const char *ksm_setup(const struct region *r)
{
	char pages[32];
	const char *missing;

	snprintf(pages, sizeof(pages), "%zu", r->len / race_page_size());
	missing = set_switch(KSM_SLEEP, KSM_PACE);
	if (!missing)
		missing = set_switch(KSM "pages_to_scan", pages);
	/* It leaves out pages that had no equal before (since 6.7): ours have, for moments. */
	if (!missing && !access(KSM "smart_scan", F_OK))
		missing = set_switch(KSM "smart_scan", "0");
	if (!missing)
		missing = set_switch(KSM "run", "1");
	return missing ? "needs KSM, and root to switch it" : NULL;
}

/* Merging is the daemon's, and takes some scans; taking back is at once. */
static bool ksm(const struct region *r, struct rng *rng)
{
	uint64_t end = race_now_ns() + KSM_WAIT_NS, before = full_scans();
	char *at = r->mem;
	size_t len;

	/* All of it: a huge page's memory must be alike to be collapsed. */
	if (madvise(at, r->len, MADV_MERGEABLE))
		return false;
	/* No rest meanwhile, which is a tick or two at least: pages are equal for not much longer. */
	race_write_file(KSM_SLEEP, "0");
	while (race_now_ns() < end && full_scans() < before + KSM_SCANS)
		usleep(KSM_REST_US);
	race_write_file(KSM_SLEEP, KSM_PACE);
	if (rng_below(rng, 4))
		return true;
	at = some(r, rng, &len);
	return !madvise(at, len, MADV_UNMERGEABLE);
}

const struct change change_ksm = {
	.name = "ksm",
	.private_only = true,
	.of_alike = true,
	.setup = ksm_setup,
	.make = ksm,
};

/* --- migration ------------------------------------------------------------- */

static const char *migrate_setup(const struct region *r)
{
	(void)r;
	if (numa_two_nodes())
		return NULL;
	if (access("/proc/sys/vm/compact_memory", W_OK))
		return "needs two NUMA nodes, or root to compact memory";
	if (sysconf(_SC_PHYS_PAGES) > (long)(COMPACT_BYTES / race_page_size()))
		return "needs two NUMA nodes: so much memory is compacted for minutes";
	/* It moves this program's stacks, too, and a plant holds for all of the task. */
	if (race_mode() == MODE_CONTROL)
		return "compaction would put the planted bug to the race itself";
	return NULL;
}

/* All memory of the machine: dear, and done no more where it took seconds. */
static bool compact(void)
{
	static bool too_dear;
	uint64_t start = race_now_ns();
	bool done;

	if (too_dear)
		return false;
	done = !race_write_file("/proc/sys/vm/compact_memory", "1");
	too_dear = race_now_ns() - start > COMPACT_NS;
	if (too_dear)
		race_note("compacting all memory took %.1f s: no more of it in this run",
			  (race_now_ns() - start) / 1e9);
	return done;
}

static bool migrate(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = some(r, rng, &len);

	if (!numa_two_nodes())
		return !rng_below(rng, MIGRATE_ONE_IN) && compact();
	return numa_move(at, len, rng_below(rng, 2), rng) >= 0;
}

const struct change change_migrate = {
	.name = "migrate",
	.setup = migrate_setup,
	.make = migrate,
};

/* --- soft-dirty: all of the mm is write-protected ---------------------------- */

static const char *softdirty_setup(const struct region *r)
{
	(void)r;
	return race_write_file("/proc/self/clear_refs", "4") ?
	       "the kernel has no soft-dirty bits" : NULL;
}

static bool softdirty(const struct region *r, struct rng *rng)
{
	(void)r;
	/* 1 forgets that pages were referenced, 4 that they were written. */
	return !race_write_file("/proc/self/clear_refs",
				rng_below(rng, 2) ? "4" : "1");
}

const struct change change_softdirty = {
	.name = "softdirty",
	.setup = softdirty_setup,
	.make = softdirty,
};
