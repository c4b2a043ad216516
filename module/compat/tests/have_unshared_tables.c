// SPDX-License-Identifier: GPL-2.0
/*
 * The gather flushes for shared page tables of hugetlb that were given up (6.18, "mm/hugetlb: fix
 * excessive IPI broadcasts when unsharing PMD tables using mmu_gather"); 6.1.176 and
 * 6.12.107 have it, 5.10.223 has not.
 */
#include "../tlb.h"

int mmrace_test(struct mmu_gather *tlb)
{
	return tlb->unshared_tables;
}
