// SPDX-License-Identifier: GPL-2.0
/* An mm goes away as a whole. */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "mmrace.h"

void mmr_on_mm_exit(struct mmr_event *ev)
{
	if (!ev->tagged)
		return;
	if (current->active_mm == ev->mm)
		mmr_count(EXPOSURE_FULL_MM_SELF);
	if (cpumask_any_but(mm_cpumask(ev->mm), raw_smp_processor_id()) < nr_cpu_ids)
		mmr_count(EXPOSURE_FULL_MM);
	mmr_check_mm_exit(ev->mm);
}
NOKPROBE_SYMBOL(mmr_on_mm_exit);

/* Its memory can be used again from here on. */
void mmr_on_mm_free(struct mmr_event *ev)
{
	mmr_target_forget_mm(ev->mm);
}
NOKPROBE_SYMBOL(mmr_on_mm_free);
