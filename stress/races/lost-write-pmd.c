// SPDX-License-Identifier: GPL-2.0
/*
 * lost-write-pmd: a store through a huge entry of a shared file mapping is lost.
 *
 * Law. As in lost-write: a store that completed through a shared, writable file
 * mapping reaches the file, whatever ended the mapping.
 *
 * The interleaving is that of lost-write, with the whole file in one folio that one
 * entry of the PMD maps. The mending of 6.2 (5df397dec7c4) delays the rmap's removal for entries
 * of page tables only: zap_huge_pmd_folio() of mm/huge_memory.c (7.2), zap_huge_pmd()
 * before, calls folio_remove_rmap_pmd() under the page table's lock and so before the TLB is
 * flushed. Writeback that begins then finds nobody who maps the folio, cleans it and writes it
 * out, while a CPU goes on storing through the stale entry. What meets it is a file
 * system with folios as large as a huge page: ext4 has them since 6.16.
 *
 * How a round is played and judged: lib/file_zap.h.
 */
#include "file_zap.h"
#include "race.h"

static void setup(void)
{
	file_zap_setup(true);
}

const struct race race = {
	.name = "lost-write-pmd",
	.theme = "lost-write",
	.summary = "a store through a huge entry of a shared file mapping must survive the mapping's end",
	.needs = (const char *const[]){ "dir", "thp", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.flush", 500000, 2000000, 1, 800000 },
		{ NULL }
	},
	.control = "skip.tlb.zap",
	.exposure = { "exposure.lost-write", 10 },
	.options = (const struct race_option[]){
		{ "zap", file_zap_names, "mmap-fixed", .help =
		  "what takes the mapping away; all takes turns" },
		{ "clean", file_clean_names, "fdatasync", .help =
		  "what writes the page back meanwhile" },
		{ NULL }
	},
	.actors = FILE_ZAP_ACTORS,
	.setup = setup,
	.prepare = file_zap_prepare,
	.main_act = file_zap_act,
	.judge = file_zap_judge,
	.extra = file_zap_extra,
};
