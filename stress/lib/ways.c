// SPDX-License-Identifier: GPL-2.0
/* Ways that are plain system calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core.h"
#include "ways.h"

#define SECTOR		512	/* bytes */
#define MAX_PAGE	65536	/* bytes, of any kernel's pages */
#define DRAIN_ONE_IN	4	/* stores */

/*
 * What a call reads and writes beside the word. Shared memory: fork() leaves it alone, so a
 * planted bug in copy on write does not turn against the call's own arguments. (An emulator
 * has other translations for the kernel's accesses than for the program's: a stack page
 * that fork() has shared may then be two pages.)
 */
static struct {
	struct iovec here, there;
	uint64_t value;
} *desk;

static void desk_setup(void)
{
	if (!desk)
		desk = race_shared(sizeof(*desk));
}

bool way_taken(const struct way *way, char *mem, size_t len)
{
	const char *missing;

	if (!race_asked("way", way->name))
		return false;
	missing = way->setup ? way->setup() : NULL;
	if (!missing && way->range)
		way->range(mem, len);
	return race_has("way", way->name, missing);
}

/* --- the CPU ------------------------------------------------------------- */

static uint64_t cpu_get(volatile uint64_t *p)
{
	return *p;
}

static void cpu_set(volatile uint64_t *p, uint64_t value)
{
	*p = value;
}

const struct way way_cpu = { .name = "cpu", .get = cpu_get, .set = cpu_set };

void way_drain(void)
{
	static _Alignas(MAX_PAGE) char nobodys[MAX_PAGE];

	/* Of any memory: lru_add_drain() in madvise_cold(), 5.10 to 7.2. */
	madvise(nobodys, sizeof(nobodys), MADV_COLD);
}

static void set_and_drain(volatile uint64_t *p, uint64_t value)
{
	*p = value;
	if (!(value % DRAIN_ONE_IN))
		way_drain();
}

const struct way way_drained = { .name = "cpu", .get = cpu_get, .set = set_and_drain };

/* --- process_vm_readv(), process_vm_writev(): GUP under the mmap lock ----- */

static bool process_vm(ssize_t (*call)(pid_t, const struct iovec *, unsigned long,
				       const struct iovec *, unsigned long,
				       unsigned long), volatile uint64_t *p)
{
	desk->here = (struct iovec){ &desk->value, sizeof(desk->value) };
	desk->there = (struct iovec){ (void *)p, sizeof(*p) };
	return call(getpid(), &desk->here, 1, &desk->there, 1, 0) == sizeof(*p);
}

static const char *process_vm_setup(void)
{
	volatile uint64_t word = 0;

	desk_setup();
	return process_vm(process_vm_readv, &word) ? NULL :
	       "process_vm_readv() is not to be had";
}

static uint64_t process_vm_get(volatile uint64_t *p)
{
	if (!process_vm(process_vm_readv, p))
		race_error("process_vm_readv: %s", strerror(errno));
	return desk->value;
}

static void process_vm_set(volatile uint64_t *p, uint64_t value)
{
	desk->value = value;
	if (!process_vm(process_vm_writev, p))
		race_error("process_vm_writev: %s", strerror(errno));
}

const struct way way_process_vm = {
	.name = "process_vm",
	.setup = process_vm_setup,
	.get = process_vm_get,
	.set = process_vm_set,
};

/* --- O_DIRECT: fast GUP; the storage reads and writes the page ------------ */

static int direct_fd = -1;
static uint64_t *bounce;

static const char *direct_setup(void)
{
	const char *missing = race_need_missing("dir");
	char path[256];

	if (missing)
		return missing;
	if (posix_memalign((void **)&bounce, race_page_size(), race_page_size()))
		return "no memory";
	race_file(".direct", path, race_page_size());
	direct_fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	/* Granted at open it may still be refused later, or want larger blocks. */
	if (direct_fd < 0 || pwrite(direct_fd, bounce, SECTOR, 0) != SECTOR ||
	    pread(direct_fd, bounce, SECTOR, 0) != SECTOR)
		return "--dir allows no direct I/O of 512 bytes";
	return NULL;
}

static void direct_write(const volatile void *from)
{
	if (pwrite(direct_fd, (const void *)from, SECTOR, 0) != SECTOR)
		race_error("write with O_DIRECT: %s", strerror(errno));
}

static void direct_read(volatile void *to)
{
	if (pread(direct_fd, (void *)to, SECTOR, 0) != SECTOR)
		race_error("read with O_DIRECT: %s", strerror(errno));
}

static uint64_t direct_get(volatile uint64_t *p)
{
	direct_write(p);
	direct_read(bounce);
	return *bounce;
}

static void direct_set(volatile uint64_t *p, uint64_t value)
{
	*bounce = value;
	direct_write(bounce);
	direct_read(p);
}

const struct way way_direct = {
	.name = "direct",
	.not_with_fork = true,
	.setup = direct_setup,
	.get = direct_get,
	.set = direct_set,
};

/* --- vmsplice(): fast GUP; the pipe holds the page itself ------------------ */

static int spliced[2];

static const char *vmsplice_setup(void)
{
	desk_setup();
	return pipe2(spliced, O_CLOEXEC) ? strerror(errno) : NULL;
}

static uint64_t vmsplice_get(volatile uint64_t *p)
{
	desk->there = (struct iovec){ (void *)p, sizeof(*p) };
	if (vmsplice(spliced[1], &desk->there, 1, 0) != sizeof(*p) ||
	    read(spliced[0], &desk->value, sizeof(*p)) != sizeof(*p))
		race_error("vmsplice: %s", strerror(errno));
	return desk->value;
}

const struct way way_vmsplice = {
	.name = "vmsplice",
	.setup = vmsplice_setup,
	.get = vmsplice_get,
};
