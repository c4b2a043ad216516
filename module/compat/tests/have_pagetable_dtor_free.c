// SPDX-License-Identifier: GPL-2.0
/* v6.14: page tables are freed by their descriptors, which is what a gather's batch holds. */
#include <linux/mm.h>

void mmrace_test(struct ptdesc *ptdesc)
{
	pagetable_dtor_free(ptdesc);
}
