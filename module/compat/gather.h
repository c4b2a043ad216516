/* SPDX-License-Identifier: GPL-2.0 */
/* What a gather says about itself. */
#ifndef MMRACE_COMPAT_GATHER_H
#define MMRACE_COMPAT_GATHER_H

#include "compat/compat.h"
#include "compat/tlb.h"

/* Whether what is to be flushed is a shared page table that was given up. */
static inline bool mmr_gather_unshares(const struct mmu_gather *tlb)
{
#ifdef COMPAT_HAVE_UNSHARED_TABLES
	return tlb->unshared_tables;
#else
	return false;
#endif
}

/* Whether it works on what is mapped by page numbers. */
static inline bool mmr_gather_is_pfn(const struct mmu_gather *tlb)
{
#ifdef COMPAT_HAVE_VMA_PFN
	return tlb->vma_pfn;
#else
	return false;
#endif
}

#endif /* MMRACE_COMPAT_GATHER_H */
