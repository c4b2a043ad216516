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
 *
 * A thread that lingers keeps the mm loaded and in use, as its file's mm_count
 * allows, while the last user tears it down (2012, s390: "active_mm == mm" there). It can
 * reach memory for as long as a translation is left, so it is given shared memory only:
 * until the one flush of a good kernel it writes to pages that nobody has freed.
 */
#include <linux/completion.h>
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
	struct completion		settled;	/* a lingering thread has the mm */
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

/*
 * Stores into the word, if that needs no page fault. Does not load it: ppc64 takes the right to
 * load away while it gives that to store (AMR, kup.h), and QEMU's TLB keeps the rights of the
 * access that filled it, so for load and store in turn it walks the page table each time.
 */
static bool store(u64 __user *at, u64 word)
{
	int err;

	pagefault_disable();
	err = put_user(word, at);
	pagefault_enable();
	return !err;
}

static int lingerer(void *arg)
{
	struct mmr_borrow *borrow = arg;
	u64 __user *at = u64_to_user_ptr(borrow->want.addr);
	u64 rest = borrow->want.hold_us * (u64)NSEC_PER_USEC, next = 0;

	kthread_use_mm(borrow->mm);
	complete(&borrow->settled);
	while (!kthread_should_stop() && store(at, borrow->stat.loops + 1)) {
		borrow->stat.loops++;
		borrow->stat.touches++;
		cpu_relax();
		if (ktime_get_mono_fast_ns() > next) {
			cond_resched();
			next = ktime_get_mono_fast_ns() + rest;
		}
	}
	kthread_unuse_mm(borrow->mm);
	borrow->stat.gone = !kthread_should_stop();
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	return 0;
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

/* Whether the word lies in shared memory, and is there: nothing will fault it in. */
static int shared_word(u64 addr)
{
	u64 __user *at = u64_to_user_ptr(addr);
	struct vm_area_struct *vma;
	bool shared;
	u64 word;

	if (get_user(word, at) || put_user(word, at))
		return -EFAULT;
	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, addr);
	shared = vma && vma->vm_start <= addr && (vma->vm_flags & VM_SHARED);
	mmap_read_unlock(current->mm);
	return shared ? 0 : -EINVAL;
}

int mmr_borrow_start(struct mmr_file *file, void *arg)
{
	const struct mmrace_borrow *want = arg;
	bool linger = want->flags & MMRACE_BORROW_LINGER;
	struct mmr_borrow *borrow;
	int err;

	if (file->borrow)
		return -EBUSY;
	if (want->flags & ~(MMRACE_BORROW_SPIN | MMRACE_BORROW_LINGER) ||
	    want->flags == (MMRACE_BORROW_SPIN | MMRACE_BORROW_LINGER) || want->reserved || !want->hold_us ||
	    want->hold_us > MAX_HOLD_US || !IS_ALIGNED(want->addr, sizeof(u64)) ||
	    want->cpu < -1 || (want->cpu >= 0 && (want->cpu >= nr_cpu_ids ||
						  !cpu_online(want->cpu))))
		return -EINVAL;
	err = linger ? shared_word(want->addr) : 0;
	if (err)
		return err;
	borrow = kzalloc(sizeof(*borrow), GFP_KERNEL);
	if (!borrow)
		return -ENOMEM;
	borrow->want = *want;
	borrow->mm = current->mm;
	init_completion(&borrow->settled);
	borrow->thread = kthread_create(linger ? lingerer : borrower, borrow,
					"mmrace-borrow/%u", file->slot);
	if (IS_ERR(borrow->thread)) {
		err = PTR_ERR(borrow->thread);
		kfree(borrow);
		return err;
	}
	mmgrab(borrow->mm);
	if (want->cpu >= 0)
		kthread_bind(borrow->thread, want->cpu);
	file->borrow = borrow;
	wake_up_process(borrow->thread);
	/* Until then this call is the user of the mm that kthread_use_mm() wants. */
	if (linger)
		wait_for_completion(&borrow->settled);
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
