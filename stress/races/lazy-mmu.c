// SPDX-License-Identifier: GPL-2.0
/*
 * lazy-mmu: batched changes of page tables are lost, late or in the wrong context.
 *
 * Law. Changes of entries that an architecture collects (ppc64 with the hash MMU, paravirtual
 * guests) are done when the section that collects them ends, and whoever is in
 * such a section is not preempted nor sleeps: the collection is the CPU's. That holds for
 * user entries, under the page table's lock, and for the kernel's own, which swapon() and
 * swapoff() make and take away with their vmalloc areas.
 *
 * The interleaving (2011: swapon and swapoff, "using smp_processor_id() in preemptible"):
 *
 *   swapoff (CPU 0)                            another task (CPU 0)
 *   -----------------------------------------  ---------------------------
 *   walk the kernel's page tables,
 *   entries go into the CPU's collection
 *   preempted
 *                                              its own section begins on the
 *                                              same collection, and is flushed
 *   continue, on another CPU: flush
 *   what is not there; old translations stay
 *
 * Private pages are swapped out, and in by swapoff, again and again, entries are changed in
 * batches (fork, mprotect), and kernel page tables are made, walked and taken away by the
 * module's device. Oracle: lib/words.h, the device's own, and the kernel's log.
 */
#include "crowd.h"
#include "race.h"

static const char *const way_names[] = { "cpu", "process_vm", "all", NULL };

static const char *const change_names[] = {
	"swapcycle", "fork", "split", "pageout", "kernel", "all", NULL
};

static const struct crowd crowd = {
	.ways = (const struct way *const[]){ &way_cpu, &way_process_vm, NULL },
	.changes = (const struct change *const[]){
		&change_swapcycle, &change_fork, &change_split, &change_pageout,
		&change_kernel, NULL
	},
	.planted = (const struct change *const[]){
		&change_swapcycle, &change_fork, &change_pageout, NULL
	},
	.calls = 6,
	.delay_ns = 100000,
};

static void setup(void)
{
	crowd_setup_by_options(&crowd);
	/* fork() copies entries in sections of the same kind. */
	if (!crowd_makes(&change_swapcycle))
		race_exposed_by((struct race_exposure){ "probe.cow", 100 });
}

const struct race race = {
	.name = "lazy-mmu",
	.theme = "lazy-mmu",
	.summary = "batched page-table changes are done in time, and in one context",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "kpt.apply", 50000, 300000, 2, 200000 },
		{ "kpt.vunmap", 50000, 300000, 2, 200000 },
		{ "swap.off", 50000, 300000, 4, 200000 },
		{ "hash.batch", 1000, 20000, 16, 200000 },
		{ NULL }
	},
	.control = "skip.tlb.batch|skip.tlb.pte",
	.exposure = { "probe.swap.off", 10 },
	.options = (const struct race_option[]){
		CROWD_WAY(way_names),
		CROWD_CHANGE(change_names),
		CROWD_SIZE("small"),
		CROWD_PAGES,
		{ NULL }
	},
	.setup = setup,
	CROWD_FUNCTIONS,
};
