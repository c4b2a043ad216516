// SPDX-License-Identifier: GPL-2.0
/*
 * TLB flushes. Where the architecture flushes a range (x86, ppc64), a flush
 * by the task that has a gather open ends what the gather had pending. s390
 * flushes at each change of a pte instead: there the pte that is about to
 * change tells the page, and the gather's own flush ends it.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/ktime.h>

#include "mmrace.h"

static void pte_changes(struct mmr_event *ev)
{
	struct mmr_gather *gather = mmr_gather_of_current();
	pte_t pte;

	if (!gather || gather->mm != ev->mm)
		return;
	pte = READ_ONCE(*(pte_t *)mmr_arg(ev, MMR_PTEP));
	if (pte_present(pte) && pte_dirty(pte) && pfn_valid(pte_pfn(pte)))
		mmr_pending_add(gather, mmr_folio_of((unsigned long)pte_page(pte)));
}
NOKPROBE_SYMBOL(pte_changes);

void mmr_on_tlb_flush(struct mmr_event *ev)
{
	if (ev->tagged && mmr_has_arg(ev->site, MMR_PTEP))
		pte_changes(ev);
}
NOKPROBE_SYMBOL(mmr_on_tlb_flush);

void mmr_on_tlb_flush_end(struct mmr_site *site, struct mmr_call *call)
{
	u64 now = ktime_get_mono_fast_ns();
	struct mmr_gather *gather;

	mmr_hist_add(MMR_HIST_TLB_FLUSH, now - call->start_ns);
	if (mmr_has_arg(site, MMR_PTEP))
		return;
	gather = mmr_gather_of_current();
	if (!gather || (call->mm && call->mm != gather->mm))
		return;
	if (gather->rmap_ns)
		mmr_hist_add(MMR_HIST_RMAP_TO_FLUSH, now - gather->rmap_ns);
	mmr_gather_flushed(gather);
}
NOKPROBE_SYMBOL(mmr_on_tlb_flush_end);
