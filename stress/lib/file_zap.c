// SPDX-License-Identifier: GPL-2.0
/* Rounds in which a dirty file mapping is taken away while it is written back. See file_zap.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_zap.h"
#include "huge_file.h"
#include "race.h"

#define CANARY_PAGES	16
#define CANARY		0x6d6d726163652121ULL
#define STORES_FIRST	2000	/* guess of the stores during one zap */
#define STORES_LATER	2000	/* at most, after a zap that lets the writer go on */
#define FILE_DEFAULT	(2 << 20)	/* bytes */
#define CALL_FIRST_NS	200000	/* guess of a call's length, until one is measured */
#define CALL_MAX_NS	20000000	/* what is longer was not the call's own length */
#define ALIGNMENT	64	/* bytes: a cache line, or half of one */
#define HUGE_ATTEMPTS	8

enum zap { MUNMAP, MMAP_FIXED, DONTNEED, MREMAP, TRUNCATE, PUNCH, EXIT, ZAP_ALL };
const char *const file_zap_names[] = {
	"munmap", "mmap-fixed", "dontneed", "mremap", "truncate", "punch",
	"exit", "all", NULL
};

enum clean { FDATASYNC, MSYNC, SYNC_FILE_RANGE, CLEAN_ALL };
const char *const file_clean_names[] = {
	"fdatasync", "msync", "sync_file_range", "all", NULL
};

enum phase { BEFORE, ZAPPING, ZAPPED };

/*
 * What the actors share. The writer owns the first line, main the second while
 * the actors run and all of it between the rounds.
 */
static struct shared {
	/* Volatile: a store sunk out of the writer's endless loop is never seen. */
	volatile uint64_t last;		/* the last store that completed */
	volatile uint64_t later;	/* the last one begun in phase ZAPPED */
	volatile uint64_t nlater;	/* how many these are */
	volatile uint64_t during;	/* stores begun in phase ZAPPING */
	atomic_uint writer_done;
	_Alignas(ALIGNMENT) atomic_uint phase;
	enum zap zap;
	enum clean clean;
	size_t slot;			/* offset of the page that is stored to */
	uint64_t quota;
	_Alignas(ALIGNMENT) atomic_uint go;
	uint64_t clean_ns, clean_delay;
} *s;

static int fd;
static bool whole;	/* one huge entry maps it */
static size_t most;	/* the file's size */
static size_t len;	/* what this round maps of it */
static char *base, *aside, *canary;
static pid_t child;
static uint64_t first, stores_per_zap = STORES_FIRST, zap_ns = CALL_FIRST_NS;
static uint64_t zap_delay;
static uint64_t lost, stale, scribbled, late;

/* The variants in which the writer ends with a fault. */
static bool ends_in_fault(enum zap zap)
{
	return zap == MUNMAP || zap == MMAP_FIXED || zap == MREMAP ||
	       zap == TRUNCATE;
}

static void store(void *arg)
{
	volatile uint64_t *slot = arg;
	enum zap zap = s->zap;
	uint64_t n = s->last, quota = s->quota;
	unsigned int forgiven = race_late_stores();

	for (;;) {
		/*
		 * Acquire, with main's release after the zap: a store that
		 * follows a ZAPPED seen here began after the call returned.
		 */
		enum phase phase = atomic_load_explicit(&s->phase,
							memory_order_acquire);

		*slot = ++n;
		s->last = n;
		if (phase == BEFORE)
			continue;
		if (phase == ZAPPING) {
			s->during++;
			if (zap == DONTNEED && !--quota)
				return;
			continue;
		}
		s->later = n;
		if (++s->nlater > forgiven && (zap != PUNCH || !--quota))
			return;
	}
}

void file_zap_writer(void)
{
	/* In that variant the child does it. */
	if (s->zap == EXIT)
		return;
	race_until_fault(store, base + s->slot, base, len);
	atomic_store(&s->writer_done, 1);
}

static void clean_once(enum clean clean, void *map)
{
	size_t page = race_page_size();
	int err;

	switch (clean) {
	case MSYNC:
		err = msync(map, page, MS_SYNC);
		break;
	case SYNC_FILE_RANGE:
		err = sync_file_range(fd, s->slot, page,
				      SYNC_FILE_RANGE_WAIT_BEFORE |
				      SYNC_FILE_RANGE_WRITE |
				      SYNC_FILE_RANGE_WAIT_AFTER);
		break;
	default:
		err = fdatasync(fd);
		break;
	}
	if (err)
		race_error("%s: %s", file_clean_names[clean], strerror(errno));
}

/* Of the last few calls, so that one that was preempted does not count for long. */
static uint64_t average(uint64_t old, uint64_t ns)
{
	return (7 * old + (ns < CALL_MAX_NS ? ns : CALL_MAX_NS)) / 8;
}

void file_zap_cleaner(void)
{
	uint64_t start;
	void *map = NULL;

	if (s->clean == MSYNC) {
		/* Never touched: an entry here would make the page mapped. */
		map = mmap(NULL, race_page_size(), PROT_READ, MAP_SHARED, fd,
			   s->slot);
		if (map == MAP_FAILED)
			race_error("mmap: %s", strerror(errno));
	}
	while (!atomic_load(&s->go))
		race_relax();
	race_delay(s->clean_delay);
	start = race_now_ns();
	clean_once(s->clean, map);
	s->clean_ns = average(s->clean_ns, race_now_ns() - start);
	if (map)
		munmap(map, race_page_size());
}

static void map_file(char *at)
{
	/* Populated: what is not mapped takes the zap no time. */
	if (mmap(at, len, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

/* Keeps the addresses ours between rounds, and takes away whatever is there. */
static void reserve(char *at)
{
	if (mmap(at, most, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

static void child_writes(void)
{
	pid_t parent = getpid();

	child = fork();
	if (child < 0)
		race_error("fork: %s", strerror(errno));
	if (child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	race_pin(1);
	map_file(base);
	if (getppid() == parent)
		store(base + s->slot);
	_exit(0);
}

static bool make_huge(void)
{
	char *zeros = mmap(NULL, most, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool done = false;

	if (zeros == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	for (int i = 0; i < HUGE_ATTEMPTS && !done; i++) {
		huge_file_write(fd, zeros, most);
		if (fsync(fd))
			race_error("fsync in %s: %s", race_dir(), strerror(errno));
		len = most;
		map_file(base);
		*(volatile char *)base = 0;
		done = huge_file_mapped(base);
		reserve(base);
	}
	munmap(zeros, most);
	return done;
}

/*
 * The two calls begin so that the start of either falls, sooner or later, on
 * each moment of the other: on all of it, and on its first parts more densely,
 * since a CPU that was away makes the lengths look longer than they are. Of a process's end it is
 * the last parts that matter: it has to be reached and to leave what it does first.
 */
static void plan_delays(void)
{
	uint64_t at = race_sweep(s->clean_ns + zap_ns);
	unsigned int scale = race_round() % 3 * 2;

	if (s->zap == EXIT) {
		zap_delay = 0;
		s->clean_delay = race_sweep(zap_ns);
		return;
	}
	zap_delay = at < s->clean_ns ? (s->clean_ns - at) >> scale : 0;
	s->clean_delay = at < s->clean_ns ? 0 : (at - s->clean_ns) >> scale;
}

void file_zap_prepare(void)
{
	struct rng *rng = race_rng();
	size_t page = race_page_size();
	int zap = race_option_index("zap");
	int clean = race_option_index("clean");
	bool torn = s->zap == TRUNCATE || s->zap == PUNCH;

	s->zap = zap == ZAP_ALL ? race_round() % ZAP_ALL : (enum zap)zap;
	s->clean = clean == CLEAN_ALL ? rng_below(rng, CLEAN_ALL) :
		   (enum clean)clean;
	/* Each mapped page makes the zap's window longer; short ones differ too. */
	len = whole || rng_below(rng, 2) ? most :
	      rng_log(rng, most / page) * page;
	/* The first page waits longest for the flush that ends the zap. */
	s->slot = rng_below(rng, 4) ? 0 : rng_below(rng, len / page) * page;
	s->quota = s->zap == PUNCH ? 1 + rng_below(rng, STORES_LATER) :
		   1 + rng_below(rng, stores_per_zap + stores_per_zap / 4);
	s->during = 0;
	s->later = 0;
	s->nlater = 0;
	s->writer_done = 0;
	first = s->last;
	s->go = 0;
	plan_delays();
	atomic_store(&s->phase, BEFORE);
	/* What a truncation took or a hole split does not come back by itself. */
	if (whole && torn)
		make_huge();
	else if (ftruncate(fd, most))
		race_error("ftruncate: %s", strerror(errno));
	if (s->zap == EXIT)
		child_writes();
	else
		map_file(base);
	madvise(canary, CANARY_PAGES * page, MADV_DONTNEED);
}

static int take_away(void)
{
	switch (s->zap) {
	case MUNMAP:
		return munmap(base, len);
	case MMAP_FIXED:
		return mmap(base, len, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			    MAP_NORESERVE, -1, 0) == MAP_FAILED;
	case DONTNEED:
		return madvise(base, len, MADV_DONTNEED);
	case MREMAP:
		return mremap(base, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			      aside) == MAP_FAILED;
	case TRUNCATE:
		return ftruncate(fd, 0);
	case PUNCH:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 0, len);
	case EXIT:
		return kill(child, SIGKILL) || waitpid(child, NULL, 0) != child;
	default:
		return -1;
	}
}

/* It did not store even once, and will not. */
static bool writer_failed(void)
{
	siginfo_t info = { 0 };

	if (s->zap != EXIT)
		return s->writer_done;
	return !waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       info.si_pid;
}

/* Takes the pages that the zap freed, if it freed any, and marks them. */
static void set_canary(void)
{
	volatile uint64_t *p = (volatile uint64_t *)canary;

	for (size_t i = 0; i < CANARY_PAGES * race_page_size() / sizeof(*p); i++)
		p[i] = CANARY;
}

void file_zap_act(void)
{
	uint64_t start;

	while (s->last == first && !writer_failed() && !race_over())
		race_relax();
	atomic_store(&s->go, 1);
	race_delay(zap_delay);
	start = race_now_ns();
	atomic_store(&s->phase, ZAPPING);
	if (take_away()) {
		if (errno == EOPNOTSUPP)
			race_skip("--zap %s: %s in %s", file_zap_names[s->zap],
				  strerror(errno), race_dir());
		race_error("%s: %s", file_zap_names[s->zap], strerror(errno));
	}
	atomic_store(&s->phase, ZAPPED);
	zap_ns = average(zap_ns, race_now_ns() - start);
	if (s->zap == TRUNCATE || s->zap == PUNCH)
		set_canary();
}

static void judge_canary(void)
{
	const uint64_t *p = (const uint64_t *)canary;

	for (size_t i = 0; i < CANARY_PAGES * race_page_size() / sizeof(*p); i++) {
		if (p[i] == CANARY)
			continue;
		/* The page tells the last store into it, not how many they were. */
		if (race_late_stores()) {
			late++;
			return;
		}
		scribbled++;
		race_fail("--zap %s --clean %s: memory allocated after the call holds %llu of the writer's stores (%llu to %llu)",
			  file_zap_names[s->zap], file_clean_names[s->clean],
			  (unsigned long long)p[i],
			  (unsigned long long)first + 1,
			  (unsigned long long)s->last);
		return;
	}
}

static void judge_durable(uint64_t due)
{
	static uint64_t *buf;
	uint64_t cached = 0;

	if (!buf && posix_memalign((void **)&buf, race_page_size(),
				   race_page_size()))
		race_error("no memory");
	switch (race_read_durable(fd, buf, race_page_size(), s->slot)) {
	case DURABLE_CACHED:
		race_void("the page cache would not let go of the page");
		return;
	case DURABLE_ERROR:
		race_error("read: %s", strerror(errno));
	case DURABLE_OK:
		break;
	}
	if (buf[0] >= due)
		return;
	if (due - buf[0] <= race_late_stores()) {
		late++;
		return;
	}
	lost++;
	if (pread(fd, &cached, sizeof(cached), s->slot) != sizeof(cached))
		cached = 0;
	race_fail("--zap %s --clean %s: page %zu on the storage holds store %llu, in the page cache %llu, %llu completed: %llu lost",
		  file_zap_names[s->zap], file_clean_names[s->clean],
		  s->slot / race_page_size(), (unsigned long long)buf[0],
		  (unsigned long long)cached, (unsigned long long)due,
		  (unsigned long long)(due - buf[0]));
}

static void learn(void)
{
	/* Only a writer that saw the zap's end knows how long it took. */
	if (s->zap == DONTNEED && s->later)
		stores_per_zap = s->during + 1;
	else if (s->zap == DONTNEED)
		stores_per_zap += stores_per_zap / 16 + 1;
}

void file_zap_judge(void)
{
	bool sure = s->nlater > race_late_stores();
	uint64_t due = s->last;

	if (s->zap == TRUNCATE)
		due = 0;
	if (s->zap == PUNCH)
		due = sure ? s->later : 0;
	if (ends_in_fault(s->zap) && sure) {
		stale++;
		race_fail("--zap %s: store %llu began after the call had returned, and completed",
			  file_zap_names[s->zap], (unsigned long long)s->later);
	}
	if (s->zap == TRUNCATE || s->zap == PUNCH)
		judge_canary();
	reserve(base);
	reserve(aside);
	learn();
	if (s->last == first) {
		race_void("the writer could not store once");
		return;
	}
	if (fdatasync(fd))
		race_error("fdatasync: %s", strerror(errno));
	if (due)
		judge_durable(due);
}

void file_zap_setup(bool huge)
{
	size_t page = race_page_size(), span = race_pmd_size();
	char *p;

	whole = huge;
	/* What is moved is not given up: no zap finds it dirty, but the cleaner's walk meets it. */
	if (race_option_index("zap") == MREMAP)
		race_exposed_by((struct race_exposure){ "probe.rmap.mkclean_one", 10 });
	s = race_shared(sizeof(*s));
	s->clean_ns = CALL_FIRST_NS;
	most = huge ? span : race_option_number("pages") * page;
	if (!most)
		most = FILE_DEFAULT < page ? page : FILE_DEFAULT / page * page;
	fd = race_file("", NULL, most);
	/*
	 * Aligned, so that one page table, and with it one flush, covers it; but for the
	 * first page, whose place no huge entry could have.
	 */
	p = mmap(NULL, 2 * most + 4 * span, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	canary = mmap(NULL, CANARY_PAGES * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || canary == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	base = (char *)(((uintptr_t)p + span - 1) / span * span);
	aside = base + (most + span) / span * span;
	if (!huge)
		base += page;
	else if (!make_huge())
		race_skip("--dir %s: its file system, or the kernel, maps no file by huge pages",
			  race_dir());
}

void file_zap_extra(void)
{
	race_extra("lost", lost);
	race_extra("stale", stale);
	race_extra("scribbled", scribbled);
	race_extra("late", late);
	race_extra("zap_ns", zap_ns);
	race_extra("clean_ns", s->clean_ns);
}
