// SPDX-License-Identifier: GPL-2.0
/* Ranges of the mmu notifiers, of whatever task: check/notifier.c. */
#include <linux/mmu_notifier.h>

#include "mmrace.h"

void mmr_on_notifier_start(struct mmr_event *ev)
{
	mmr_range_begin((struct mmu_notifier_range *)mmr_arg(ev, MMR_RANGE));
}
NOKPROBE_SYMBOL(mmr_on_notifier_start);

void mmr_on_notifier_end(struct mmr_event *ev)
{
	mmr_range_end((struct mmu_notifier_range *)mmr_arg(ev, MMR_RANGE));
}
NOKPROBE_SYMBOL(mmr_on_notifier_end);

void mmr_on_pte_clear_flush(struct mmr_event *ev)
{
	mmr_check_notifier_covers(ev->mm, mmr_arg(ev, MMR_ADDR));
}
NOKPROBE_SYMBOL(mmr_on_pte_clear_flush);
