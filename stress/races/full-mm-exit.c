// SPDX-License-Identifier: GPL-2.0
/*
 * full-mm-exit: somebody writes through the translations of a process that is gone.
 *
 * Law. When a process has been reaped, or has become another program, nothing writes to the
 * pages that it had: not its threads, which are dead, and not those who reached
 * into it from outside (ptrace-like calls, /proc, kernel threads on its mm). So
 * whoever tears a whole mm down may flush the TLB once, but only when nobody can fill it any
 * more, and before the pages belong to others.
 *
 * The interleaving (2012; the flush at the beginning of the teardown was too early):
 *
 *   exit_mmap (CPU 0)                   reader, lazy CPU (CPU 1)
 *   ---------------------------------   --------------------------------
 *   flush the TLB, all of the mm
 *                                       touches the mm once more (GUP, a
 *                                       kernel thread): a translation is cached
 *   clear the entries, free the pages
 *                                       writes through it
 *   (no flush: it is done already)
 *
 * Each round a child with several threads stores without pause into memory of its own
 * and into a file of shared memory, with a page table each some of the time. It ends by a
 * signal, by itself or by exec, while others read and write it from outside, and a kernel
 * thread of the module's borrows its mm, where there is the module: in most rounds it lingers,
 * storing into shared memory by the mm's translations while they are torn down.
 * With --tables collapsed a collapse takes one of its page tables away first. That
 * table is freed when nobody can walk it any more, as a part of a page where tables
 * are smaller than pages (powerpc, s390), and the process dies before or after.
 *
 * Oracle. After waitpid() the shared memory does not change, and memory that this
 * process takes then keeps what it writes there. What lingers stores nothing once
 * the last user of the mm is gone. A child that becomes another program does
 * not find its threads' stores in it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../include/mmrace_abi.h"
#include "device.h"
#include "race.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

#define THREADS		2
#define TABLES		24	/* of page tables, at most, with one page each */
#define PAGES		64
#define FILLERS		16	/* tables more, below this number: powerpc has at most 16 in a page */
#define COLLAPSE_ONE_IN	8	/* rounds, where there is a choice: each clears a huge page */
#define CANARY_PAGES	128
#define CANARY		0x6d6d726163652121ULL
#define DELAY_NS	300000
#define LOOK_NS		200000
#define LINGER_LOOK_NS	20000000	/* at most: its CPU may have to wait for a host's */
#define READY_MS	60000	/* threads start late on a machine that has much to do */
#define HOLD_US		200	/* of the kernel thread, each time */
#define LINGER_REST_US	10	/* between two stores of one that lingers, at most */
#define NAP_MS		20	/* who waits for the other side looks this often whether it is there */
#define OUTSIDERS	2

enum end { KILLED, EXITED, EXECED, RELEASED, ALL };
static const char *const end_names[] = {
	"kill", "exit", "exec", "mrelease", "all", NULL
};
static const char *const table_names[] = { "plain", "collapsed", "all", NULL };

static struct shared {
	_Alignas(64) volatile uint64_t counter[THREADS + 1][8];
	_Alignas(64) volatile uint64_t lingering[8];	/* counted by the kernel thread */
	atomic_uint ready, pid, reaped, leave, outside_left;
	enum end how;
	bool linger, alone;	/* in this round: a kernel thread stays, outsiders keep away */
	bool collapse;		/* in this round: a table goes, after so many more */
	unsigned int fillers;
	uint64_t lent;		/* children whose mm a kernel thread borrowed */
	uint64_t collapsed;	/* children that lost a table to a collapse */
} *s;

static char *private_at;	/* where the child has memory of its own */
static size_t span;
static bool no_mrelease, can_collapse;
static int device = -1;
static uint64_t changed, scribbled, outside, lingered;
static volatile uint64_t *canary;

/* --- in the child ------------------------------------------------------------ */

static volatile uint64_t *child_word(unsigned int i, unsigned int thread)
{
	size_t page = race_page_size();
	char *at = i < TABLES ? private_at + i * span :
		   private_at + (i - TABLES + 1) * page;

	return (volatile uint64_t *)at + thread;
}

static void *child_thread(void *arg)
{
	unsigned int self = (uintptr_t)arg;
	volatile uint64_t *own[TABLES + PAGES];
	uint64_t n = 0;

	race_pin(self + 1);
	for (unsigned int i = 0; i < TABLES + PAGES; i++) {
		own[i] = child_word(i, self);
		*own[i] = 0;
	}
	atomic_fetch_add(&s->ready, 1);
	race_futex_wake(&s->ready);
	for (;;) {
		n++;
		*own[n % (TABLES + PAGES)] = n;
		s->counter[self][0] = n;
	}
	return NULL;
}

/*
 * A table that is the mm's newest is taken away by a collapse. How many there were before decides
 * which part of which page it is.
 */
static void collapse_a_table(void)
{
	size_t size = FILLERS * span + 2 * span;
	char *fill = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p = mmap(NULL, 2 * span, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *huge = (char *)(((uintptr_t)p + span - 1) / span * span);
	unsigned int ready;

	if (fill == MAP_FAILED || p == MAP_FAILED)
		_exit(1);
	madvise(fill, size, MADV_NOHUGEPAGE);
	/* The other threads' tables come first. */
	while ((ready = atomic_load(&s->ready)) < THREADS)
		race_futex_wait(&s->ready, ready, NAP_MS);
	for (unsigned int i = 0; i < s->fillers; i++)
		fill[i * span] = 1;
	*(volatile char *)huge = 1;
	/* No memory, or no such page: the round is a plain one. */
	if (!madvise(huge, span, MADV_COLLAPSE))
		s->collapsed++;
	munmap(p, 2 * span);
}

/* The CPU that none of the program's threads is pinned to; -1: there is none. */
static int quiet_cpu(void)
{
	int cpu;

	if (race_cpus() <= THREADS + 1)
		return -1;
	race_pin(THREADS + 1);
	cpu = sched_getcpu();
	race_pin(0);
	return cpu;
}

/*
 * A kernel thread on this mm: one that outlives the process by a moment, or lingers. Where another
 * process gets its CPU, the mm is switched away from and its translations may go.
 */
static void lend(void)
{
	struct mmrace_borrow borrow = {
		.addr = s->linger ? (uintptr_t)&s->lingering[0] :
			(uintptr_t)child_word(TABLES, THREADS),
		.cpu = s->linger ? quiet_cpu() : -1,
		.flags = s->linger ? MMRACE_BORROW_LINGER : MMRACE_BORROW_SPIN,
		.hold_us = s->linger ? LINGER_REST_US : HOLD_US,
	};

	if (device >= 0 && !ioctl(device, MMRACE_IOC_BORROW, &borrow))
		s->lent++;
}

static void child(pid_t parent)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	lend();
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, child_thread, (void *)i))
			_exit(1);
	if (s->collapse)
		collapse_a_table();
	atomic_fetch_add(&s->ready, 1);
	race_futex_wake(&s->ready);
	/* The program may die before it could be our death's cause. */
	while (!atomic_load(&s->leave) && getppid() == parent)
		race_futex_wait(&s->leave, 0, NAP_MS);
	if (s->how == EXECED)
		execl("/proc/self/exe", race.name, "--help", NULL);
	_exit(0);
}

/* --- those who reach into it ---------------------------------------------------- */

static void reach(pid_t pid, int mem, struct rng *rng)
{
	uint64_t value = rng_next(rng);
	void *at = (void *)child_word(rng_below(rng, TABLES + PAGES), THREADS);
	struct iovec here = { &value, sizeof(value) };
	struct iovec there = { at, sizeof(value) };
	ssize_t n;

	/* All may fail, as the process is about to go. */
	switch (rng_below(rng, 4)) {
	case 0:
		n = process_vm_readv(pid, &here, 1, &there, 1, 0);
		break;
	case 1:
		n = process_vm_writev(pid, &here, 1, &there, 1, 0);
		break;
	case 2:
		n = pread(mem, &value, sizeof(value), (uintptr_t)at);
		break;
	default:
		n = pwrite(mem, &value, sizeof(value), (uintptr_t)at);
		break;
	}
	if (n == sizeof(value))
		__atomic_fetch_add(&outside, 1, __ATOMIC_RELAXED);
}

static void outsider(void)
{
	struct rng *rng = race_rng();
	char path[64];
	pid_t pid;
	int mem;

	while (!(pid = atomic_load(&s->pid)) && !race_over())
		race_futex_wait(&s->pid, 0, NAP_MS);
	if (!pid || s->alone)
		goto left;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	while (!atomic_load(&s->reaped) && !race_over())
		reach(pid, mem, rng);
	if (mem >= 0)
		close(mem);
left:	/* From now on this one is no user of the mm. */
	atomic_fetch_add(&s->outside_left, 1);
}

static void prepare(void)
{
	int how = race_option_index("end");

	s->how = how == ALL ? race_round() % ALL : (enum end)how;
	if (s->how == RELEASED && no_mrelease)
		s->how = KILLED;
	s->linger = race_round() % 4;
	/* A CPU that has other work switches away from the mm, and forgets it. */
	s->alone = race_round() % 2;
	/* By lot, so that it meets every way to end. */
	s->collapse = can_collapse && (!race_asked("tables", "plain") ||
				       !rng_below(race_rng(), COLLAPSE_ONE_IN));
	s->fillers = rng_below(race_rng(), FILLERS);
	s->ready = s->pid = s->reaped = s->leave = s->outside_left = 0;
	s->lingering[0] = 0;
	madvise((void *)canary, CANARY_PAGES * race_page_size(), MADV_DONTNEED);
}

static void release(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0 && syscall(SYS_process_mrelease, fd, 0) && errno == ENOSYS)
		no_mrelease = true;
	if (fd >= 0)
		close(fd);
}

/* 0: there is none this time. */
static pid_t start(void)
{
	uint64_t end = race_now_ns() + READY_MS * 1000000ULL;
	pid_t parent = getpid(), pid;
	unsigned int ready;
	int null;

	pid = fork();
	if (pid < 0)
		race_error("fork: %s", strerror(errno));
	if (!pid) {
		/* What it becomes by exec has something to say. */
		null = open("/dev/null", O_WRONLY);
		if (null >= 0)
			dup2(null, STDOUT_FILENO);
		child(parent);
	}
	while ((ready = atomic_load(&s->ready)) < THREADS + 1) {
		if (waitpid(pid, NULL, WNOHANG)) {
			race_void("the child had not the memory for its threads");
			return 0;
		}
		if (race_now_ns() > end)
			race_error("the child's threads did not start in %d s",
				   READY_MS / 1000);
		race_futex_wait(&s->ready, ready, NAP_MS);
	}
	atomic_store(&s->pid, pid);
	race_futex_wake(&s->pid);
	return pid;
}

static void fill_and_look(void)
{
	size_t words = CANARY_PAGES * race_page_size() / sizeof(*canary);
	uint64_t seen[THREADS], end;

	for (size_t i = 0; i < words; i++)
		canary[i] = CANARY;
	for (int i = 0; i < THREADS; i++)
		seen[i] = s->counter[i][0];
	end = race_now_ns() + LOOK_NS;
	while (race_now_ns() < end)
		race_relax();
	for (int i = 0; i < THREADS; i++) {
		if (s->counter[i][0] == seen[i])
			continue;
		changed++;
		race_fail("--end %s: thread %d of the reaped process still stores: %llu, then %llu",
			  end_names[s->how], i, (unsigned long long)seen[i],
			  (unsigned long long)s->counter[i][0]);
	}
	for (size_t i = 0; i < words; i++) {
		if (canary[i] == CANARY)
			continue;
		scribbled++;
		race_fail("--end %s: memory taken after the process was reaped holds %llx at byte %zu",
			  end_names[s->how], (unsigned long long)canary[i],
			  i * sizeof(*canary));
		return;
	}
}

/* Until nobody uses the mm the kernel thread may store; from then on it may not. */
static void look_at_lingering(void)
{
	struct mmrace_borrow_stat stat;
	uint64_t seen, then, end;

	if (device < 0)
		return;
	while (atomic_load(&s->outside_left) < OUTSIDERS && !race_over())
		race_relax();
	seen = s->lingering[0];
	end = race_now_ns() + LINGER_LOOK_NS;
	while (s->linger && s->lingering[0] - seen <= race_late_stores() &&
	       race_now_ns() < end)
		race_relax();
	ioctl(device, MMRACE_IOC_BORROW_STOP, &stat);
	then = s->lingering[0];
	if (!s->linger || atomic_load(&s->outside_left) < OUTSIDERS ||
	    then - seen <= race_late_stores())
		return;
	lingered++;
	race_fail("--end %s: a kernel thread still stores through the torn down mm: %llu stores, then %llu",
		  end_names[s->how], (unsigned long long)seen, (unsigned long long)then);
}

static void tell_to_leave(void)
{
	atomic_store(&s->leave, 1);
	race_futex_wake(&s->leave);
}

static void live_and_die(void)
{
	pid_t pid = start();
	int status;

	if (!pid)
		return;
	race_delay(race_sweep(DELAY_NS));
	if (s->how == KILLED || s->how == RELEASED)
		kill(pid, SIGKILL);
	else
		tell_to_leave();
	if (s->how == RELEASED)
		release(pid);
	if (waitpid(pid, &status, 0) != pid)
		race_error("waitpid: %s", strerror(errno));
	fill_and_look();
	atomic_store(&s->reaped, 1);
	look_at_lingering();
	if (s->how == KILLED || s->how == RELEASED) {
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			race_error("the child ended with status %x", status);
	} else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		race_fail("--end %s: the child, or what it became, ended with status %x",
			  end_names[s->how], status);
	}
}

static const char *collapse_missing(void)
{
	const char *missing = race_need_missing("thp");

	/* Of no memory at all it says whether the kernel knows the call. */
	if (!missing && madvise(NULL, 0, MADV_COLLAPSE))
		missing = "the kernel has no MADV_COLLAPSE";
	return missing;
}

static void setup(void)
{
	size_t page = race_page_size(), size;
	const char *missing;

	if (race_asked("tables", "collapsed"))
		can_collapse = race_has("tables", "collapsed", collapse_missing());
	/* The child inherits it: a borrower goes on while the file is open. */
	device = device_open(MMRACE_HAS_BORROW, &missing);
	if (device < 0)
		race_note("no kernel thread borrows the mm: %s", missing);
	s = race_shared(sizeof(*s));
	span = race_pmd_size();
	size = TABLES * span + PAGES * page + page;
	private_at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	canary = mmap(NULL, CANARY_PAGES * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (private_at == MAP_FAILED || canary == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	madvise(private_at, size, MADV_NOHUGEPAGE);
	madvise((void *)canary, CANARY_PAGES * page, MADV_NOHUGEPAGE);
}

static void extra(void)
{
	race_extra("changed", changed);
	race_extra("scribbled", scribbled);
	race_extra("outside", outside);
	race_extra("lingered", lingered);
	race_extra("lent", s ? s->lent : 0);
	race_extra("collapsed", s ? s->collapsed : 0);
}

const struct race race = {
	.name = "full-mm-exit",
	.theme = "full-mm-exit",
	.summary = "nothing writes to the pages of a process that is gone",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "mm.exit", 50000, 500000, 1, 300000 },
		{ "gather.flush", 50000, 500000, 2, 200000 },
		{ "gather.finish", 50000, 500000, 2, 200000 },
		{ NULL }
	},
	.control = "early.fullmm",
	.exposure = { "probe.mm.exit", 4 },
	.options = (const struct race_option[]){
		{ "end", end_names, "all", .help =
		  "how the process ends; all takes turns" },
		{ "tables", table_names, "all", .help =
		  "collapsed: one of its page tables was just taken away; all takes turns" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "outsider0", .loops = true, .act = outsider },
		{ .name = "outsider1", .loops = true, .act = outsider },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = live_and_die,
	.extra = extra,
};
