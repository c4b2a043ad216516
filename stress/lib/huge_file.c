// SPDX-License-Identifier: GPL-2.0
/* Files whose shared mapping is huge. See huge_file.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "huge_file.h"
#include "race.h"

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

int huge_shmem(size_t len, const char **missing)
{
	char old[128], *set, *end;
	int file;

	*missing = "needs " SHMEM_ENABLED ", and root";
	if (race_read_file(SHMEM_ENABLED, old, sizeof(old)))
		return -1;
	set = strchr(old, '[');
	end = set ? strchr(set, ']') : NULL;
	if (!end || access(SHMEM_ENABLED, W_OK))
		return -1;
	*end = '\0';
	race_undo_write(SHMEM_ENABLED, set + 1);
	if (race_write_file(SHMEM_ENABLED, "advise"))
		return -1;
	file = memfd_create("mmrace-huge", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, len))
		race_error("memfd_create: %s", strerror(errno));
	return file;
}

int huge_file(size_t len, const char **missing)
{
	*missing = race_need_missing("dir");
	if (!*missing)
		*missing = race_file_missing(len);
	return *missing ? -1 : race_file(".huge", NULL, len);
}

void huge_file_write(int file, const char *from, size_t len)
{
	/* By one call: what is written at once may become one folio. */
	if (ftruncate(file, 0) || pwrite(file, from, len, 0) != (ssize_t)len)
		race_error("write in %s: %s", race_dir(), strerror(errno));
}

bool huge_file_mapped(const char *at)
{
	char *entry = NULL, where[32];
	FILE *f = fopen("/proc/self/smaps", "re");
	size_t room = 0;
	unsigned long kb = 0;
	bool there = false;

	if (!f)
		return false;
	snprintf(where, sizeof(where), "%lx-", (unsigned long)at);
	while (!kb && getline(&entry, &room, f) > 0) {
		if (strstr(entry, where) == entry)
			there = true;
		else if (there && sscanf(entry, "FilePmdMapped: %lu", &kb) == 1)
			break;
	}
	free(entry);
	fclose(f);
	return kb << 10 >= race_pmd_size();
}
