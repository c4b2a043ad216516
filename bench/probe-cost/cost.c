// SPDX-License-Identifier: GPL-2.0
/*
 * What one madvise(MADV_DONTNEED) of an untouched page takes: it enters each of
 * tlb_gather_mmu(), unmap_page_range() and tlb_finish_mmu() once. Printed is the
 * least mean of many short batches in ns: what disturbs only adds.
 *
 * usage: cost [tag]	with "tag" as a target of the module
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../include/mmrace_abi.h"

#define BATCHES	200
#define CALLS	200

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int be_target(void)
{
	int fd = open(MMRACE_DEBUGFS_PATH "/target", O_WRONLY);

	if (fd < 0 || dprintf(fd, "pid %d", getpid()) < 0) {
		perror("target");
		return -1;
	}
	return close(fd);
}

int main(int argc, char **argv)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double best = 1e18;
	cpu_set_t cpus;

	(void)argv;
	if (at == MAP_FAILED || (argc > 1 && be_target()))
		return 5;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (int batch = 0; batch < BATCHES; batch++) {
		double begin = now_ns(), each;

		for (int call = 0; call < CALLS; call++)
			if (madvise(at, page, MADV_DONTNEED))
				return 5;
		each = (now_ns() - begin) / CALLS;
		best = each < best ? each : best;
	}
	printf("%.1f\n", best);
	return 0;
}
