// SPDX-License-Identifier: GPL-2.0
/*
 * lost-write: a store through a shared file mapping is lost.
 *
 * Law. A store that completed through a shared, writable file mapping reaches the
 * file, whatever ended the mapping: once the range is unmapped, fdatasync()
 * makes the storage hold that store or a later one. So whoever takes a dirty
 * entry out of a page table must keep the page from being cleaned until no CPU can
 * store through a stale translation any more. And when the call that takes the
 * mapping away has returned, no store that begins later completes through it.
 *
 * The interleaving that broke it up to Linux 6.1 (delayed rmap, 5df397dec7c4):
 *
 *   zap (CPU 0)              clean (CPU 1)               store (CPU 2)
 *   ---------------------    ------------------------    ---------------------
 *                                                        page[0] = 41
 *   take the entry away,
 *   dirty bit goes to page
 *   page is mapped nowhere
 *                            page is dirty: clear it,
 *                            nobody maps the page, so
 *                            no entry to write-protect
 *                            write 41 to the storage
 *                                                        page[0] = 42, through
 *                                                        a stale dirty entry:
 *                                                        nothing marks the page
 *   flush the TLB
 *                                                        page[0] = 43: SIGSEGV
 *   page is clean, dropped:
 *   42 is gone
 *
 * How a round is played and judged: lib/file_zap.h.
 */
#include "file_zap.h"
#include "race.h"

static void setup(void)
{
	file_zap_setup(false);
}

const struct race race = {
	.name = "lost-write",
	.theme = "lost-write",
	.summary = "a store through a shared file mapping must survive the mapping's end",
	.needs = (const char *const[]){ "dir", "cpus>=2", NULL },
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
		{ "pages", NULL, "0", 0, 4096,
		  "most pages mapped, and zapped at once; 0: 2 MiB of them" },
		{ NULL }
	},
	.actors = FILE_ZAP_ACTORS,
	.setup = setup,
	.prepare = file_zap_prepare,
	.main_act = file_zap_act,
	.judge = file_zap_judge,
	.extra = file_zap_extra,
};
