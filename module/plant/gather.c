// SPDX-License-Identifier: GPL-2.0
/* Plants in a gather's flush, beyond those of a zap (zap.c). */
#include "compat/gather.h"
#include "compat/skip.h"
#include "compat/tlb.h"
#include "mmrace.h"

/*
 * mprotect() takes rights away in change_protection() and flushes through its
 * gather (v5.19, 4a18419f71cd "mm/mprotect: use mmu_gather"), in 5.10 by itself: that
 * flush is skipped. The pages stay where they are.
 */
bool mmr_plant_skip_tlb_protect(struct mmr_event *ev)
{
	struct mmr_gather *gather = mmr_gather_of_current();

	if (!gather)
		return mmr_plant_site(ev) && mmr_plant_known_caller(ev);
	if (!mmr_plant_site(ev)) {
		gather->mprotect = true;
		return false;
	}
	if (!gather->mprotect || (ev->mm && ev->mm != gather->mm))
		return false;
	gather->mprotect = false;
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_skip_tlb_protect);

/*
 * A page table of hugetlb that was shared is given up, and nothing is flushed (CVE-2021-4002,
 * a4a118f2eead): the pages stay the file's. The gather of huge_pmd_unshare_flush()
 * knows why it flushes.
 */
bool mmr_plant_skip_tlb_unshare(struct mmr_event *ev)
{
	struct mmr_gather *gather = mmr_gather_of_current();

	return gather && ev->mm == gather->mm &&
	       mmr_gather_unshares((struct mmu_gather *)gather->tlb);
}
NOKPROBE_SYMBOL(mmr_plant_skip_tlb_unshare);

/*
 * The whole mm is taken for flushed before it is torn down (2012, s390 and
 * others: one flush at tlb_gather_mmu(), none later). What was filled since
 * stays, for as long as its tag (PCID, PID, ASCE) means this mm.
 */
bool mmr_plant_early_fullmm(struct mmr_event *ev)
{
	struct mmr_gather *gather = mmr_gather_of_current();

	if (!gather || (ev->mm && ev->mm != gather->mm) ||
	    !((struct mmu_gather *)gather->tlb)->fullmm)
		return false;
	if (IS_ENABLED(CONFIG_S390)) {
		if (mmr_forget_lazy_flush(gather->mm))
			mmr_plant_hit(ev);
		return false;
	}
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_early_fullmm);
