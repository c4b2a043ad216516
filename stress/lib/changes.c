// SPDX-License-Identifier: GPL-2.0
/* What changes have in common. Sizes are drawn so that one page and all of them are equally likely. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "change.h"
#include "core.h"
#include "words.h"

char *change_some(const struct region *r, struct rng *rng, size_t *len)
{
	size_t first = 0, pages = r->pages, skip;

	if (rng_below(rng, 2))
		words_hot(&first, &pages);
	skip = rng_below(rng, pages);
	*len = rng_log(rng, pages - skip) * race_page_size();
	return r->mem + (first + skip) * race_page_size();
}

const char *change_switch(const char *path, const char *value)
{
	char old[32];

	if (race_read_file(path, old, sizeof(old)) || access(path, W_OK))
		return "needs the kernel's switches for it, and root";
	race_undo_write(path, old);
	return race_write_file(path, value) ? strerror(errno) : NULL;
}

void change_touch(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i += race_page_size())
		(void)*(const volatile char *)(at + i);
}

bool change_map(const struct region *r, char *at, size_t len)
{
	int flags = r->file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	/* Without MAP_NORESERVE it stays a VMA of its own: none is huge then. */
	if (mmap(at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE,
		 r->file, r->file < 0 ? 0 : at - r->mem) == MAP_FAILED)
		return false;
	if (r->unit > race_page_size())
		madvise(at, len, MADV_HUGEPAGE);
	return true;
}

bool change_drop(const struct region *r, char *at, size_t len)
{
	/* Of a file's memory it would only end the mapping. */
	return !madvise(at, len, r->file < 0 ? MADV_DONTNEED : MADV_REMOVE);
}
