// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU counters. Incrementing is one instruction or an interrupt-safe
 * section on every architecture; reading sums over CPUs and is exact
 * only once the counted work has stopped.
 */
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "mmrace.h"

struct mmr_counters __percpu *mmr_counters;

static const char *const counter_names[] = {
#define COUNTER(id, name)	[MMR_##id] = name,
#include "counters.def"
#undef COUNTER
};
static_assert(ARRAY_SIZE(counter_names) == MMR_NR_COUNTERS);

int mmr_counters_init(void)
{
	mmr_counters = alloc_percpu(struct mmr_counters);
	return mmr_counters ? 0 : -ENOMEM;
}

void mmr_counters_exit(void)
{
	free_percpu(mmr_counters);
}

/* An increment on another CPU meanwhile may survive or not: both are true. */
void mmr_counters_reset(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(mmr_counters, cpu), 0, sizeof(*mmr_counters));
}

u64 mmr_probe_hits(enum mmr_probe_id id)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(mmr_counters, cpu)->hits[id]);
	return sum;
}

static u64 probe_others(enum mmr_probe_id id)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(mmr_counters, cpu)->others[id]);
	return sum;
}

u64 mmr_counter_sum(enum mmr_counter id)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(mmr_counters, cpu)->own[id]);
	return sum;
}
NOKPROBE_SYMBOL(mmr_counter_sum);

void mmr_counters_show(struct seq_file *m)
{
	unsigned long missed = 0;
	unsigned int i;

	for (i = 0; i < MMR_NR_COUNTERS; i++)
		seq_printf(m, "%s %llu\n", counter_names[i], mmr_counter_sum(i));
	for (i = 0; i < MMR_NR_PROBES; i++)
		missed += mmr_probe_missed(&mmr_probes[i]);
	seq_printf(m, "lost.probes %lu\n", missed);
	for (i = 0; i < MMR_NR_PROBES; i++) {
		seq_printf(m, "probe.%s %llu\n", mmr_probes[i].name,
			   mmr_probe_hits(i));
		seq_printf(m, "probe.%s.others %llu\n", mmr_probes[i].name,
			   probe_others(i));
	}
}
