// SPDX-License-Identifier: GPL-2.0
/* What this kernel and machine are like, so that expectations can depend on it. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>

#include "compat/tlb.h"
#include "mmrace.h"

static const char *mmu_kind(void)
{
#ifdef CONFIG_PPC_BOOK3S_64
	return radix_enabled() ? "radix" : "hash";
#else
	return "native";
#endif
}

static const char *thp(void)
{
	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		return "no";
	return has_transparent_hugepage() ? "yes" : "no";
}

void mmr_caps_show(struct seq_file *m)
{
	seq_printf(m, "page_size %lu\n", PAGE_SIZE);
	seq_printf(m, "pmd_size %lu\n", PMD_SIZE);
	seq_printf(m, "nr_cpus %u\n", num_online_cpus());
	seq_printf(m, "gather %s\n",
		   IS_ENABLED(CONFIG_MMU_GATHER_NO_GATHER) ? "none" : "batched");
	seq_printf(m, "delayed_rmap %s\n", mmr_delayed_rmap());
	seq_printf(m, "preempt %s\n", mmr_preempt_model());
	seq_printf(m, "preempt_count %s\n",
		   IS_ENABLED(CONFIG_PREEMPT_COUNT) ? "yes" : "no");
	seq_printf(m, "thp %s\n", thp());
	seq_printf(m, "mmu %s\n", mmu_kind());
	seq_printf(m, "kprobes %s\n", mmr_probes_are_traps() ? "traps" : "any");
	mmr_checkers_show_caps(m);
}
