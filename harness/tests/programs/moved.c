// SPDX-License-Identifier: GPL-2.0
/*
 * "moved SECONDS": threads that give memory back and are moved from CPU to CPU.
 *
 * What must hold: whoever goes through a probe comes out with the registers of the CPU that he
 * is on (module/place.c). A thread that does not crashes the machine.
 */
#define _GNU_SOURCE
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS	6
#define PAGES	4

static atomic_int tid[THREADS];
static atomic_long zaps;

static void *zapper(void *arg)
{
	size_t size = PAGES * sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(5, "mmap");
	tid[(intptr_t)arg] = syscall(SYS_gettid);
	for (;;) {
		memset(memory, 1, size);
		if (madvise(memory, size, MADV_DONTNEED))
			err(5, "madvise");
		zaps++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int seed = 1;
	pthread_t thread;
	time_t end;
	long moves;

	if (argc != 2)
		errx(2, "usage: moved SECONDS");
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, zapper, (void *)i))
			errx(5, "no thread");
	end = time(NULL) + atoi(argv[1]);
	for (moves = 0; time(NULL) < end; moves++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(rand_r(&seed) % cpus, &set);
		if (tid[moves % THREADS] &&
		    sched_setaffinity(tid[moves % THREADS], sizeof(set), &set))
			err(5, "sched_setaffinity");
	}
	printf("%ld zaps, %ld moves\n", zaps, moves);
	return 0;
}
