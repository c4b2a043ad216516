// SPDX-License-Identifier: GPL-2.0
/*
 * exit_mmap() frees page tables without the care for those who walk them, as it
 * may: no thread has the mm as its own any more (mm_users is 0,
 * kernel/fork.c, __mmput()). Who has it lazily, as active_mm, is counted as exposure
 * (event/exit.c): that is allowed, and is what the one flush must reckon with.
 */
#include <linux/mm.h>
#include <linux/sched.h>

#include "mmrace.h"

const char *mmr_decides_mm_exit(void)
{
	return READ_ONCE(mmr_probes[MMR_PROBE_MM_EXIT].state) == MMR_ARMED ?
	       NULL : "mm.exit is not armed";
}

void mmr_check_mm_exit(struct mm_struct *mm)
{
	if (atomic_read(&mm->mm_users))
		mmr_report(MMR_CHECK_MM_EXIT, mm, 0, "exit_mmap() of an mm that has users");
	else if (current->mm == mm)
		mmr_report(MMR_CHECK_MM_EXIT, mm, 0, "exit_mmap() of the task's own mm");
}
NOKPROBE_SYMBOL(mmr_check_mm_exit);

/* The mm of who asks has users. */
void mmr_forge_mm_exit(void)
{
	mmr_check_mm_exit(current->mm);
}
