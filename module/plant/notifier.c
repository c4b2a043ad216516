// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel does not tell the secondary MMUs (4.13 to 4.15, when the removal
 * of invalidate_page() left callers without a notification).
 *
 * Law: start and end are skipped both or neither. An end alone would take
 * mmu_notifier_subscriptions.active_invalidate_ranges below zero
 * (mn_itree_inv_end(), 5.10 to 7.2), a start alone would stop every mirror and KVM
 * for good. So an end is skipped only when its start was, known by the
 * range, which lives on the stack of the task that goes through it.
 */
#include <linux/sched.h>

#include "mmrace.h"

#define NR_SKIPPED	64

static unsigned long skipped[NR_SKIPPED];	/* addresses of ranges */

static bool note(unsigned long range)
{
	unsigned int i;

	for (i = 0; i < NR_SKIPPED; i++)
		if (!READ_ONCE(skipped[i]) && !cmpxchg(&skipped[i], 0, range))
			return true;
	return false;
}
NOKPROBE_SYMBOL(note);

static bool forget(unsigned long range)
{
	unsigned int i;

	for (i = 0; i < NR_SKIPPED; i++)
		if (READ_ONCE(skipped[i]) == range && cmpxchg(&skipped[i], range, 0) == range)
			return true;
	return false;
}
NOKPROBE_SYMBOL(forget);

bool mmr_plant_skip_notifier(struct mmr_event *ev)
{
	unsigned long range = mmr_arg(ev, MMR_RANGE);

	if (!mmr_plant_site(ev)) {
		if (!ev->tagged)
			return false;
		/* First the count, then the question: pairs with plant_off(). */
		mmr_plant_pair(ev, 1);
		if (!mmr_plant_closing(ev) && note(range))
			return true;
		mmr_plant_pair(ev, -1);
		return false;
	}
	if (!forget(range))
		return false;
	mmr_plant_pair(ev, -1);
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_skip_notifier);
