// SPDX-License-Identifier: GPL-2.0
/*
 * v6.5, ca5e863233e8 ("mm/gup: remove vmas parameter from
 * get_user_pages_remote()"): until then it had one.
 */
#include <linux/mm.h>

long mmrace_test(struct mm_struct *mm, struct page **page)
{
	return get_user_pages_remote(mm, 0, 1, 0, page, NULL, NULL);
}
