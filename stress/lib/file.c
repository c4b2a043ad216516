// SPDX-License-Identifier: GPL-2.0
/* Files on real storage, and what that storage holds. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core.h"

#define FILES_MAX 8

/* A file's second descriptor, which goes round the page cache; -1: cannot. */
static struct {
	int fd, direct;
} files[FILES_MAX];
static int nfiles;

/*
 * Finds the mount with this id in mountinfo, whose lines are:
 *   id parent major:minor root mountpoint options [tags...] - fstype source ...
 */
static bool find_mount(uint64_t id, char *fstype, char *source, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *entry = NULL, *dash;
	size_t room = 0;
	bool found = false;

	if (!f)
		return false;
	while (!found && getline(&entry, &room, f) > 0) {
		char type[64], from[256];

		dash = strstr(entry, " - ");
		if (strtoull(entry, NULL, 10) != id || !dash ||
		    sscanf(dash, " - %63s %255s", type, from) != 2)
			continue;
		snprintf(fstype, size, "%s", type);
		snprintf(source, size, "%s", from);
		found = true;
	}
	free(entry);
	fclose(f);
	return found;
}

const char *dir_missing(const char *dir)
{
	static char why[REASON_MAX];
	char fstype[256] = "an unknown file system", source[256] = "";
	struct statx stx;
	struct stat st;

	if (statx(AT_FDCWD, dir, 0, STATX_TYPE | STATX_MNT_ID, &stx)) {
		snprintf(why, sizeof(why), "--dir %.100s: %s", dir,
			 strerror(errno));
		return why;
	}
	if (!S_ISDIR(stx.stx_mode)) {
		snprintf(why, sizeof(why), "--dir %.100s: not a directory", dir);
		return why;
	}
	if (access(dir, W_OK)) {
		snprintf(why, sizeof(why), "--dir %.100s cannot be written", dir);
		return why;
	}
	/* Some file systems on a device (btrfs) still show an anonymous one. */
	if (stx.stx_dev_major ||
	    (find_mount(stx.stx_mnt_id, fstype, source, sizeof(fstype)) &&
	     !stat(source, &st) && S_ISBLK(st.st_mode)))
		return NULL;
	snprintf(why, sizeof(why),
		 "--dir %.100s is on %.60s, which has no block device", dir, fstype);
	return why;
}

const char *race_file_missing(size_t size)
{
	static char why[REASON_MAX];
	struct statvfs fs;

	if (statvfs(args.dir, &fs))
		race_error("statvfs %s: %s", args.dir, strerror(errno));
	/* What finds the blocks takes blocks, too. */
	if ((uint64_t)fs.f_bfree * fs.f_frsize >= size + size / 16)
		return NULL;
	snprintf(why, sizeof(why), "--dir %.100s has no room for a file of %zu KiB",
		 args.dir, size >> 10);
	return why;
}

static void fill(int fd, size_t size)
{
	static const char zeros[65536];
	size_t len;
	ssize_t n;

	while (size) {
		len = size < sizeof(zeros) ? size : sizeof(zeros);
		n = write(fd, zeros, len);
		if (n <= 0)
			race_error("cannot fill a file in %s: %s", args.dir,
				   strerror(errno));
		size -= n;
	}
	if (fsync(fd))
		race_error("fsync in %s: %s", args.dir, strerror(errno));
}

int race_file(const char *suffix, char *path, size_t size)
{
	const char *missing;
	char name[256];
	int fd;

	if (snprintf(name, sizeof(name), "%s/mmrace-%s-%d%s", args.dir,
		     race.name, getpid(), suffix) >= (int)sizeof(name))
		race_error("--dir %s: name too long", args.dir);
	/* What a killed namesake of ours left is no use to anyone. */
	unlink(name);
	missing = race_file_missing(size);
	if (missing)
		race_skip("%s", missing);
	race_undo_unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		race_error("%s: %s", name, strerror(errno));
	/* Written, not just extended: later stores cannot run out of space. */
	fill(fd, size);
	if (nfiles < FILES_MAX) {
		files[nfiles].fd = fd;
		files[nfiles++].direct = open(name, O_RDONLY | O_DIRECT |
					      O_CLOEXEC);
	}
	if (path)
		strcpy(path, name);
	return fd;
}

static bool cached(int fd, size_t len, off_t off)
{
	unsigned char vec[64];
	size_t page = race_page_size();
	bool in_core = false;
	void *p;

	for (size_t at = 0; at < len && !in_core; at += sizeof(vec) * page) {
		size_t part = len - at < sizeof(vec) * page ? len - at :
			      sizeof(vec) * page;

		p = mmap(NULL, part, PROT_READ, MAP_SHARED, fd, off + at);
		if (p == MAP_FAILED)
			return true;
		if (mincore(p, part, vec))
			in_core = true;
		for (size_t i = 0; i < part / page; i++)
			in_core |= vec[i] & 1;
		munmap(p, part);
	}
	return in_core;
}

static enum durable read_whole(int fd, void *buf, size_t len, off_t off)
{
	ssize_t n;

	for (size_t at = 0; at < len; at += n) {
		n = pread(fd, (char *)buf + at, len - at, off + at);
		if (n <= 0)
			return DURABLE_ERROR;
	}
	return DURABLE_OK;
}

enum durable race_read_durable(int fd, void *buf, size_t len, off_t off)
{
	for (int i = 0; i < nfiles; i++) {
		if (files[i].fd != fd || files[i].direct < 0)
			continue;
		if (read_whole(files[i].direct, buf, len, off) == DURABLE_OK)
			return DURABLE_OK;
		/* O_DIRECT may be granted at open and refused at read. */
		close(files[i].direct);
		files[i].direct = -1;
	}
	posix_fadvise(fd, off, len, POSIX_FADV_DONTNEED);
	if (cached(fd, len, off))
		return DURABLE_CACHED;
	return read_whole(fd, buf, len, off);
}
