// SPDX-License-Identifier: GPL-2.0
/*
 * The mirror of /dev/mmrace: it follows what the CPUs' page tables do, and waits or looks
 * again as the notifier's law says. The controls at the end need allow_plants=1: a mirror
 * that is broken on purpose must be seen to be wrong.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "device.h"

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

CASE(mirror_follows)
CASE(mirror_of_another)
CASE(mirror_is_right_under_churn)
CASE(mirror_begins_anew)
CASE(broken_mirrors_are_seen)

static const struct test tests[] = {
	TEST(mirror_follows),
	TEST(mirror_of_another),
	TEST(mirror_is_right_under_churn),
	TEST(mirror_begins_anew),
	TEST(broken_mirrors_are_seen),
};

int main(void)
{
	return device_setup() ?: KTAP_RUN(tests);
}
