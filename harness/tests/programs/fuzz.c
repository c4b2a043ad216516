// SPDX-License-Identifier: GPL-2.0
/*
 * Nonsense for every debugfs file and every ioctl, from several processes at once, as
 * root, and then as nobody, who must not even get a file open. The inputs follow from
 * the seed. A call must succeed or fail with an error that docs/abi.md names; what it
 * did to the kernel is seen in its log.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../include/mmrace_abi.h"

#define WORKERS		3
#define AREA		(64UL << 10)

static const int named_errors[] = {
	EINVAL, EFAULT, ENOTTY, EBUSY, ENOSPC, EMFILE, EACCES, EPERM, ESRCH, EOPNOTSUPP, ENOMEM,
	EINTR, EAGAIN, ESTALE, ENXIO,
};

static const unsigned long calls[] = {
	MMRACE_IOC_INFO, MMRACE_IOC_PIN, MMRACE_IOC_UNPIN, MMRACE_IOC_PIN_IO, MMRACE_IOC_PIN_LOOP,
	MMRACE_IOC_MIRROR, MMRACE_IOC_MIRROR_OFF, MMRACE_IOC_MIRROR_IO, MMRACE_IOC_MIRROR_RUN,
	MMRACE_IOC_MIRROR_STAT, MMRACE_IOC_BORROW, MMRACE_IOC_BORROW_STOP, MMRACE_IOC_KPT,
	MMRACE_IOC_PFN, MMRACE_IOC_PFN_REVOKE, MMRACE_IOC_PFN_IO,
};

/* Words that files understand, or nearly. */
static const char *const words[] = {
	"enable", "disable", "all", "none", "pid", "comm", "off", "on", "1", "0", "-1", "1/1", "1/0",
	"4294967296", "99999999999999999999", "5000000", "5000001", "800000", "tlb.flush",
	"gather.page", "tlb.ipi.recv", "skip.tlb.zap", "mm-exit", "fuzz", "", " ", "\n", "\t", "%s%n",
	"tlb.flush 1 2 1/3 10", "x y z", "hist", "lazymmu",
};

static uint64_t state;
static char *area;

static uint64_t rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

#define ONE_OF(table) ((table)[rnd() % (sizeof(table) / sizeof(*(table)))])

static bool is_named(int error)
{
	for (size_t i = 0; i < sizeof(named_errors) / sizeof(*named_errors); i++)
		if (named_errors[i] == error)
			return true;
	return false;
}

/* A number as an argument may be: small, at an edge, an address, or anything. */
static uint64_t number(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 7, 8, 63, 64, 65, 512, 513, 1024, 1025, 4096, 10000, 10001, 65536, 65537,
		1000000, 1000001, 0x7fffffff, 0x80000000, 0xffffffff, ~0ULL, 1ULL << 47, 1ULL << 63,
		0xffff800000000000ULL,
	};

	switch (rnd() % 4) {
	case 0:
		return rnd() % 16;
	case 1:
		return ONE_OF(edges);
	case 2:
		return (uintptr_t)area + (rnd() % 2 ? rnd() % AREA : rnd() % AREA & ~4095UL);
	default:
		return rnd();
	}
}

/* Whose memory a mirror may touch: nobody's but our own. */
static int fuzz_ioctl(int dev)
{
	union {
		uint64_t words[16];
		uint32_t halves[32];
		struct mmrace_mirror mirror;
	} arg;
	unsigned long cmd = rnd() % 16 ? ONE_OF(calls) : rnd();
	static const int32_t pids[] = { 0, 0, 0, -1, INT32_MAX, INT32_MIN };

	for (int i = 0; i < 32; i++)
		arg.halves[i] = rnd() % 3 ? rnd() % 3 : number();
	for (int i = 0; i < 4; i++)
		if (rnd() % 2)
			arg.words[i] = number();
	if (cmd == MMRACE_IOC_MIRROR)
		arg.mirror.pid = ONE_OF(pids);
	return ioctl(dev, cmd, rnd() % 32 ? (uintptr_t)&arg : number());
}

static int fuzz_map(int dev)
{
	size_t len = (rnd() % 70 + 1) * sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, rnd() % 4 ? MAP_SHARED : MAP_PRIVATE, dev,
			(rnd() % 8 ? 0 : rnd() % 70) * sysconf(_SC_PAGESIZE));

	if (at == MAP_FAILED)
		return -1;
	/* Only what fits can be mapped, so all of it can be touched. */
	at[rnd() % len] = 1;
	munmap(at, len);
	return 0;
}

static const char *const files[] = {
	"probes", "reset", "target", "windows", "seed", "plants", "checkers", "selftest", "counters",
	"version", "caps", "findings", "themes", "hist/gather",
};

static int fuzz_file(void)
{
	char path[128], text[400];
	size_t len = 0;
	int fd, done;

	snprintf(path, sizeof(path), MMRACE_DEBUGFS_PATH "/%s", ONE_OF(files));
	fd = open(path, rnd() % 8 ? O_WRONLY : O_RDONLY);
	if (fd < 0)
		return -1;
	if (rnd() % 4) {
		for (int n = rnd() % 5 + 1; n && len < 256; n--)
			len += snprintf(text + len, sizeof(text) - len, "%s%s", ONE_OF(words),
					n > 1 ? " " : "");
	} else {
		for (len = 0; len < rnd() % 300; len++)
			text[len] = rnd();
	}
	/* (Dis)arming takes a grace period each: seldom, or nothing else would be tried. */
	if (!strcmp(path + sizeof(MMRACE_DEBUGFS_PATH), "probes") && rnd() % 64 && len)
		text[0] = '?';
	done = write(fd, text, len);
	if (done < 0 && errno == EBADF)
		done = pread(fd, text, rnd() % sizeof(text), rnd() % 3 ? 0 : rnd());
	close(fd);
	return done;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static int worker(uint64_t seed, long inputs)
{
	/* No call may take long: each is interrupted. */
	struct itimerval tick = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction action = { .sa_handler = on_alarm };
	int dev = -1;
	long good = 0;

	state = seed * 0x9e3779b97f4a7c15ULL | 1;
	sigaction(SIGALRM, &action, NULL);
	area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return 5;
	setitimer(ITIMER_REAL, &tick, NULL);
	for (long i = 0; i < inputs; i++) {
		int done;

		errno = 0;
		if (dev < 0 || !(rnd() % 64)) {
			close(dev);
			dev = open(MMRACE_DEVICE_PATH, O_RDWR);
		}
		if (!(rnd() % 256))
			madvise(area, AREA, MADV_DONTNEED);
		switch (rnd() % 8) {
		case 0:
		case 1:
			done = fuzz_file();
			break;
		case 2:
			done = fuzz_map(dev);
			break;
		default:
			done = fuzz_ioctl(dev);
		}
		good += done >= 0;
		if (done < 0 && !is_named(errno)) {
			printf("unnamed error %d (%s) at input %ld of seed %llu\n", errno,
			       strerror(errno), i, (unsigned long long)seed);
			return 1;
		}
	}
	printf("%ld inputs, %ld accepted\n", inputs, good);
	return 0;
}

static int nobody(void)
{
	int failed = 0;

	if (setgid(65534) || setuid(65534))
		return 5;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[128];

		snprintf(path, sizeof(path), MMRACE_DEBUGFS_PATH "/%s", files[i]);
		if (open(path, O_RDONLY) >= 0 || errno != EACCES)
			failed = printf("nobody reads %s\n", path);
		if (open(path, O_WRONLY) >= 0 || errno != EACCES)
			failed = printf("nobody writes %s\n", path);
	}
	if (open(MMRACE_DEVICE_PATH, O_RDWR) >= 0 || errno != EACCES)
		failed = printf("nobody opens the device\n");
	return !!failed;
}

int main(int argc, char **argv)
{
	int failed = 0, status;
	uint64_t seed;
	long inputs;

	if (argc != 3) {
		fprintf(stderr, "usage: fuzz INPUTS SEED\n");
		return 2;
	}
	inputs = atol(argv[1]);
	seed = strtoull(argv[2], NULL, 10);
	fflush(stdout);
	for (int i = 0; i <= WORKERS; i++)
		if (!fork())
			exit(i == WORKERS ? nobody() : worker(seed + i, inputs / WORKERS + 1));
	while (wait(&status) > 0)
		failed |= !WIFEXITED(status) || WEXITSTATUS(status);
	return failed;
}
