// SPDX-License-Identifier: GPL-2.0
/*
 * v5.18, cea86fe246b6 ("mm/munlock: rmap call mlock_vma_page()
 * munlock_vma_page()"): page_remove_rmap() is told the vma.
 */
#include <linux/rmap.h>

void mmrace_test(struct page *page, struct vm_area_struct *vma)
{
	page_remove_rmap(page, vma, false);
}
