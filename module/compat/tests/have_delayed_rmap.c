// SPDX-License-Identifier: GPL-2.0
/*
 * v6.2, 5df397dec7c4 ("mm: delay page_remove_rmap() until after the TLB has
 * been flushed"): the fix of the lost-write race, visible in the gather.
 */
#include <linux/mm.h>
#include "compat/tlb.h"

unsigned int mmrace_test(struct mmu_gather *tlb)
{
	return tlb->delayed_rmap;
}
