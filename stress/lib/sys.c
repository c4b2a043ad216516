// SPDX-License-Identifier: GPL-2.0
/* What the machine is like, and small calls into its kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

uint64_t race_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

size_t race_page_size(void)
{
	static size_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

size_t race_pmd_size(void)
{
	char text[32];
	size_t size = 0;

	if (!race_read_file("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
			    text, sizeof(text)))
		size = strtoul(text, NULL, 10);
	/* A page of eight-byte entries maps this much on most architectures. */
	return size ? size : race_page_size() / 8 * race_page_size();
}

static bool file_says(const char *path, const char *word)
{
	bool found = false;
	char *entry = NULL;
	size_t room = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (!found && getline(&entry, &room, f) > 0)
		found = strstr(entry, word);
	free(entry);
	fclose(f);
	return found;
}

bool race_emulated_ppc64(void)
{
	/* With KVM, which has the hypervisor node, the hardware does the work. */
	return access("/proc/device-tree/hypervisor", F_OK) &&
	       file_says("/proc/cpuinfo", "pSeries (emulated by qemu)");
}

unsigned int race_late_stores(void)
{
	static int late = -1;

	/*
	 * QEMU before 9.0 emulates ppc64's tlbie by work queued to the other CPUs, and its
	 * ptesync does not wait for them: each finishes the translation block that it is in,
	 * and the block of a loop holds one pass of it. A guest cannot ask for QEMU's
	 * version, so who started a newer one says so on the kernel's command line.
	 */
	if (late < 0)
		late = race_emulated_ppc64() &&
		       !file_says("/proc/cmdline", "mmrace.exact_tlb");
	return (unsigned int)late;
}

static int allowed(cpu_set_t *set)
{
	if (sched_getaffinity(0, sizeof(*set), set))
		return 1;
	return CPU_COUNT(set);
}

unsigned int race_cpus(void)
{
	static unsigned int cpus;
	cpu_set_t set;

	if (!cpus)
		cpus = allowed(&set);
	return cpus;
}

void race_pin(unsigned int n)
{
	static cpu_set_t set;
	static int count;
	cpu_set_t one;

	/* The first caller is main, before anybody is pinned. */
	if (!count)
		count = allowed(&set);
	n %= count;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set) || n--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		/* A CPU that went offline meanwhile: unpinned is good enough. */
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

void race_futex_wait(atomic_uint *word, unsigned int val, unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	syscall(SYS_futex, word, FUTEX_WAIT, val, &ts, NULL, 0);
}

void race_futex_wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void *race_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		race_error("no shared memory: %s", strerror(errno));
	return p;
}

int race_read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return -1;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return 0;
}

int race_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;
	int err;

	if (fd < 0)
		return -1;
	len = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return len < 0 ? -1 : 0;
}
