// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/mmrace, call by call, as root on a kernel that has the module: what must work
 * works, what must be refused is refused. The controls at the end need allow_plants=1:
 * a mirror that is broken on purpose must be seen to be wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../include/mmrace_abi.h"
#include "../../../stress/tests/ktap.h"

static size_t page_size;
static struct mmrace_info info;

/* A descriptor for each case: what one leaves behind goes when it is closed. */
static int dev;

static volatile uint64_t *map_words(size_t pages)
{
	void *at = mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return at;
}

static uint64_t address(volatile void *at)
{
	return (uintptr_t)at;
}

/* 0, or the error of the call. */
static int call(unsigned long cmd, void *arg)
{
	return ioctl(dev, cmd, arg) ? errno : 0;
}

static int io(unsigned long cmd, uint32_t op, uint32_t id, uint64_t where, uint64_t *word)
{
	struct mmrace_io req = {
		.where = where, .buf = address(word), .len = sizeof(*word), .op = op, .id = id,
	};

	return call(cmd, &req);
}

static void refused(void)
{
	struct mmrace_pin none = { .addr = 1 };

	CHECK(call(_IO('Z', 0x7f), NULL) == ENOTTY);
	CHECK(call(MMRACE_IOC_PIN, NULL) == EFAULT);
	CHECK(call(MMRACE_IOC_PIN, &none) == EINVAL);
	CHECK(call(MMRACE_IOC_MIRROR_OFF, NULL) == EINVAL);
	CHECK(mmap(NULL, page_size, PROT_READ, MAP_SHARED, dev, 0) == MAP_FAILED && errno == ENXIO);
}

static void files_are_limited(void)
{
	int fd[MMRACE_DEV_MAX_FILES];
	unsigned int n = 0;

	while (n < MMRACE_DEV_MAX_FILES) {
		fd[n] = open(MMRACE_DEVICE_PATH, O_RDWR | O_CLOEXEC);
		if (fd[n] < 0)
			break;
		n++;
	}
	CHECK(n == MMRACE_DEV_MAX_FILES - 1 && errno == EMFILE);
	while (n--)
		close(fd[n]);
}

static void pins(void)
{
	volatile uint64_t *at = map_words(4);
	struct mmrace_pin pin = {
		.addr = address(at), .nr_pages = 4, .flags = MMRACE_PIN_WRITE,
	};
	struct mmrace_unpin unpin = { .dirty = 1 };
	uint64_t word = 7;

	CHECK(!call(MMRACE_IOC_PIN, &pin) && pin.pinned == 4);
	CHECK(!io(MMRACE_IOC_PIN_IO, MMRACE_IO_WRITE, pin.id, page_size + 8, &word));
	CHECK(at[page_size / 8 + 1] == 7);
	at[2] = 9;
	CHECK(!io(MMRACE_IOC_PIN_IO, MMRACE_IO_READ, pin.id, 16, &word) && word == 9);
	munmap((void *)at, 4 * page_size);
	word = 0;
	CHECK(!io(MMRACE_IOC_PIN_IO, MMRACE_IO_READ, pin.id, 16, &word) && word == 9);
	CHECK(io(MMRACE_IOC_PIN_IO, MMRACE_IO_READ, pin.id, 4 * page_size - 4, &word) == EINVAL);
	unpin.id = pin.id;
	CHECK(!call(MMRACE_IOC_UNPIN, &unpin));
	CHECK(call(MMRACE_IOC_UNPIN, &unpin) == EINVAL);
}

static void pins_for_long_and_limits(void)
{
	volatile uint64_t *at = map_words(MMRACE_DEV_MAX_PIN_PAGES);
	struct mmrace_pin pin = {
		.addr = address(at), .nr_pages = MMRACE_DEV_MAX_PIN_PAGES, .flags = MMRACE_PIN_LONGTERM,
	};
	uint64_t word = 1;

	at[0] = 5;
	CHECK(!call(MMRACE_IOC_PIN, &pin));
	CHECK(!io(MMRACE_IOC_PIN_IO, MMRACE_IO_READ, pin.id, 0, &word) && word == 5);
	CHECK(io(MMRACE_IOC_PIN_IO, MMRACE_IO_WRITE, pin.id, 0, &word) == EACCES);
	if (pin.pinned == MMRACE_DEV_MAX_PIN_PAGES)
		CHECK(call(MMRACE_IOC_PIN, &pin) == ENOSPC);
	munmap((void *)at, MMRACE_DEV_MAX_PIN_PAGES * page_size);
}

static void pin_loop(void)
{
	volatile uint64_t *at = map_words(1);
	struct mmrace_pin_loop loop = {
		.addr = address(at), .min = 3, .max = 4, .rounds = 1000,
	};

	at[0] = 3;
	CHECK(!call(MMRACE_IOC_PIN_LOOP, &loop));
	CHECK(loop.done == 1000 && !loop.missed && !loop.bad);
	at[0] = 2;
	CHECK(!call(MMRACE_IOC_PIN_LOOP, &loop));
	CHECK(loop.bad == 1000 && loop.bad_word == 2);
	munmap((void *)at, page_size);
	CHECK(!call(MMRACE_IOC_PIN_LOOP, &loop) && loop.missed == 1000);
}

static int mirror(volatile void *at, size_t pages, pid_t pid, uint32_t flags, uint32_t delay_ns)
{
	struct mmrace_mirror want = {
		.addr = address(at), .len = pages * page_size, .pid = pid, .flags = flags,
		.delay_ns = delay_ns,
	};

	return call(MMRACE_IOC_MIRROR, &want);
}

static void mirror_follows(void)
{
	volatile uint64_t *at = map_words(8);
	struct mmrace_mirror_stat stat;
	uint64_t word = 11;
	pid_t child;

	CHECK(!mirror(at, 8, 0, 0, 0));
	CHECK(mirror(at, 8, 0, 0, 0) == EBUSY);
	CHECK(!io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_WRITE, 0, address(at + 1), &word));
	CHECK(at[1] == 11);
	at[1] = 12;
	CHECK(!io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at + 1), &word) && word == 12);
	madvise((void *)at, page_size, MADV_DONTNEED);
	CHECK(!io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at + 1), &word) && word == 0);
	/* Read through the mirror first, so that it holds the page that is then copied. */
	at[1] = 13;
	CHECK(!io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at + 1), &word) && word == 13);
	child = fork();
	if (!child)
		pause();
	at[1] = 14;
	CHECK(!io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at + 1), &word) && word == 14);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap((void *)at, page_size);
	CHECK(io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at + 1), &word) == EFAULT);
	CHECK(io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at) + 8 * page_size, &word) == EINVAL);
	CHECK(!call(MMRACE_IOC_MIRROR_STAT, &stat));
	CHECK(stat.faults >= 4 && stat.invalidations >= 3 && stat.dropped >= 3 && !stat.stale);
	CHECK(!call(MMRACE_IOC_MIRROR_OFF, NULL));
	munmap((void *)(at + page_size / 8), 7 * page_size);
}

static void mirror_of_another(void)
{
	volatile uint64_t *at = map_words(1);
	struct mmrace_mirror_run run = {
		.addr = address(at), .op = MMRACE_MIRROR_STORE, .first = 100, .rounds = 50,
	};
	int pipefd[2], status = 0;
	uint64_t word;
	pid_t child;
	char c;

	if (pipe(pipefd))
		exit(1);
	at[0] = 1;
	child = fork();
	if (!child) {
		close(pipefd[1]);
		_exit(read(pipefd[0], &c, 1) == 1 && at[0] == 149 ? 0 : 1);
	}
	CHECK(!mirror(at, 1, child, 0, 0));
	CHECK(!call(MMRACE_IOC_MIRROR_RUN, &run) && run.done == 50 && run.last == 149);
	CHECK(at[0] == 1);
	CHECK(write(pipefd[1], "x", 1) == 1 && waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	CHECK(io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at), &word) == ESRCH);
	CHECK(mirror(at, 1, -1, 0, 0) == EBUSY);
	close(pipefd[0]);
	close(pipefd[1]);
	munmap((void *)at, page_size);
}

/* A page that goes away and comes back: again and again, or once for each round. */
struct churn {
	volatile uint64_t *at;
	atomic_bool stop;
	atomic_uint begun;	/* by the mirror: a load is about to begin */
	atomic_uint ended;	/* by the churn: the page of that round is another one */
};

static void exchange_page(volatile uint64_t *at)
{
	madvise((void *)at, page_size, MADV_DONTNEED);
	at[0] = 1;
}

/* With rests: a verification is of what stays the same while it looks. */
static void *churn_always(void *arg)
{
	struct churn *churn = arg;

	for (unsigned int i = 1; !atomic_load(&churn->stop); i++) {
		exchange_page(churn->at);
		if (i % 8 == 0)
			usleep(500);
	}
	return NULL;
}

/*
 * Once a round, each time 50 us later into the load than the last: which of these falls
 * between its finding the page and its keeping it depends on the machine.
 */
static void *churn_once(void *arg)
{
	struct churn *churn = arg;
	unsigned int round = 0;

	while (!atomic_load(&churn->stop)) {
		if (atomic_load(&churn->begun) == round)
			continue;
		round++;
		usleep(round % 20 * 50);
		exchange_page(churn->at);
		atomic_store(&churn->ended, round);
	}
	return NULL;
}

static struct mmrace_mirror_stat mirror_stat(void)
{
	struct mmrace_mirror_stat stat = { 0 };

	CHECK(!call(MMRACE_IOC_MIRROR_STAT, &stat));
	return stat;
}

/* One load and one verification. Returns how many translations were stale: 0 or 1. */
static uint32_t mirror_round(volatile uint64_t *at, struct churn *once)
{
	struct mmrace_mirror_run load = {
		.addr = address(at), .op = MMRACE_MIRROR_LOAD, .max = 1, .rounds = 1,
	};
	struct mmrace_mirror_run run = {
		.addr = address(at), .op = MMRACE_MIRROR_VERIFY, .rounds = 1,
	};
	unsigned int round = once ? atomic_fetch_add(&once->begun, 1) + 1 : 0;

	CHECK(!call(MMRACE_IOC_MIRROR_RUN, &load) && !load.bad);
	/* What a verification meets while pages still come and go it cannot judge. */
	while (once && atomic_load(&once->ended) != round)
		usleep(50);
	CHECK(!call(MMRACE_IOC_MIRROR_RUN, &run));
	return run.bad;
}

static void tell(uint32_t rounds, uint32_t bad)
{
	struct mmrace_mirror_stat stat = mirror_stat();

	printf("# %u rounds, %u stale; %llu faults, %llu retries, %llu dropped\n", rounds, bad,
	       (unsigned long long)stat.faults, (unsigned long long)stat.retries,
	       (unsigned long long)stat.dropped);
	CHECK(!stat.stale);
}

static void mirror_is_right_under_churn(void)
{
	struct churn churn = { .at = map_words(1) };
	time_t limit = time(NULL) + 120;
	uint32_t bad = 0, rounds = 0;
	pthread_t thread;

	CHECK(!mirror(churn.at, 1, 0, 0, 20000));
	pthread_create(&thread, NULL, churn_always, &churn);
	while (mirror_stat().dropped < 50 && time(NULL) < limit) {
		bad += mirror_round(churn.at, NULL);
		rounds++;
	}
	atomic_store(&churn.stop, true);
	pthread_join(thread, NULL);
	tell(rounds, bad);
	CHECK(!bad && mirror_stat().dropped >= 50);
	munmap((void *)churn.at, page_size);
}

/*
 * Loads that each meet one exchange of the page, until @wanted of them collided: were
 * begun anew by a good mirror, or kept what was gone. Returns how many were stale.
 */
static uint32_t collide(uint32_t flags, uint32_t wanted)
{
	struct churn churn = { .at = map_words(1) };
	time_t limit = time(NULL) + 120;
	uint32_t bad = 0, rounds = 0;
	pthread_t thread;

	CHECK(!mirror(churn.at, 1, 0, flags, MMRACE_DEV_MAX_DELAY_NS));
	pthread_create(&thread, NULL, churn_once, &churn);
	while (bad < wanted && mirror_stat().retries < wanted && time(NULL) < limit) {
		/* The load is to look for its page, not to have it. */
		exchange_page(churn.at);
		bad += mirror_round(churn.at, &churn);
		rounds++;
	}
	atomic_store(&churn.stop, true);
	pthread_join(thread, NULL);
	tell(rounds, bad);
	CHECK(bad >= wanted || mirror_stat().retries >= wanted);
	munmap((void *)churn.at, page_size);
	return bad;
}

static void mirror_begins_anew(void)
{
	CHECK(collide(0, 3) == 0);
}

/* Whether the deed comes about, given more and more time: a busy host starts a thread late. */
static bool in_time(bool (*deed)(unsigned int us))
{
	for (unsigned int us = 20000; us < 40000000; us *= 4)
		if (deed(us))
			return true;
	return false;
}

static bool borrow_faults(unsigned int us)
{
	volatile uint64_t *at = map_words(1);
	struct mmrace_borrow want = { .addr = address(at), .cpu = -1, .hold_us = 100 };
	struct mmrace_borrow_stat stat = { 0 };

	munmap((void *)at, page_size);
	CHECK(!call(MMRACE_IOC_BORROW, &want));
	usleep(us);
	CHECK(!call(MMRACE_IOC_BORROW_STOP, &stat) && !stat.touches);
	return stat.faults;
}

static void borrowing(void)
{
	volatile uint64_t *at = map_words(1);
	struct mmrace_borrow want = {
		.addr = address(at), .cpu = 1, .hold_us = 100, .flags = MMRACE_BORROW_SPIN,
	};
	struct mmrace_borrow_stat stat;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		want.cpu = 0;
	CHECK(!call(MMRACE_IOC_BORROW, &want));
	CHECK(call(MMRACE_IOC_BORROW, &want) == EBUSY);
	while (at[0] < 20)
		usleep(1000);
	CHECK(!call(MMRACE_IOC_BORROW_STOP, &stat));
	CHECK(stat.touches == at[0] && stat.loops == stat.touches && !stat.faults && !stat.gone);
	CHECK(call(MMRACE_IOC_BORROW_STOP, &stat) == EINVAL);
	munmap((void *)at, page_size);
	CHECK(in_time(borrow_faults));
}

static bool borrow_outlives(unsigned int us)
{
	struct mmrace_borrow_stat stat;
	pid_t child = fork();
	int status = 0;

	if (!child) {
		struct mmrace_borrow want = { .cpu = -1, .hold_us = 50 };

		/* The descriptor is shared: the thread outlives the process whose mm it has. */
		_exit(call(MMRACE_IOC_BORROW, &want));
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status));
	usleep(us);
	CHECK(!call(MMRACE_IOC_BORROW_STOP, &stat));
	return stat.gone;
}

static void borrowed_while_exiting(void)
{
	CHECK(in_time(borrow_outlives));
}

/*
 * A thread that stores into shared memory while the process whose mm it is on goes
 * away. Returns whether it went on when the process was reaped.
 */
static bool lingers_after_exit(volatile uint64_t *at)
{
	struct mmrace_borrow_stat stat;
	pid_t child = fork();
	int status = 0;
	uint64_t seen;
	bool late;

	if (!child) {
		struct mmrace_borrow want = {
			.addr = address(at), .cpu = -1, .hold_us = 1000,
			.flags = MMRACE_BORROW_LINGER,
		};
		uint64_t before = *at;
		int err = call(MMRACE_IOC_BORROW, &want);

		while (!err && *at == before)
			usleep(1000);
		_exit(err);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status));
	seen = *at;
	usleep(20000);
	late = *at != seen;
	CHECK(!call(MMRACE_IOC_BORROW_STOP, &stat) && stat.touches && stat.gone <= 1);
	return late;
}

static void lingering(void)
{
	volatile uint64_t *at = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile uint64_t *private = map_words(1);
	struct mmrace_borrow want = {
		.addr = address(private), .cpu = -1, .hold_us = 1000, .flags = MMRACE_BORROW_LINGER,
	};

	CHECK(call(MMRACE_IOC_BORROW, &want) == EINVAL);
	want.addr = 0;
	CHECK(call(MMRACE_IOC_BORROW, &want) == EFAULT);
	want.addr = address(at);
	want.flags |= MMRACE_BORROW_SPIN;
	CHECK(call(MMRACE_IOC_BORROW, &want) == EINVAL);
	for (int i = 0; i < 10; i++)
		CHECK(!lingers_after_exit(at));
}

static void kernel_page_tables(void)
{
	struct mmrace_kpt kpt = { .op = MMRACE_KPT_REMAP, .nr_pages = 32, .rounds = 200 };

	CHECK(!call(MMRACE_IOC_KPT, &kpt) && kpt.done == 200 && !kpt.bad);
	kpt.op = MMRACE_KPT_APPLY;
	kpt.rounds = 10;
	if (!(info.features & MMRACE_HAS_KPT_APPLY)) {
		printf("# apply_to_page_range(): no init_mm\n");
		CHECK(call(MMRACE_IOC_KPT, &kpt) == EOPNOTSUPP);
		return;
	}
	CHECK(!call(MMRACE_IOC_KPT, &kpt) && kpt.done == 10 && kpt.ptes == 320 && !kpt.bad);
	kpt.nr_pages = MMRACE_DEV_MAX_KPT_PAGES + 1;
	CHECK(call(MMRACE_IOC_KPT, &kpt) == EINVAL);
}

static void pfn_mapping(uint32_t how)
{
	struct mmrace_pfn want = { .nr_pages = 4, .how = how };
	struct mmrace_pfn_revoke revoke = { .watch_us = 1000 };
	volatile uint64_t *at;
	uint64_t word;

	CHECK(!call(MMRACE_IOC_PFN, &want));
	CHECK(call(MMRACE_IOC_PFN, &want) == EBUSY);
	CHECK(mmap(NULL, 5 * page_size, PROT_READ, MAP_SHARED, dev, 0) == MAP_FAILED);
	CHECK(mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, dev, 0) == MAP_FAILED);
	at = mmap(NULL, 4 * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, dev, 0);
	CHECK(at != MAP_FAILED);
	if (at == MAP_FAILED)
		return;
	at[page_size / 8] = 21;
	CHECK(!io(MMRACE_IOC_PFN_IO, MMRACE_IO_READ, 0, page_size, &word) && word == 21);
	CHECK(!call(MMRACE_IOC_PFN_REVOKE, &revoke) && !revoke.stale_words);
	CHECK(!io(MMRACE_IOC_PFN_IO, MMRACE_IO_READ, 0, page_size, &word) && word == 0);
	/* A fault maps what there is now. */
	CHECK(at[page_size / 8] == 0);
	at[page_size / 8] = 22;
	CHECK(!io(MMRACE_IOC_PFN_IO, MMRACE_IO_READ, 0, page_size, &word) && word == 22);
	munmap((void *)at, 4 * page_size);
}

static void pfn_faulted(void)
{
	pfn_mapping(MMRACE_PFN_FAULT);
}

static void pfn_remapped(void)
{
	pfn_mapping(MMRACE_PFN_REMAP);
}

static void broken_mirrors_are_seen(void)
{
	volatile uint64_t *at;
	uint64_t word;

	if (!(info.features & MMRACE_HAS_PLANTS)) {
		at = map_words(1);
		CHECK(mirror(at, 1, 0, MMRACE_MIRROR_DEAF, 0) == EPERM);
		return;
	}
	CHECK(collide(MMRACE_MIRROR_NO_RETRY, 3) == 3);
	close(dev);
	dev = open(MMRACE_DEVICE_PATH, O_RDWR);
	at = map_words(1);
	at[0] = 3;
	CHECK(!mirror(at, 1, 0, MMRACE_MIRROR_DEAF, 0));
	CHECK(!io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at), &word) && word == 3);
	madvise((void *)at, page_size, MADV_DONTNEED);
	CHECK(!io(MMRACE_IOC_MIRROR_IO, MMRACE_IO_READ, 0, address(at), &word) && word == 3);
}

#define CASE(fn) static void case_##fn(void) { dev = open(MMRACE_DEVICE_PATH, O_RDWR); fn(); close(dev); }
CASE(refused)
CASE(files_are_limited)
CASE(pins)
CASE(pins_for_long_and_limits)
CASE(pin_loop)
CASE(mirror_follows)
CASE(mirror_of_another)
CASE(mirror_is_right_under_churn)
CASE(mirror_begins_anew)
CASE(borrowing)
CASE(borrowed_while_exiting)
CASE(lingering)
CASE(kernel_page_tables)
CASE(pfn_faulted)
CASE(pfn_remapped)
CASE(broken_mirrors_are_seen)

#define TEST(fn) { #fn, case_##fn }
static const struct test tests[] = {
	TEST(refused),
	TEST(files_are_limited),
	TEST(pins),
	TEST(pins_for_long_and_limits),
	TEST(pin_loop),
	TEST(mirror_follows),
	TEST(mirror_of_another),
	TEST(mirror_is_right_under_churn),
	TEST(mirror_begins_anew),
	TEST(borrowing),
	TEST(borrowed_while_exiting),
	TEST(lingering),
	TEST(kernel_page_tables),
	TEST(pfn_faulted),
	TEST(pfn_remapped),
	TEST(broken_mirrors_are_seen),
};

/* "device lingers": in how many of ten processes a thread outlived the teardown; judges nothing. */
static int count_lingering(void)
{
	volatile uint64_t *at = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int late = 0;

	dev = open(MMRACE_DEVICE_PATH, O_RDWR);
	for (int i = 0; i < 10; i++)
		late += lingers_after_exit(at);
	printf("lingered %d of 10\n", late);
	return 0;
}

int main(int argc, char **argv)
{
	int fd = open(MMRACE_DEVICE_PATH, O_RDWR);

	if (fd < 0 || ioctl(fd, MMRACE_IOC_INFO, &info)) {
		perror(MMRACE_DEVICE_PATH);
		return 5;
	}
	close(fd);
	page_size = sysconf(_SC_PAGESIZE);
	if (argc == 2 && !strcmp(argv[1], "lingers"))
		return count_lingering();
	printf("# version %u, features %#x\n", info.version, info.features);
	return KTAP_RUN(tests);
}
