// SPDX-License-Identifier: GPL-2.0
/*
 * write-watch: a store escapes those who asked to be told of stores.
 *
 * Law. Once the call that begins to watch has returned, no store that begins
 * later completes untold: with userfaultfd's write protection it waits until it is
 * allowed, with soft-dirty bits the page's is set. So the entry loses its right, and all
 * CPUs their translations, before the call returns.
 *
 * The interleaving (uffd-wp: 5.12, 6ce64428d620; the flush was somebody else's to do):
 *
 *   watch (CPU 0)                     store (CPU 1)
 *   ------------------------------    ------------------------------
 *                                     p[0] = 41: translation is cached
 *   write-protect the entry
 *   (the flush is not done, or later)
 *   return; read p[0]: 41
 *                                     p[0] = 42: no fault
 *   read p[0]: 42
 *
 * Oracle.
 *   uffd	the page does not change between the call's return and the permission
 *   softdirty	a page that a store begun after the call has changed is soft-dirty
 * Where the machine completes stores late (race_late_stores()), so few prove nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "race.h"

#define DELAY_NS	100000
#define WATCH_NS	2000000	/* at most, how long nothing may be stored */
#define SOFT_DIRTY	(1ULL << 55)	/* in a word of /proc/PID/pagemap */
#define HUGE_MAX	(4 << 20)	/* bytes */

/* userfaultfd write-protects on x86 only; the others have soft-dirty bits (6.1 to 7.2). */
#ifdef __x86_64__
#define CONTROL		"skip.tlb.protect"
#else
#define CONTROL		"skip.tlb.softdirty"
#endif

enum how { UFFD, SOFTDIRTY, ALL };
static const char *const how_names[] = { "uffd", "softdirty", "all", NULL };

enum phase { BEFORE, WATCHED, STOP };

static struct {
	bool usable[ALL];
	enum how how;
	size_t len, slot;
	volatile uint64_t last;
	volatile uint64_t later;	/* stores begun in phase WATCHED, and completed */
	_Alignas(64) atomic_uint phase;
	atomic_bool writer_gone;	/* for this round */
	uint64_t found, then, escaped[ALL];
	bool dirty;
} s;

static size_t most, huge, span;
static char *mem;
static int uffd = -1, pagemap = -1;

static void store_until_stopped(void)
{
	volatile uint64_t *slot = (volatile uint64_t *)(mem + s.slot);
	unsigned int forgiven = race_late_stores();
	uint64_t n = s.last;

	for (;;) {
		enum phase phase = atomic_load_explicit(&s.phase,
							memory_order_acquire);

		if (phase == STOP)
			return;
		*slot = ++n;
		s.last = n;
		if (phase == WATCHED && ++s.later > forgiven &&
		    s.how == SOFTDIRTY)
			return;
	}
}

static void store(void)
{
	store_until_stopped();
	atomic_store(&s.writer_gone, true);
}

static void map(char *at, bool large)
{
	if (mmap(at, s.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_FIXED, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	madvise(at, s.len, large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void prepare(void)
{
	struct rng *rng = race_rng();
	size_t page = race_page_size();
	int how = race_option_index("how");
	bool large = huge && !rng_below(rng, 3);

	s.how = how == ALL ? race_round() % ALL : (enum how)how;
	if (!s.usable[s.how])
		s.how = !s.how;
	s.len = large ? huge : rng_log(rng, most) * page;
	s.slot = rng_below(rng, s.len / page) * page;
	s.phase = BEFORE;
	s.writer_gone = false;
	s.later = 0;
	s.dirty = false;
	map(mem, large);
	for (size_t at = 0; at < s.len; at += page)
		*(volatile uint64_t *)(mem + at) = s.last;
	if (s.how == UFFD) {
		struct uffdio_register reg = {
			.range = { (uintptr_t)mem, s.len },
			.mode = UFFDIO_REGISTER_MODE_WP,
		};

		if (ioctl(uffd, UFFDIO_REGISTER, &reg))
			race_error("UFFDIO_REGISTER: %s", strerror(errno));
	}
}

static void protect(bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)mem, s.len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	int err;

	do {
		err = ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);
	} while (err && errno == EAGAIN);
	if (err)
		race_error("UFFDIO_WRITEPROTECT: %s", strerror(errno));
}

static void watch_uffd(void)
{
	volatile uint64_t *slot = (volatile uint64_t *)(mem + s.slot);

	protect(true);
	s.found = *slot;
	/* Long enough at times for a writer whose CPU was away. */
	race_delay(rng_log(race_rng(), WATCH_NS));
	s.then = *slot;
	atomic_store(&s.phase, STOP);
	protect(false);
	/*
	 * A fault that looks at the entry before that and waits after it has missed the wake-up,
	 * and up to 6.1 the entry looks protected still: it is not writable
	 * (userfaultfd_must_wait(), change_pte_range()). Who reads its message would see it.
	 */
	while (!atomic_load(&s.writer_gone)) {
		struct uffdio_range range = { (uintptr_t)mem, s.len };

		if (ioctl(uffd, UFFDIO_WAKE, &range))
			race_error("UFFDIO_WAKE: %s", strerror(errno));
		race_delay(WATCH_NS / 10);
	}
}

static bool soft_dirty(const char *at)
{
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry),
		  (uintptr_t)at / race_page_size() * sizeof(entry)) != sizeof(entry))
		race_error("/proc/self/pagemap: %s", strerror(errno));
	return entry & SOFT_DIRTY;
}

static void watch_softdirty(void)
{
	unsigned int forgiven = race_late_stores();

	if (race_write_file("/proc/self/clear_refs", "4"))
		race_error("/proc/self/clear_refs: %s", strerror(errno));
	atomic_store_explicit(&s.phase, WATCHED, memory_order_release);
	while (s.later <= forgiven && !race_over())
		race_relax();
	s.dirty = soft_dirty(mem + s.slot);
}

static void watch(void)
{
	uint64_t first = s.last;

	while (s.last == first && !race_over())
		race_relax();
	race_delay(race_sweep(DELAY_NS));
	if (s.how == UFFD)
		watch_uffd();
	else
		watch_softdirty();
	atomic_store(&s.phase, STOP);
}

static void judge(void)
{
	if (s.how == UFFD && s.then - s.found > race_late_stores()) {
		s.escaped[UFFD]++;
		race_fail("--how uffd: the page held %llu when write protection had returned, later %llu",
			  (unsigned long long)s.found,
			  (unsigned long long)s.then);
	}
	if (s.how == SOFTDIRTY && s.later && !s.dirty) {
		s.escaped[SOFTDIRTY]++;
		race_fail("--how softdirty: %llu stores began after clear_refs had returned, and the page is not soft-dirty",
			  (unsigned long long)s.later);
	}
	if (mmap(mem, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

static const char *uffd_setup(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		return errno == ENOSYS ? "the kernel has no userfaultfd" :
		       "userfaultfd is not allowed";
	return ioctl(uffd, UFFDIO_API, &api) ?
	       "the kernel cannot write-protect by userfaultfd here" : NULL;
}

static const char *softdirty_setup(void)
{
	bool before, after;
	/* Of a page that was never there: the bug would look like a kernel without the bits. */
	char *fresh = mmap(NULL, race_page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fresh == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0 || race_write_file("/proc/self/clear_refs", "4"))
		return "the kernel has no soft-dirty bits";
	before = soft_dirty(fresh);
	*(volatile char *)fresh = 1;
	after = soft_dirty(fresh);
	munmap(fresh, race_page_size());
	return !before && after ? NULL : "the kernel has no soft-dirty bits";
}

static void find_usable(enum how how, const char *(*how_setup)(void))
{
	if (race_asked("how", how_names[how]))
		s.usable[how] = race_has("how", how_names[how], how_setup());
}

static void setup(void)
{
	size_t page = race_page_size(), pmd = race_pmd_size();
	char *p;

	most = race_option_number("pages");
	huge = race_need_missing("thp") || pmd > HUGE_MAX ? 0 : pmd;
	span = (most * page + pmd - 1) / pmd * pmd;
	p = mmap(NULL, span + pmd, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	mem = (char *)(((uintptr_t)p + pmd - 1) / pmd * pmd);
	s.len = page;
	map(mem, false);
	*(volatile char *)mem = 1;
	find_usable(UFFD, uffd_setup);
	find_usable(SOFTDIRTY, softdirty_setup);
	if (!s.usable[UFFD] && !s.usable[SOFTDIRTY])
		race_skip("the kernel has neither soft-dirty bits nor write protection by userfaultfd");
}

static void extra(void)
{
	for (int i = 0; i < ALL; i++)
		race_extra(how_names[i], s.escaped[i]);
}

const struct race race = {
	.name = "write-watch",
	.theme = "stale-translation",
	.summary = "no store escapes userfaultfd's write protection or the soft-dirty bits",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.flush", 100000, 1000000, 2, 500000 },
		{ NULL }
	},
	.control = CONTROL,
	.exposure = { "probe.tlb.flush", 20 },
	.options = (const struct race_option[]){
		{ "how", how_names, "all", .help =
		  "how stores are watched; all takes turns" },
		{ "pages", NULL, "64", 1, 4096, "most pages that are watched" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "store", .act = store },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = watch,
	.judge = judge,
	.extra = extra,
};
