// SPDX-License-Identifier: GPL-2.0
/* The gather knows that it works on pages without a struct page of their own (v5.19, b67fbebd4cf9). */
#include "../tlb.h"

int mmrace_test(struct mmu_gather *tlb)
{
	return tlb->vma_pfn;
}
