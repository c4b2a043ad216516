// SPDX-License-Identifier: GPL-2.0
/*
 * What secondary MMUs are promised (include/linux/mmu_notifier.h):
 *
 *  1) invalidate_range_start() comes before a translation is taken away,
 *     invalidate_range_end() after it, once, with the same range;
 *  2) since v4.15 nobody tells them of a single page: ptep_clear_flush() is called
 *     only inside such a range (4.13 and 4.14 forgot some).
 *
 * 1) is "notifier-pair", 2) "notifier-covers". Ranges are known by the task that
 * goes through them and the struct on its stack. One that was begun before our
 * probes came, or that found no room here, is unknown, so nothing is judged
 * until the probes have been there for a while, and never after a loss.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>

#include "mmrace.h"

#define NR_RANGES	256

static struct open_range {
	unsigned long		key;	/* the struct's address; 0: unused */
	struct task_struct	*task;
	struct mm_struct	*mm;
	unsigned long		start;
	unsigned long		end;
} ranges[NR_RANGES];

/* Only the task that began a range changes its record. */
static struct open_range *find_range(unsigned long key)
{
	unsigned int i;

	for (i = 0; i < NR_RANGES; i++)
		if (READ_ONCE(ranges[i].key) == key && READ_ONCE(ranges[i].task) == current)
			return &ranges[i];
	return NULL;
}
NOKPROBE_SYMBOL(find_range);

static bool is_sure(void)
{
	return mmr_probe_is_sure(MMR_PROBE_NOTIFIER_START) &&
	       mmr_probe_is_sure(MMR_PROBE_NOTIFIER_END) && !mmr_counted(LOST_RANGE);
}
NOKPROBE_SYMBOL(is_sure);

static const char *ranges_are_unseen(void)
{
	if (READ_ONCE(mmr_probes[MMR_PROBE_NOTIFIER_START].state) != MMR_ARMED ||
	    READ_ONCE(mmr_probes[MMR_PROBE_NOTIFIER_END].state) != MMR_ARMED)
		return "notifier.start or notifier.end is not armed";
	return NULL;
}

/* === notifier-pair === */

const char *mmr_decides_notifier_pair(void)
{
	return ranges_are_unseen();
}

static void begin(unsigned long key, struct mm_struct *mm, unsigned long start,
		  unsigned long end, bool sure)
{
	struct open_range *range = find_range(key);
	unsigned int i;

	if (range && sure)
		mmr_report(MMR_CHECK_NOTIFIER_PAIR, mm, start,
			   "a range began again before it had ended");
	for (i = 0; !range && i < NR_RANGES; i++)
		if (!READ_ONCE(ranges[i].key) && !cmpxchg(&ranges[i].key, 0, key))
			range = &ranges[i];
	if (!range) {
		mmr_count(LOST_RANGE);
		return;
	}
	range->mm = mm;
	range->start = start;
	range->end = end;
	WRITE_ONCE(range->task, current);
}
NOKPROBE_SYMBOL(begin);

static void finish(unsigned long key, unsigned long start, unsigned long end, bool sure)
{
	struct open_range *range = find_range(key);

	if (!range)
		return;
	if (sure && (range->start != start || range->end != end))
		mmr_report(MMR_CHECK_NOTIFIER_PAIR, range->mm, start,
			   "a range ended otherwise than it began");
	WRITE_ONCE(range->task, NULL);
	smp_store_release(&range->key, 0);	/* pairs with the cmpxchg() in begin() */
}
NOKPROBE_SYMBOL(finish);

/* One that must not block may be refused, and then has no end: the OOM reaper's. */
void mmr_range_begin(const struct mmu_notifier_range *range)
{
	if (mmu_notifier_range_blockable(range))
		begin((unsigned long)range, range->mm, range->start, range->end, is_sure());
}
NOKPROBE_SYMBOL(mmr_range_begin);

void mmr_range_end(const struct mmu_notifier_range *range)
{
	finish((unsigned long)range, range->start, range->end, is_sure());
}
NOKPROBE_SYMBOL(mmr_range_end);

void mmr_forge_notifier_pair(void)
{
	unsigned long key;

	begin((unsigned long)&key, current->mm, 0, PAGE_SIZE, true);
	finish((unsigned long)&key, 0, 2 * PAGE_SIZE, true);
}

/* === notifier-covers === */

const char *mmr_decides_notifier_covers(void)
{
	if (READ_ONCE(mmr_probes[MMR_PROBE_PTE_CLEAR_FLUSH].state) != MMR_ARMED)
		return "pte.clear_flush is not armed";
	return ranges_are_unseen();
}

static void judge_cover(struct mm_struct *mm, unsigned long addr)
{
	unsigned int i;

	for (i = 0; i < NR_RANGES; i++)
		if (READ_ONCE(ranges[i].task) == current && ranges[i].mm == mm &&
		    addr >= ranges[i].start && addr < ranges[i].end)
			return;
	mmr_report(MMR_CHECK_NOTIFIER_COVERS, mm, addr,
		   "a pte was cleared outside of every range of its task");
}
NOKPROBE_SYMBOL(judge_cover);

void mmr_check_notifier_covers(struct mm_struct *mm, unsigned long addr)
{
	if (mm && mm_has_notifiers(mm) && is_sure())
		judge_cover(mm, addr);
}
NOKPROBE_SYMBOL(mmr_check_notifier_covers);

void mmr_forge_notifier_covers(void)
{
	judge_cover(current->mm, 0);
}
