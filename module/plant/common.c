// SPDX-License-Identifier: GPL-2.0
/* Plants that need to know nothing beyond the call itself. */
#include <linux/mm.h>

#include "compat/skip.h"
#include "mmrace.h"

bool mmr_plant_skip_if_tagged(struct mmr_event *ev)
{
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_skip_if_tagged);

/*
 * The bug of 4.5-rc: the split of a huge page invalidated the pmd with the
 * address that its loop over the ptes had advanced past the huge page.
 */
bool mmr_plant_thp_wrong_address(struct mmr_event *ev)
{
	mmr_set_argument(ev->regs, ev->site->arg[MMR_ADDR],
			 mmr_arg(ev, MMR_ADDR) + PMD_SIZE);
	mmr_plant_hit(ev);
	return false;
}
NOKPROBE_SYMBOL(mmr_plant_thp_wrong_address);
