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
 * Reclaim forgets that a page was stored to since MADV_FREE, and throws it away: the
 * entry's dirty bit does not reach the folio (try_to_unmap_one(), 5.10 to 7.2).
 */
bool mmr_plant_skip_dirty_unmap(struct mmr_event *ev)
{
	enum mmr_role role = mmr_has_arg(ev->site, MMR_FOLIO) ? MMR_FOLIO : MMR_PAGE;

	return mmr_is_lazyfree((struct page *)mmr_arg(ev, role));
}
NOKPROBE_SYMBOL(mmr_plant_skip_dirty_unmap);

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

/*
 * A collapse takes the table of the small pages away and flushes nothing. s390 inlines
 * pmdp_collapse_flush(): there it is the exchange of the pmd (arch/s390/include/asm/pgtable.h,
 * 6.1 to 7.2).
 */
bool mmr_plant_skip_table_sync(struct mmr_event *ev)
{
	if (!mmr_has_arg(ev->site, MMR_PTEP))
		return true;
	return mmr_exchange_unflushed(ev->regs, ev->mm, (pte_t *)mmr_arg(ev, MMR_PTEP),
				      mmr_arg(ev, MMR_PTE));
}
NOKPROBE_SYMBOL(mmr_plant_skip_table_sync);

/*
 * clear_refs takes the right to store away and does not flush. s390 flushes each entry, in
 * ptep_modify_prot_start() (arch/s390/mm/pgtable.c, 6.1 to 7.2).
 */
bool mmr_plant_skip_tlb_softdirty(struct mmr_event *ev)
{
	if (!mmr_has_arg(ev->site, MMR_PTEP))
		return true;
	return mmr_modify_unflushed(ev->regs, ev->mm, (pte_t *)mmr_arg(ev, MMR_PTEP));
}
NOKPROBE_SYMBOL(mmr_plant_skip_tlb_softdirty);
