// SPDX-License-Identifier: GPL-2.0
/*
 * thp-split-gup: an access misses a huge page's split or collapse.
 *
 * Law. However a huge page is split and collapsed again, all ways to one address
 * reach one page: a CPU's translation, and the page that get_user_pages()
 * finds, also without taking locks. So a split invalidates the huge
 * translation, at its own address, before the small ones count; a collapse flushes the
 * small ones before it copies; and a page table is not taken away while somebody
 * without locks may walk it.
 *
 * The interleaving (s390 in 2016 invalidated the wrong address):
 *
 *   split (CPU 0)                     store (CPU 1)      GUP (CPU 2)
 *   ------------------------------    ---------------    ------------------
 *                                     p[0] = 41
 *   invalidate a huge entry, but
 *   not the one that CPU 1 has cached
 *   put a page table in its place
 *   later: move the small page
 *   (collapse, migration, reclaim)
 *                                                        reads the new page
 *                                     p[0] = 42, into
 *                                     the old page
 *                                                        reads 41: stale
 *
 * Oracle: lib/words.h. The peer is the GUP side; where it can, it stores, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "crowd.h"
#include "race.h"

static const char *const way_names[] = {
	"process_vm", "direct", "vmsplice", "uring", "pin", "all", NULL
};

static const char *const change_names[] = {
	"split", "folio-split", "collapse", "khugepaged", "pageout", "fork", "migrate",
	"all", NULL
};

static const struct crowd crowd = {
	.ways = (const struct way *const[]){
		&way_process_vm, &way_direct, &way_vmsplice, &way_uring,
		&way_pin, NULL
	},
	.changes = (const struct change *const[]){
		&change_split, &change_folio_split, &change_collapse,
		&change_khugepaged, &change_pageout, &change_fork,
		&change_migrate, NULL
	},
	.planted = (const struct change *const[]){
		&change_collapse, &change_khugepaged, NULL
	},
	.calls = 8,
	.delay_ns = 100000,
};

static void setup(void)
{
	size_t huge = race_pmd_size();
	char *p = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct region region = {
		.mem = (char *)(((uintptr_t)p + huge - 1) / huge * huge),
		/* The last page is nobody's: dropping it splits the huge page. */
		.pages = huge / race_page_size() - 1,
		.unit = huge,
		.len = huge,
		.file = -1,
	};

	if (p == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	if (madvise(region.mem, huge, MADV_HUGEPAGE))
		race_skip("MADV_HUGEPAGE: %s", strerror(errno));
	crowd_setup(&crowd, region);
	crowd_setup_memory();
}

const struct race race = {
	.name = "thp-split-gup",
	.theme = "thp-split-gup",
	.summary = "CPU and get_user_pages() see one memory while huge pages split and collapse",
	.needs = (const char *const[]){ "thp", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "thp.pmd.invalidate", 50000, 500000, 1, 200000 },
		{ "thp.collapse.flush", 50000, 500000, 1, 200000 },
		{ "gup.fast.grab", 50000, 500000, 4, 200000 },
		{ NULL }
	},
	.control = "skip.table.sync|thp.wrong-address",
	.exposure = { "probe.thp.split.pmd", 4 },
	.options = (const struct race_option[]){
		CROWD_WAY(way_names),
		CROWD_CHANGE(change_names),
		{ "memory", crowd_memories, "all", .help =
		  "private memory, a mapping of shared memory or of a file in --dir; all takes turns" },
		{ NULL }
	},
	.setup = setup,
	CROWD_FUNCTIONS,
};
