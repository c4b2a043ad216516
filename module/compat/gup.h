/* SPDX-License-Identifier: GPL-2.0 */
/* GUP's and the vma's API, whose shape has changed. */
#ifndef MMRACE_COMPAT_GUP_H
#define MMRACE_COMPAT_GUP_H

#include <linux/mm.h>

#include "compat/compat.h"

/* One page of @mm, whose mmap_lock the caller holds; how many were got, or an error. */
static inline long mmr_get_page_remote(struct mm_struct *mm, unsigned long addr,
				       unsigned int flags, struct page **page)
{
#ifdef COMPAT_HAVE_GUP_VMAS
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL);
#endif
}

static inline void mmr_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#ifdef COMPAT_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

#endif /* MMRACE_COMPAT_GUP_H */
