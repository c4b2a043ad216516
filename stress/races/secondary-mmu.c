// SPDX-License-Identifier: GPL-2.0
/*
 * secondary-mmu: a second MMU is left with a translation that is gone.
 *
 * Law. A translation that somebody else than the CPU keeps (KVM for a guest, a device, the
 * module's mirror) is taken back by its notifier before the page behind the address is
 * another one, and is not taken anew from the old entry before that is over: the
 * notifier's start comes before the change and its end after it, on every way that
 * changes an entry.
 *
 * The interleaving (in 2017 the notifier's callback for single pages was lost from
 * rmap's walks, KSM and COW, and guests' memory was corrupted under pressure):
 *
 *   change (CPU 0)                       guest (CPU 1)
 *   -----------------------------------  ------------------------------------
 *                                        p[0] = 41: translation is cached
 *   take the entry away (swap, KSM,
 *   migration, collapse, COW); the
 *   notifier is not called, or too early
 *   write the page out, copy it: 41
 *                                        p[0] = 42, into the old page
 *   fault the new page in: 41
 *                                        what the CPU reads is not what the
 *                                        guest has stored
 *
 * Oracle: lib/words.h. The peer is the second MMU.
 *
 * The control takes the notifier away, and a virtual CPU that nobody tells goes on storing
 * into what has a new owner: all of the machine would be the victim. (The mirror holds the
 * pages that it has translations of.) So the virtual CPU has a control run of its own, "--way
 * kvm", in which old pages are kept (lib/change_kept.c).
 */
#include <string.h>

#include "crowd.h"
#include "race.h"
#include "words.h"

static const char *const way_names[] = { "mirror", "kvm", "all", NULL };

static const char *const change_names[] = {
	"ksm", "pageout", "swapoff", "migrate", "fork", "softdirty", "split",
	"folio-split", "collapse", "all", NULL
};

#define CALLS		8
#define DELAY_NS	200000

static const struct change *const changes[] = {
	&change_ksm, &change_pageout, &change_swapoff, &change_migrate, &change_fork,
	&change_softdirty, &change_split, &change_folio_split, &change_collapse, NULL
};

static const struct crowd crowd = {
	.ways = (const struct way *const[]){ &way_mirror, &way_kvm, NULL },
	.changes = changes,
	.calls = CALLS,
	.delay_ns = DELAY_NS,
};

static const struct crowd planted = {
	.ways = (const struct way *const[]){ &way_mirror, NULL },
	.changes = changes,
	.calls = CALLS,
	.delay_ns = DELAY_NS,
};

static const struct crowd planted_kvm = {
	.ways = (const struct way *const[]){ &way_kvm, NULL },
	.changes = (const struct change *const[]){ &change_kept, NULL },
	.calls = CALLS,
	.delay_ns = DELAY_NS,
};

/*
 * All that the virtual CPU will ever ask KVM for. A fault of its that finds another page
 * behind an address than KVM knows stops the kernel (tdp_mmu.c, __handle_changed_spte(), 6.12 and 7.2).
 */
static void fault_in(void)
{
	for (size_t page = 0; page < race_option_number("pages"); page++)
		way_kvm.set(words_at(0, page), 0);
}

static void setup(void)
{
	bool all = !strcmp(race_option("change"), "all");

	if (race_mode() != MODE_CONTROL) {
		crowd_setup_by_options(&crowd);
	} else if (strcmp(race_option("way"), "kvm")) {
		race_note("--way kvm is left out: against a plant it has a run of its own");
		crowd_setup_by_options(&planted);
	} else if (!all) {
		race_skip("--way kvm --change %s: against a plant only with a change that keeps the old pages, --change all",
			  race_option("change"));
	} else {
		crowd_setup(&planted_kvm,
			    crowd_region(SMALL, race_option_number("pages")));
		fault_in();
	}
}

const struct race race = {
	.name = "secondary-mmu",
	.theme = "secondary-mmu",
	.summary = "a virtual CPU or a device sees what the CPU sees, whatever changes below them",
	.needs = (const char *const[]){ "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "rmap.map", 50000, 300000, 4, 200000 },
		{ "notifier.start", 50000, 300000, 4, 200000 },
		{ "notifier.end", 50000, 300000, 4, 200000 },
		{ "notifier.kvm.pfn", 500000, 3000000, 2, 400000 },
		{ "pte.clear_flush", 50000, 300000, 4, 100000 },
		{ NULL }
	},
	.control = "skip.notifier",
	.exposure = { "probe.notifier.start", 100 },
	.options = (const struct race_option[]){
		CROWD_WAY(way_names),
		CROWD_CHANGE(change_names),
		CROWD_SIZE("mixed"),
		CROWD_PAGES,
		{ NULL }
	},
	.setup = setup,
	CROWD_FUNCTIONS,
};
