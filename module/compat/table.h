/* SPDX-License-Identifier: GPL-2.0 */
/* Page tables that wait in a gather, and what they wait for. */
#ifndef MMRACE_COMPAT_TABLE_H
#define MMRACE_COMPAT_TABLE_H

#include <linux/mm.h>

#include "compat/compat.h"
#include "compat/tlb.h"

/*
 * Who walks page tables without locks has interrupts off, so he is done when a grace
 * period is over. The full state: the other one may say for a moment that it is not when the callbacks
 * of that grace period run already (rcu_gp_cleanup(), 6.1 to 6.12).
 */
static inline bool mmr_grace_can_be_asked(void)
{
	return IS_ENABLED(COMPAT_HAVE_RCU_FULL_STATE);
}

static inline void mmr_grace_begin(struct mmr_grace *grace)
{
#ifdef COMPAT_HAVE_RCU_FULL_STATE
	get_state_synchronize_rcu_full(&grace->state);
#endif
}

static inline bool mmr_grace_is_over(struct mmr_grace *grace)
{
#ifdef COMPAT_HAVE_RCU_FULL_STATE
	return poll_state_synchronize_rcu_full(&grace->state);
#else
	return true;
#endif
}

/*
 * s390 up to 6.13 and ppc64 batch the addresses of page tables. x86 gathered its page tables as
 * pages, and left the waiting to the interrupts of its flush (native_tlb_remove_table(), 6.12);
 * since 6.14 it batches descriptors, and so does s390.
 */
static inline bool mmr_tables_are_batched(void)
{
	return IS_ENABLED(CONFIG_MMU_GATHER_RCU_TABLE_FREE) && !IS_ENABLED(CONFIG_X86) &&
	       (!IS_ENABLED(COMPAT_HAVE_PAGETABLE_DTOR_FREE) ||
		IS_ENABLED(CONFIG_HAVE_ARCH_TLB_REMOVE_TABLE));
}

/* The last one in the batch that the kernel knows for a page table still; or NULL. */
static inline struct page *mmr_batched_table(const struct mmu_gather *tlb)
{
#ifdef CONFIG_MMU_GATHER_TABLE_FREE
	const struct mmu_table_batch *batch = tlb->batch;
	unsigned int i;

	if (!mmr_tables_are_batched())
		return NULL;
	for (i = batch ? batch->nr : 0; i > 0; i--) {
		/* The lowest bits are ppc64's and s390's own. */
		unsigned long table = (unsigned long)batch->tables[i - 1] & PAGE_MASK;
		struct page *page = virt_to_page((void *)table);

		if (PageTable(page))
			return page;
	}
#endif
	return NULL;
}

#endif /* MMRACE_COMPAT_TABLE_H */
