// SPDX-License-Identifier: GPL-2.0
/*
 * The publicly described reproducer of the lost write that 5df397dec7c4 ended, written
 * anew from its description, for measurements side by side. In one process
 *   - a checker stores a counter into the first page of a 2 MiB shared file
 *     mapping and reads it back,
 *   - a dirtier stores into all the other pages,
 *   - a zapper maps the first page anew over itself, or drops it with
 *     MADV_DONTNEED,
 * while another process flushes the first page and drops it from the page
 * cache. A counter that reads back differently is a lost write.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RANGE		(2UL << 20)
#define DONTNEED_PAUSE_NS 10000		/* between two drops, as described */
#define DIRTY_OFFSET	64		/* in each page but the first */

static char *range, path[512];
static size_t page;
static int fd;
static bool dontneed;
static atomic_bool stop;
static atomic_ullong expected, seen;
static atomic_bool lost;

static void fatal(const char *what)
{
	fprintf(stderr, "public-reproducer: %s: %s\n", what, strerror(errno));
	unlink(path);
	exit(5);
}

static void *dirtier(void *arg)
{
	while (!stop)
		for (size_t at = page; at < RANGE; at += page)
			*(volatile char *)(range + at + DIRTY_OFFSET) = 5;
	return arg;
}

static void *checker(void *arg)
{
	volatile uint64_t *slot = (volatile uint64_t *)range;

	for (uint64_t n = 0; !stop; n++) {
		uint64_t back;

		*slot = n;
		back = *slot;
		if (back == n)
			continue;
		expected = n;
		seen = back;
		lost = true;
		stop = true;
	}
	return arg;
}

static void *zapper(void *arg)
{
	struct timespec pause = { .tv_nsec = DONTNEED_PAUSE_NS };

	while (!stop) {
		if (dontneed) {
			if (madvise(range, page, MADV_DONTNEED))
				fatal("madvise");
			nanosleep(&pause, NULL);
		} else if (mmap(range, page, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
				0) == MAP_FAILED) {
			fatal("mmap");
		}
	}
	return arg;
}

static void flusher(void)
{
	/* Its own entries would slow the walk of the page's mappings down. */
	madvise(range, RANGE, MADV_DONTNEED);
	for (;;)
		if (msync(range, page, MS_SYNC) ||
		    posix_fadvise(fd, 0, page, POSIX_FADV_DONTNEED))
			_exit(5);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void map_range(void)
{
	char *zeros = calloc(1, RANGE);
	uintptr_t at;
	void *p;

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || !zeros || write(fd, zeros, RANGE) != (ssize_t)RANGE)
		fatal(path);
	free(zeros);
	p = mmap(NULL, 2 * RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fatal("mmap");
	at = ((uintptr_t)p + RANGE - 1) & -RANGE;
	range = mmap((void *)at, RANGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0);
	if (range == MAP_FAILED)
		fatal("mmap");
}

static int usage(void)
{
	fputs("usage: public-reproducer [--dir DIR] [--duration SECONDS] [--zap mmap-fixed|dontneed] [--report-fd FD]\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	void *(*const parts[])(void *) = { dirtier, checker, zapper };
	pthread_t threads[3];
	const char *dir = ".";
	double duration = 60, start, took;
	int report = -1, status;
	pid_t child;

	if (argc % 2 == 0)
		return usage();
	for (int i = 1; i < argc; i += 2) {
		if (!strcmp(argv[i], "--dir"))
			dir = argv[i + 1];
		else if (!strcmp(argv[i], "--duration"))
			duration = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "--zap"))
			dontneed = !strcmp(argv[i + 1], "dontneed");
		else if (!strcmp(argv[i], "--report-fd"))
			report = atoi(argv[i + 1]);
		else
			return usage();
	}
	snprintf(path, sizeof(path), "%s/public-reproducer-%d", dir, getpid());
	page = sysconf(_SC_PAGESIZE);
	map_range();
	start = now();
	child = fork();
	if (child < 0)
		fatal("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		flusher();
	}
	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, parts[i], NULL))
			fatal("pthread_create");
	while (!stop && now() - start < duration)
		usleep(1000);
	took = now() - start;
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	unlink(path);

	if (lost && report >= 0)
		dprintf(report, "{\"ev\":\"failure\",\"round\":0,\"elapsed_s\":%.6f,\"detail\":\"expected %llu, read %llu\",\"replay\":\"\"}\n",
			took, expected, seen);
	if (WIFEXITED(status)) {
		printf("error: the flushing process ended by itself\n");
		return 5;
	}
	if (!lost) {
		printf("nothing lost in %.3f s\n", took);
		return 0;
	}
	printf("lost after %.3f s: expected %llu, read %llu\n", took, expected, seen);
	return 1;
}
