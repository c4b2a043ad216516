// SPDX-License-Identifier: GPL-2.0
/*
 * Swap areas. A file on a RAM disk and zram are both synchronous, which takes the short
 * way past the swap cache when one process alone has the entry; zram also
 * drops its copy when an entry is freed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <unistd.h>

#include "core.h"
#include "swap.h"

#define SLOTS_MIN	64
#define PRIO_MAX	32767	/* ours is used before any other */
#define NODE_WAIT_NS	2000000000	/* for a device node to appear */

/* The head of a swap area, as mkswap(8) writes it. */
#define SWAP_INFO	1024	/* bytes from its start */
#define SWAP_MAGIC	"SWAPSPACE2"

struct swap_info {
	uint32_t version, last_page, nr_badpages;
};

const char *const swap_names[] = { "file", "zram", "both", NULL };

static char areas[2][256];
static unsigned int nareas;
static size_t nslots;

static bool format(int fd, size_t slots)
{
	size_t page = race_page_size(), magic = strlen(SWAP_MAGIC);
	struct swap_info info = { .version = 1, .last_page = slots - 1 };

	return pwrite(fd, &info, sizeof(info), SWAP_INFO) == sizeof(info) &&
	       pwrite(fd, SWAP_MAGIC, magic, page - magic) == (ssize_t)magic &&
	       !fsync(fd);
}

static const char *on(const char *path, size_t slots)
{
	race_undo_swapoff(path);
	if (swapon(path, SWAP_FLAG_PREFER | PRIO_MAX))
		return strerror(errno);
	snprintf(areas[nareas++], sizeof(areas[0]), "%s", path);
	nslots += slots;
	return NULL;
}

static const char *file_on(size_t slots)
{
	const char *missing = race_need_missing("dir");
	size_t room;
	struct statvfs fs;
	char path[256];
	int fd;

	if (missing)
		return missing;
	if (statvfs(race_dir(), &fs))
		return strerror(errno);
	/* Not all of it: others write there too. */
	room = fs.f_bavail * fs.f_frsize / 2 / race_page_size();
	if (room < SLOTS_MIN)
		return "--dir has no room for a swap file";
	if (slots > room)
		slots = room;
	fd = race_file(".swap", path, slots * race_page_size());
	if (!format(fd, slots))
		race_error("%s: %s", path, strerror(errno));
	return on(path, slots);
}

/* A device of our own: another one may be in use. */
static int zram_new(void)
{
	char text[32];

	if (race_read_file("/sys/class/zram-control/hot_add", text, sizeof(text)))
		return -1;
	return atoi(text);
}

static int open_node(const char *path)
{
	uint64_t end = race_now_ns() + NODE_WAIT_NS;
	int fd;

	do {
		fd = open(path, O_RDWR | O_CLOEXEC);
	} while (fd < 0 && errno == ENOENT && race_now_ns() < end);
	return fd;
}

static const char *zram_on(size_t slots)
{
	char path[64], text[32];
	int id = zram_new(), fd;
	bool done;

	if (id < 0)
		return "needs the zram module, and root";
	snprintf(text, sizeof(text), "%d", id);
	race_undo_write("/sys/class/zram-control/hot_remove", text);
	snprintf(path, sizeof(path), "/sys/block/zram%d/reset", id);
	race_undo_write(path, "1");
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", id);
	snprintf(text, sizeof(text), "%zu", slots * race_page_size());
	if (race_write_file(path, text))
		return strerror(errno);
	snprintf(path, sizeof(path), "/dev/zram%d", id);
	fd = open_node(path);
	done = fd >= 0 && format(fd, slots);
	if (fd >= 0)
		close(fd);
	return done ? on(path, slots) : strerror(errno);
}

const char *swap_on(enum swap_kind kind, size_t pages)
{
	const char *file = NULL, *zram = NULL;

	if (nareas)
		return NULL;
	if (geteuid())
		return "needs root";
	if (race_loses_change_bits())
		return "this emulator forgets stores to pages that swap has a copy of; the hash MMU is right (machine variant ppc64-hash)";
	if (pages < SLOTS_MIN)
		pages = SLOTS_MIN;
	if (kind != SWAP_FILE)
		zram = zram_on(pages);
	if (kind != SWAP_ZRAM)
		file = file_on(pages);
	if (nareas)
		return NULL;
	return file ? file : zram;
}

size_t swap_slots(void)
{
	return nslots;
}

bool swap_cycle(void)
{
	bool done = true;

	for (unsigned int i = 0; i < nareas; i++) {
		if (swapoff(areas[i])) {
			if (errno != ENOMEM && errno != EINTR && errno != EBUSY)
				race_error("swapoff %s: %s", areas[i],
					   strerror(errno));
			done = false;
		} else if (swapon(areas[i], SWAP_FLAG_PREFER | PRIO_MAX)) {
			race_error("swapon %s: %s", areas[i], strerror(errno));
		}
	}
	return done;
}
