// SPDX-License-Identifier: GPL-2.0
/* Splits: of the mapping, by a VMA's border inside a huge page or a hole in it; of the page itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "change.h"
#include "core.h"

static bool split(const struct region *r, struct rng *rng)
{
	size_t page = race_page_size(), len;
	char *at = change_some(r, rng, &len), *nobodys = r->mem + r->pages * page;
	int err;

	switch (rng_below(rng, 4)) {
	case 0:
		/* New entries, too; writable and executable may be forbidden. */
		err = mprotect(at, len, PROT_READ | PROT_WRITE | PROT_EXEC);
		if (err && errno == EACCES)
			return false;
		err = err || mprotect(at, len, PROT_READ | PROT_WRITE);
		break;
	case 1:
		err = madvise(at, len, MADV_DONTFORK) ||
		      madvise(at, len, MADV_DOFORK);
		break;
	case 2:
		err = !change_map(r, nobodys, page);
		break;
	default:
		err = !change_drop(r, nobodys, page);
		break;
	}
	if (err)
		race_error("split: %s", strerror(errno));
	return true;
}

const struct change change_split = {
	.name = "split",
	.exposure = { "probe.thp.split.pmd", 4 },
	.make = split,
};

#define SPLIT	"/sys/kernel/debug/split_huge_pages"

static bool split_folios(char *at, size_t len)
{
	char text[64];

	snprintf(text, sizeof(text), "%d,%p,%p", getpid(), (void *)at, (void *)(at + len));
	return !race_write_file(SPLIT, text);
}

static bool folio_split(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = change_some(r, rng, &len);

	return split_folios(at, len);
}

static const char *folio_split_setup(const struct region *r)
{
	if (r->unit == race_page_size())
		return "needs transparent huge pages";
	return split_folios(r->mem, race_page_size()) ? NULL :
	       "needs " SPLIT " that takes addresses, and root";
}

const struct change change_folio_split = {
	.name = "folio-split",
	.exposure = { "probe.thp.split.folio", 4 },
	.setup = folio_split_setup,
	.make = folio_split,
};
