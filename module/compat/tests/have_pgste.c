// SPDX-License-Identifier: GPL-2.0
/*
 * s390: guest storage keys lived beside the page table (pgste) until KVM
 * managed guest memory by itself; 6.12 has them, 7.2 has not.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>

int mmrace_test(struct mm_struct *mm)
{
	return mm_has_pgste(mm);
}
