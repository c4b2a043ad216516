// SPDX-License-Identifier: GPL-2.0
/*
 * A kprobe event of tracefs on vfs_read(), and readers that are moved from CPU to CPU.
 *
 * What must hold: a probed function goes on with the registers that are its own. powerpc keeps
 * the address of the CPU's paca in r13, and ftrace_regs_exit restores r2 to r31 from pt_regs
 * (arch/powerpc/kernel/trace/ftrace_entry.S, 6.12 and 7.2). Whoever is preempted between
 * ftrace_regs_entry and there, and goes on elsewhere, has the paca of the CPU that he left:
 *
 *	reader, CPU A			CPU A			CPU B
 *	ftrace_regs_entry: r13 = A
 *	preempted, moved
 *					another task
 *								ftrace_regs_exit: r13 = A
 *								vfs_read(): its stack canary,
 *								its current are another's
 *
 * usage: kprobe-paca probed|plain SECONDS
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define READERS	6
#define TRACEFS	"/kprobe-paca"

static atomic_int reader_tid[READERS];
static atomic_long reads;

static void *reader(void *arg)
{
	int zero = open("/dev/zero", O_RDONLY);
	char byte;

	if (zero < 0)
		err(5, "/dev/zero");
	reader_tid[(intptr_t)arg] = syscall(SYS_gettid);
	while (read(zero, &byte, 1) == 1)
		reads++;
	err(5, "read");
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(5, "%s", path);
	close(fd);
}

static void probe(void)
{
	if (mkdir(TRACEFS, 0755) || mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		err(5, "%s", TRACEFS);
	put(TRACEFS "/kprobe_events", "p:reads vfs_read\n");
	put(TRACEFS "/events/kprobes/reads/enable", "1");
}

static void move(int tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (tid && sched_setaffinity(tid, sizeof(set), &set))
		err(5, "sched_setaffinity");
}

int main(int argc, char **argv)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int seed = 1;
	pthread_t thread;
	time_t end;
	long moves;

	if (argc != 3 || (strcmp(argv[1], "probed") && strcmp(argv[1], "plain")))
		errx(2, "usage: kprobe-paca probed|plain SECONDS");
	if (!strcmp(argv[1], "probed"))
		probe();
	for (intptr_t i = 0; i < READERS; i++)
		if (pthread_create(&thread, NULL, reader, (void *)i))
			errx(5, "no thread");
	end = time(NULL) + atoi(argv[2]);
	for (moves = 0; time(NULL) < end; moves++)
		move(reader_tid[moves % READERS], rand_r(&seed) % cpus);
	printf("%ld reads, %ld moves\n", reads, moves);
	return 0;
}
