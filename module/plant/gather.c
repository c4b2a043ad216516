// SPDX-License-Identifier: GPL-2.0
/* Plants in a gather's flush, beyond those of a zap (zap.c). */
#include "compat/skip.h"
#include "compat/tlb.h"
#include "mmrace.h"

/*
 * mprotect() takes rights away in change_protection() and flushes through its
 * gather (v5.19, 4a18419f71cd "mm/mprotect: use mmu_gather"): that flush is
 * skipped. The pages stay where they are.
 */
bool mmr_plant_skip_tlb_protect(struct mmr_event *ev)
{
	struct mmr_gather *gather = mmr_gather_of_current();

	if (!gather)
		return false;
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

/*
 * ppc64 with the hash MMU: a batch of entries to flush is forgotten. Batches of
 * kernel addresses are left alone: what they lead to would be anybody's.
 */
bool mmr_plant_skip_hash_batch(struct mmr_event *ev)
{
	unsigned long batch = mmr_arg(ev, MMR_BATCH);

	if (!mmr_batch_is_users(batch))
		return false;
	mmr_empty_batch(batch);
	return true;
}
NOKPROBE_SYMBOL(mmr_plant_skip_hash_batch);
