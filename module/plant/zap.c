// SPDX-License-Identifier: GPL-2.0
/*
 * Plants in the flush of ptes that go. Those of a zap act on gathers that found a dirty page of
 * a file since their last flush, and never when a whole mm goes away: so what
 * a stale translation reaches is a page of the page cache.
 */
#include "compat/gather.h"
#include "compat/skip.h"
#include "compat/tlb.h"
#include "mmrace.h"

static struct mmr_gather *dirty_gather(const struct mmr_event *ev)
{
	struct mmr_gather *gather = mmr_gather_of_current();

	if (!gather || !gather->dirty || (ev->mm && ev->mm != gather->mm))
		return NULL;
	if (((struct mmu_gather *)gather->tlb)->fullmm)
		return NULL;
	return gather;
}
NOKPROBE_SYMBOL(dirty_gather);

/* s390 has no flush to skip but the one inside the change of the pte. */
static bool change_unflushed(struct mmr_event *ev)
{
	pte_t *ptep = (pte_t *)mmr_arg(ev, MMR_PTEP);
	pte_t pte = READ_ONCE(*ptep);

	if (!pte_present(pte) || !pte_dirty(pte))
		return false;
	return mmr_exchange_unflushed(ev->regs, ev->mm, ptep, mmr_arg(ev, MMR_PTE));
}
NOKPROBE_SYMBOL(change_unflushed);

/*
 * ptep_clear_flush() clears, and does not flush. s390 inlines it: what is left is
 * ptep_xchg_direct() with an invalid entry, which zaps do not call (they call
 * ptep_xchg_lazy(), arch/s390/include/asm/pgtable.h, 6.1 to 7.2).
 */
bool mmr_plant_skip_tlb_pte(struct mmr_event *ev)
{
	pte_t *ptep = (pte_t *)mmr_arg(ev, MMR_PTEP);

	if (!mmr_has_arg(ev->site, MMR_PTEP))
		return true;
	return pte_present(READ_ONCE(*ptep)) && !pte_present(__pte(mmr_arg(ev, MMR_PTE))) &&
	       mmr_exchange_unflushed(ev->regs, ev->mm, ptep, mmr_arg(ev, MMR_PTE));
}
NOKPROBE_SYMBOL(mmr_plant_skip_tlb_pte);

/*
 * ppc64 flushes a huge entry at once when it is cleared (pmdp_huge_get_and_clear_full(), 6.1 to
 * 7.2), before the folio is marked dirty: what is shared memory of a file counts as such.
 */
static bool huge_entry_unflushed(const struct mmr_event *ev)
{
	const struct vm_area_struct *vma = (struct vm_area_struct *)mmr_arg(ev, MMR_VMA);
	const struct mmr_gather *gather = mmr_gather_of_current();

	return gather && gather->mm == ev->mm && vma->vm_file && (vma->vm_flags & VM_SHARED) &&
	       !((struct mmu_gather *)gather->tlb)->fullmm;
}
NOKPROBE_SYMBOL(huge_entry_unflushed);

/* The zap never flushes what it unhooked until here. */
bool mmr_plant_skip_tlb_zap(struct mmr_event *ev)
{
	struct mmr_gather *gather;

	if (mmr_has_arg(ev->site, MMR_VMA))
		return huge_entry_unflushed(ev);
	if (mmr_has_arg(ev->site, MMR_PTEP)) {
		gather = mmr_gather_of_current();
		return gather && gather->mm == ev->mm && change_unflushed(ev);
	}
	gather = dirty_gather(ev);
	if (!gather)
		return false;
	gather->dirty = false;
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_skip_tlb_zap);

/*
 * What is mapped by page numbers is taken away without a flush: the pages are the
 * driver's, no gather holds them. Up to 5.18 munmap() did so at the wrong time
 * (CVE-2022-39188, b67fbebd4cf9). A flush for page tables or for other pages is
 * left alone.
 */
bool mmr_plant_skip_tlb_pfn(struct mmr_event *ev)
{
	struct mmr_gather *gather = mmr_gather_of_current();
	const struct mmu_gather *tlb;

	if (!gather || (ev->mm && ev->mm != gather->mm))
		return false;
	tlb = (struct mmu_gather *)gather->tlb;
	if (mmr_has_arg(ev->site, MMR_VMA)) {
		const struct vm_area_struct *vma = (struct vm_area_struct *)mmr_arg(ev, MMR_VMA);

		gather->pfn = vma->vm_flags & VM_PFNMAP;
		return false;
	}
	/* The kernel's own mark is there where unmap_page_range() is inlined. */
	if (tlb->fullmm || !(gather->pfn || mmr_gather_is_pfn(tlb)))
		return false;
	if (mmr_has_arg(ev->site, MMR_PTEP))
		return change_unflushed(ev);
	if (tlb->freed_tables || gather->unflushed)
		return false;
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_skip_tlb_pfn);

/*
 * Undoes v6.2, 5df397dec7c4 ("mm: delay page_remove_rmap() until after the
 * TLB has been flushed"). zap_pte_range() calls (6.12, 7.2), under the page
 * table lock, the flush and then tlb_flush_rmaps(), and after it unlocked,
 * tlb_flush_mmu(). Skipping the first and giving the gather its range back
 * at the second leaves the flush to the third: the rmap goes first, as before
 * the fix, and no page is freed unflushed.
 */
bool mmr_plant_early_rmap(struct mmr_event *ev)
{
	struct mmr_gather *gather;
	struct mmu_gather *tlb;

	if (mmr_has_arg(ev->site, MMR_VMA)) {
		gather = mmr_gather_of_current();
		tlb = (struct mmu_gather *)mmr_arg(ev, MMR_TLB);
		if (gather && gather->range.end && gather->tlb == (unsigned long)tlb) {
			tlb->start = gather->range.start;
			tlb->end = gather->range.end;
			tlb->freed_tables = gather->range.freed_tables;
			tlb->cleared_ptes = gather->range.cleared_ptes;
			tlb->cleared_pmds = gather->range.cleared_pmds;
			tlb->cleared_puds = gather->range.cleared_puds;
			tlb->cleared_p4ds = gather->range.cleared_p4ds;
			gather->range.end = 0;
			/* The flush that follows is this gather's real one. */
			gather->dirty = false;
			mmr_plant_hit(ev);
		}
		return false;
	}
	gather = dirty_gather(ev);
	if (!gather)
		return false;
	tlb = (struct mmu_gather *)gather->tlb;
	gather->range = (struct mmr_gather_range) {
		.start = tlb->start,
		.end = tlb->end,
		.freed_tables = tlb->freed_tables,
		.cleared_ptes = tlb->cleared_ptes,
		.cleared_pmds = tlb->cleared_pmds,
		.cleared_puds = tlb->cleared_puds,
		.cleared_p4ds = tlb->cleared_p4ds,
	};
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_early_rmap);
