// SPDX-License-Identifier: GPL-2.0
/*
 * Laws that /dev/mmrace judges where it does the work: the mirror's (dev/mirror.c)
 * and that of lazy-MMU sections (dev/kpt.c), each with its reasons there.
 */
#include <linux/sched.h>

#include "compat/lazy.h"
#include "mmrace.h"

const char *mmr_decides_mirror_stale(void)
{
	return NULL;
}

void mmr_check_mirror_page(struct mm_struct *mm, unsigned long addr, int refs)
{
	if (!refs)
		mmr_report(MMR_CHECK_MIRROR_STALE, mm, addr,
			   "the page of a translation had been freed");
}

void mmr_forge_mirror_stale(void)
{
	mmr_check_mirror_page(current->mm, PAGE_SIZE, 0);
}

const char *mmr_decides_lazy_preemptible(void)
{
	return mmr_lazy_needs_cpu() ? NULL :
	       "no batch of a CPU in lazy-MMU sections, or preemption is not counted";
}

void mmr_check_lazy_preemptible(unsigned long addr, bool is_preemptible)
{
	if (is_preemptible)
		mmr_report(MMR_CHECK_LAZY_PREEMPTIBLE, NULL, addr,
			   "preemptible in a lazy-MMU section");
}

void mmr_forge_lazy_preemptible(void)
{
	mmr_check_lazy_preemptible(0, true);
}
