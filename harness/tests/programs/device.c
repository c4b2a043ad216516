// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/mmrace, call by call, as root on a kernel that has the module: what must work
 * works, what must be refused is refused. mirror.c has the mirror's calls.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/wait.h>

#include "device.h"

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

CASE(refused)
CASE(files_are_limited)
CASE(pins)
CASE(pins_for_long_and_limits)
CASE(pin_loop)
CASE(borrowing)
CASE(borrowed_while_exiting)
CASE(lingering)
CASE(kernel_page_tables)
CASE(pfn_faulted)
CASE(pfn_remapped)

static const struct test tests[] = {
	TEST(refused),
	TEST(files_are_limited),
	TEST(pins),
	TEST(pins_for_long_and_limits),
	TEST(pin_loop),
	TEST(borrowing),
	TEST(borrowed_while_exiting),
	TEST(lingering),
	TEST(kernel_page_tables),
	TEST(pfn_faulted),
	TEST(pfn_remapped),
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
	if (device_setup())
		return 5;
	if (argc == 2 && !strcmp(argv[1], "lingers"))
		return count_lingering();
	printf("# version %u, features %#x\n", info.version, info.features);
	return KTAP_RUN(tests);
}