// SPDX-License-Identifier: GPL-2.0
/*
 * Every deed that a plant or a checker is about, some rounds of each, by children that
 * are targets of the module. It judges nothing: what was done to the memory is
 * seen in the module's files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../include/mmrace_abi.h"

#ifndef MADV_COLD
#define MADV_COLD	20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define HUGE	(16UL << 20)	/* a multiple of every huge page size here */
#define SHARED	(1UL << 30)	/* what one page table of x86's huge pages maps */

static size_t page_size;
static const char *dir;

static char *map(size_t len, int fd)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
			fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		_exit(5);
	}
	return at;
}

static char *map_file(size_t len)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/deeds.%d", dir, getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, len)) {
		perror(path);
		_exit(5);
	}
	unlink(path);
	return map(len, fd);
}

static void zap(void)
{
	char *at = map_file(8 * page_size);

	memset(at, 1, 8 * page_size);
	madvise(at, 4 * page_size, MADV_DONTNEED);
	msync(at, 8 * page_size, MS_SYNC);
	munmap(at, 8 * page_size);
}

static void protect(void)
{
	char *at = map(8 * page_size, -1);

	memset(at, 1, 8 * page_size);
	mprotect(at, 8 * page_size, PROT_READ);
	mprotect(at, 8 * page_size, PROT_READ | PROT_WRITE);
	munmap(at, 8 * page_size);
}

static void watch(void)
{
	char *at = map(8 * page_size, -1);
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	memset(at, 1, 8 * page_size);
	if (fd < 0 || write(fd, "4", 1) < 0)
		fprintf(stderr, "clear_refs: no soft-dirty bits\n");
	memset(at, 2, 8 * page_size);
	close(fd);
	munmap(at, 8 * page_size);
}

static void move(void)
{
	char *at = map(8 * page_size, -1);
	char *to = map(8 * page_size, -1);

	memset(at, 1, 8 * page_size);
	mremap(at, 8 * page_size, 8 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	munmap(to, 8 * page_size);
}

static void reclaim(void)
{
	char *at = map_file(16 * page_size);

	memset(at, 1, 16 * page_size);
	msync(at, 16 * page_size, MS_SYNC);
	madvise(at, 16 * page_size, MADV_PAGEOUT);
	munmap(at, 16 * page_size);
}

/* Stored to after MADV_FREE: the page must stay. */
static void lazyfree(void)
{
	char *at = map(8 * page_size, -1);

	memset(at, 1, 8 * page_size);
	madvise(at, 8 * page_size, MADV_FREE);
	/* Small pages wait in a queue of this CPU, which the next call empties. */
	madvise(at, 8 * page_size, MADV_COLD);
	memset(at, 2, 8 * page_size);
	madvise(at, 8 * page_size, MADV_PAGEOUT);
	munmap(at, 8 * page_size);
}

/* Pages of a driver's, which it takes back. */
static void take_back(void)
{
	struct mmrace_pfn want = { .nr_pages = 4, .how = MMRACE_PFN_FAULT };
	struct mmrace_pfn_revoke back = { .watch_us = 0 };
	int dev = open(MMRACE_DEVICE_PATH, O_RDWR);
	char *at;

	if (dev < 0 || ioctl(dev, MMRACE_IOC_PFN, &want)) {
		perror("pfn");
		_exit(5);
	}
	at = map(4 * page_size, dev);
	memset(at, 1, 4 * page_size);
	if (ioctl(dev, MMRACE_IOC_PFN_REVOKE, &back)) {
		perror("revoke");
		_exit(5);
	}
	munmap(at, 4 * page_size);
	close(dev);
}

/* Two processes share the page table of a hugetlb mapping, one changes its rights. */
static void give_up(void)
{
	int fd = memfd_create("deeds", MFD_HUGETLB), pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY);
	char *at = mmap(NULL, 2 * SHARED, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *aligned = (char *)(((uintptr_t)at + SHARED - 1) & ~(SHARED - 1));
	pid_t child;

	/* Where there are no huge pages there is nothing to do. */
	if (fd < 0 || pool < 0 || dprintf(pool, "4") < 0 || ftruncate(fd, SHARED) ||
	    mmap(aligned, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
		 fd, 0) == MAP_FAILED) {
		printf("# no huge pages\n");
		return;
	}
	*aligned = 1;
	child = fork();
	if (!child) {
		*aligned = 2;
		pause();
	}
	for (int ms = 0; *aligned != 2 && ms < 20000; ms++)
		usleep(1000);
	mprotect(aligned, SHARED, PROT_READ);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(at, 2 * SHARED);
	close(fd);
	close(pool);
}

static void cow(void)
{
	char *at = map(4 * page_size, -1);
	pid_t child;

	memset(at, 1, 4 * page_size);
	child = fork();
	if (!child)
		pause();
	memset(at, 2, 4 * page_size);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(at, 4 * page_size);
}

static bool all_huge(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "AnonHugePages: %ld", &kib);
	if (file)
		fclose(file);
	return kib >= (long)(HUGE >> 10);
}

/* 5.10 collapses only when it likes to; it is asked to like it, for 2 s. */
static void wait_for_khugepaged(void)
{
	static const char *const knobs[][2] = {
		{ "scan_sleep_millisecs", "0" },
		{ "alloc_sleep_millisecs", "0" },
		{ "pages_to_scan", "100000" },
	};

	for (size_t i = 0; i < sizeof(knobs) / sizeof(*knobs); i++) {
		char path[96];
		int fd;

		snprintf(path, sizeof(path), "/sys/kernel/mm/transparent_hugepage/khugepaged/%s",
			 knobs[i][0]);
		fd = open(path, O_WRONLY);
		if (fd < 0 || dprintf(fd, "%s", knobs[i][1]) < 0)
			return;
		close(fd);
	}
	for (int turn = 0; turn < 20 && !all_huge(); turn++)
		usleep(100000);
}

static void huge(void)
{
	char *at = map(2 * HUGE, -1);
	char *aligned = (char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));

	madvise(aligned, HUGE, MADV_HUGEPAGE);
	memset(aligned, 1, HUGE);
	/* A part of a huge page: it is split. */
	mprotect(aligned + page_size, page_size, PROT_READ);
	madvise(aligned + 4 * page_size, page_size, MADV_DONTNEED);
	mprotect(aligned + page_size, page_size, PROT_READ | PROT_WRITE);
	memset(aligned, 2, HUGE);
	if (madvise(aligned, HUGE, MADV_COLLAPSE) && errno == EINVAL)
		wait_for_khugepaged();
	munmap(at, 2 * HUGE);
}

static void ask_for_huge_shmem(void)
{
	int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_WRONLY);

	if (fd < 0)
		return;
	dprintf(fd, "advise");
	close(fd);
}

/*
 * A huge page of shared memory, mapped by small entries: some dirty, some clean, and a hole in
 * between, so that a zap takes them one after the other (6.12, folio_pte_batch()).
 */
static void patches(void)
{
	int fd = memfd_create("deeds", MFD_CLOEXEC);
	char *at = map(4 * HUGE, -1), *small;
	char *aligned = (char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));

	ask_for_huge_shmem();
	if (fd < 0 || ftruncate(fd, HUGE) ||
	    mmap(aligned, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		_exit(5);
	madvise(aligned, HUGE, MADV_HUGEPAGE);
	memset(aligned, 1, HUGE);
	/* At an address that no huge entry can have. */
	small = mmap(aligned + HUGE + page_size, HUGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, fd, 0);
	if (small == MAP_FAILED)
		_exit(5);
	*(volatile char *)small = 2;
	/* Further on in the same huge page, by a load: clean. */
	(void)*(volatile char *)(small + HUGE / 16 - 2 * page_size);
	munmap(small, HUGE);
	munmap(at, 4 * HUGE);
	close(fd);
}

/* The same with a secondary MMU, so that notifiers have somebody to tell. */
static void mirrored(void)
{
	char *at = map(8 * page_size, -1);
	struct mmrace_mirror want = { .addr = (uintptr_t)at, .len = 8 * page_size };
	struct mmrace_mirror_run run = {
		.addr = (uintptr_t)at, .op = MMRACE_MIRROR_LOAD, .max = ~0ULL, .rounds = 1,
	};
	int dev = open(MMRACE_DEVICE_PATH, O_RDWR);

	memset(at, 1, 8 * page_size);
	if (dev < 0 || ioctl(dev, MMRACE_IOC_MIRROR, &want) ||
	    ioctl(dev, MMRACE_IOC_MIRROR_RUN, &run)) {
		perror("mirror");
		_exit(5);
	}
	madvise(at, 8 * page_size, MADV_DONTNEED);
	cow();
	munmap(at, 8 * page_size);
	close(dev);
}

static void *idle(void *arg)
{
	pause();
	return arg;
}

/* Gone as a whole, with a second thread and a borrower to keep other CPUs on its mm. */
static void leave(void)
{
	pid_t child = fork();

	if (!child) {
		struct mmrace_borrow want = { .cpu = -1, .hold_us = 20 };
		int dev = open(MMRACE_DEVICE_PATH, O_RDWR);
		pthread_t thread;

		pthread_create(&thread, NULL, idle, NULL);
		memset(map(64 * page_size, -1), 1, 64 * page_size);
		if (dev < 0 || ioctl(dev, MMRACE_IOC_BORROW, &want))
			_exit(5);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} deeds[] = {
	{ "zap", zap },
	{ "protect", protect },
	{ "watch", watch },
	{ "move", move },
	{ "reclaim", reclaim },
	{ "lazyfree", lazyfree },
	{ "take_back", take_back },
	{ "give_up", give_up },
	{ "cow", cow },
	{ "huge", huge },
	{ "patches", patches },
	{ "mirrored", mirrored },
	{ "leave", leave },
};

static void tag_ourselves(void)
{
	int fd = open(MMRACE_DEBUGFS_PATH "/target", O_WRONLY);

	if (fd < 0 || dprintf(fd, "pid %d", getpid()) < 0) {
		perror("target");
		exit(5);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	int rounds, failed = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: deeds DIR ROUNDS\n");
		return 2;
	}
	dir = argv[1];
	rounds = atoi(argv[2]);
	page_size = sysconf(_SC_PAGESIZE);
	tag_ourselves();
	/* A planted bug may cost a child its life, and only that. */
	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
		int status = 0;
		pid_t child = fork();

		if (!child) {
			for (int round = 0; round < rounds; round++)
				deeds[i].run();
			_exit(0);
		}
		waitpid(child, &status, 0);
		printf("%s %s %d\n", deeds[i].name, WIFSIGNALED(status) ? "signal" : "exit",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		failed |= WIFEXITED(status) && WEXITSTATUS(status);
	}
	return failed ? 5 : 0;
}
