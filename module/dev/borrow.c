// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel thread on a user's mm. The law (Documentation/mm/active_mm.rst):
 * a thread without an mm of its own keeps the last one as active_mm. So a
 * CPU can have an mm loaded when the last user of it goes and exit_mmap() tears
 * it down; what flushes "everything, once" must reckon with it.
 *
 * kthread_use_mm() wants a user of the mm (mm_users), lazy borrowing only the
 * struct (mm_count): the thread takes the first for the moments in which it
 * touches memory, the file holds the second.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dev.h"

#define MAX_HOLD_US	10000U

struct mmr_borrow {
	struct task_struct		*thread;
	struct mm_struct		*mm;
	struct mmrace_borrow		want;
	struct mmrace_borrow_stat	stat;	/* the thread's, until it has stopped */
};

static void touch(struct mmr_borrow *borrow)
{
	u64 __user *at = u64_to_user_ptr(borrow->want.addr);
	u64 word;

	if (!borrow->want.addr)
		return;
	if (get_user(word, at) || put_user(word + 1, at))
		borrow->stat.faults++;
	else
		borrow->stat.touches++;
}

static void hold(const struct mmr_borrow *borrow)
{
	u64 end = ktime_get_mono_fast_ns() + borrow->want.hold_us * (u64)NSEC_PER_USEC;

	if (borrow->want.flags & MMRACE_BORROW_SPIN) {
		while (ktime_get_mono_fast_ns() < end && !kthread_should_stop())
			cpu_relax();
		cond_resched();
	} else {
		usleep_range(borrow->want.hold_us, borrow->want.hold_us + 10);
	}
}

static int borrower(void *arg)
{
	struct mmr_borrow *borrow = arg;

	while (!kthread_should_stop()) {
		borrow->stat.loops++;
		if (mmget_not_zero(borrow->mm)) {
			kthread_use_mm(borrow->mm);
			touch(borrow);
			kthread_unuse_mm(borrow->mm);
			/* The last user may be us: then this thread tears it down. */
			mmput(borrow->mm);
		} else {
			borrow->stat.gone++;
		}
		hold(borrow);
	}
	return 0;
}

int mmr_borrow_start(struct mmr_file *file, void *arg)
{
	const struct mmrace_borrow *want = arg;
	struct mmr_borrow *borrow;

	if (file->borrow)
		return -EBUSY;
	if (want->flags & ~MMRACE_BORROW_SPIN || want->reserved || !want->hold_us ||
	    want->hold_us > MAX_HOLD_US || !IS_ALIGNED(want->addr, sizeof(u64)) ||
	    want->cpu < -1 || (want->cpu >= 0 && (want->cpu >= nr_cpu_ids ||
						  !cpu_online(want->cpu))))
		return -EINVAL;
	borrow = kzalloc(sizeof(*borrow), GFP_KERNEL);
	if (!borrow)
		return -ENOMEM;
	borrow->want = *want;
	borrow->mm = current->mm;
	borrow->thread = kthread_create(borrower, borrow, "mmrace-borrow/%u", file->slot);
	if (IS_ERR(borrow->thread)) {
		int err = PTR_ERR(borrow->thread);

		kfree(borrow);
		return err;
	}
	mmgrab(borrow->mm);
	if (want->cpu >= 0)
		kthread_bind(borrow->thread, want->cpu);
	file->borrow = borrow;
	wake_up_process(borrow->thread);
	return 0;
}

/* kthread_stop() returns when the thread is gone: nobody else is at it. */
static void stop(struct mmr_file *file, struct mmrace_borrow_stat *stat)
{
	struct mmr_borrow *borrow = file->borrow;

	file->borrow = NULL;
	kthread_stop(borrow->thread);
	*stat = borrow->stat;
	mmdrop(borrow->mm);
	kfree(borrow);
}

int mmr_borrow_stop(struct mmr_file *file, void *arg)
{
	if (!file->borrow)
		return -EINVAL;
	stop(file, arg);
	return 0;
}

void mmr_borrow_close(struct mmr_file *file)
{
	struct mmrace_borrow_stat stat;

	if (file->borrow)
		stop(file, &stat);
}
