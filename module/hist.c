// SPDX-License-Identifier: GPL-2.0
/* Per-CPU histograms of times: bucket n holds [2^n, 2^(n+1)) ns, 0 holds 0 too. */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "mmrace.h"

#define NR_BUCKETS	40	/* the last one begins at 9 minutes */

struct hist {
	u64	count[NR_BUCKETS];
	u64	sum_ns;
};

static struct hist __percpu *hists;

const char *const mmr_hist_names[MMR_NR_HISTS] = {
#define HIST(id, name)	[MMR_HIST_##id] = name,
#include "hists.def"
#undef HIST
};

int mmr_hist_init(void)
{
	hists = __alloc_percpu(sizeof(struct hist) * MMR_NR_HISTS,
			       __alignof__(struct hist));
	return hists ? 0 : -ENOMEM;
}

void mmr_hist_exit(void)
{
	free_percpu(hists);
}

void mmr_hist_reset(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(hists, cpu), 0,
		       sizeof(struct hist) * MMR_NR_HISTS);
}

void mmr_hist_add(enum mmr_hist hist, u64 ns)
{
	unsigned int bucket = ns ? min(ilog2(ns), NR_BUCKETS - 1) : 0;

	this_cpu_inc(hists[hist].count[bucket]);
	this_cpu_add(hists[hist].sum_ns, ns);
}
NOKPROBE_SYMBOL(mmr_hist_add);

void mmr_hist_show(struct seq_file *m, enum mmr_hist hist)
{
	u64 total = 0, sum_ns = 0;
	unsigned int i;
	int cpu;

	for (i = 0; i < NR_BUCKETS; i++) {
		u64 count = 0;

		for_each_possible_cpu(cpu)
			count += READ_ONCE(per_cpu_ptr(hists, cpu)[hist].count[i]);
		total += count;
		if (count)
			seq_printf(m, "%llu %llu %llu\n", i ? 1ULL << i : 0,
				   (1ULL << (i + 1)) - 1, count);
	}
	for_each_possible_cpu(cpu)
		sum_ns += READ_ONCE(per_cpu_ptr(hists, cpu)[hist].sum_ns);
	seq_printf(m, "total %llu %llu\n", total, sum_ns);
}
