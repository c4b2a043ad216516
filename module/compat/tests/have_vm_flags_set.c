// SPDX-License-Identifier: GPL-2.0
/*
 * v6.3, bc292ab00f6c ("mm: introduce vma->vm_flags wrapper functions"): the
 * flags can no longer be written to.
 */
#include <linux/mm.h>

void mmrace_test(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_IO);
}
