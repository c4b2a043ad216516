// SPDX-License-Identifier: GPL-2.0
/*
 * v6.2, 5df397dec7c4 ("mm: delay page_remove_rmap() until after the TLB has
 * been flushed"): __tlb_remove_page_size() is told whether the rmap removal
 * is delayed; later kernels ask only __tlb_remove_folio_pages().
 */
#include <linux/mm.h>
#include "compat/tlb.h"

bool mmrace_test(struct mmu_gather *tlb, struct page *page)
{
	return __tlb_remove_page_size(tlb, page, true, 1);
}
