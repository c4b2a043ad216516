/* SPDX-License-Identifier: GPL-2.0 */
/* Lazy-MMU sections: who has state of a CPU in them. */
#ifndef MMRACE_COMPAT_LAZY_H
#define MMRACE_COMPAT_LAZY_H

#include <linux/mm.h>
#include <linux/pgtable.h>

#include "compat/tlb.h"

/* A section fills a batch of this CPU, and the kernel counts preemption. */
static inline bool mmr_lazy_needs_cpu(void)
{
#if defined(CONFIG_PPC_BOOK3S_64) && defined(CONFIG_PREEMPT_COUNT)
	return !radix_enabled();
#else
	return false;
#endif
}

/*
 * After tlb_flush_mmu(), of a gather none of whose flushes was seen. s390 has no function
 * to see, but a mark that the flush takes away (__tlb_flush_mm_lazy(), 6.1 to
 * 7.2); other threads of the mm set it too, so it says something only when
 * there are none.
 */
static inline bool mmr_flush_is_due(const struct mmu_gather *tlb)
{
#ifdef CONFIG_S390
	return tlb->fullmm && tlb->mm->context.flush_mm;
#else
	return true;
#endif
}

#endif /* MMRACE_COMPAT_LAZY_H */
