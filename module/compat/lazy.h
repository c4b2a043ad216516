/* SPDX-License-Identifier: GPL-2.0 */
/* Lazy-MMU sections: who has state of a CPU in them. */
#ifndef MMRACE_COMPAT_LAZY_H
#define MMRACE_COMPAT_LAZY_H

#include <linux/mm.h>
#include <linux/pgtable.h>

/* A section fills a batch of this CPU, and the kernel counts preemption. */
static inline bool mmr_lazy_needs_cpu(void)
{
#if defined(CONFIG_PPC_BOOK3S_64) && defined(CONFIG_PREEMPT_COUNT)
	return !radix_enabled();
#else
	return false;
#endif
}

#endif /* MMRACE_COMPAT_LAZY_H */
