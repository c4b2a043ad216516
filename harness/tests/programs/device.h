/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of /dev/mmrace share: one descriptor for each case, and calls that give errno. */
#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../include/mmrace_abi.h"
#include "../../../stress/tests/ktap.h"

static size_t page_size;
static struct mmrace_info info;

/* What one case leaves behind goes when it is closed. */
static int dev;

#define CASE(fn) static void case_##fn(void) { dev = open(MMRACE_DEVICE_PATH, O_RDWR); fn(); close(dev); }
#define TEST(fn) { #fn, case_##fn }

/* Once, before the cases: 0, or 5 where there is no device. */
static inline int device_setup(void)
{
	int fd = open(MMRACE_DEVICE_PATH, O_RDWR);

	if (fd < 0 || ioctl(fd, MMRACE_IOC_INFO, &info)) {
		perror(MMRACE_DEVICE_PATH);
		return 5;
	}
	close(fd);
	page_size = sysconf(_SC_PAGESIZE);
	return 0;
}

static inline volatile uint64_t *map_words(size_t pages)
{
	void *at = mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return at;
}

static inline uint64_t address(volatile void *at)
{
	return (uintptr_t)at;
}

/* 0, or the error of the call. */
static inline int call(unsigned long cmd, void *arg)
{
	return ioctl(dev, cmd, arg) ? errno : 0;
}

static inline int io(unsigned long cmd, uint32_t op, uint32_t id, uint64_t where, uint64_t *word)
{
	struct mmrace_io req = {
		.where = where, .buf = address(word), .len = sizeof(*word), .op = op, .id = id,
	};

	return call(cmd, &req);
}

#endif /* TESTS_DEVICE_H */
