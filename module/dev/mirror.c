// SPDX-License-Identifier: GPL-2.0
/*
 * A secondary MMU. The law (Documentation/mm/hmm.rst, mm/mmu_notifier.c):
 *
 *  1) the kernel calls invalidate() before it takes a translation away, or a
 *     right from it, and until the range ends nobody takes a new one;
 *  2) so a translation that was taken between mmu_interval_read_begin() and a
 *     mmu_interval_read_retry() that says no, and was not invalidated since,
 *     leads to the page that the page tables show.
 *
 * No reference to the page is held in between: a translation that outlives
 * its page is seen as a page without references, and as wrong data.
 *
 * An access takes place under the lock that invalidate() takes, as a virtual
 * CPU's does with regard to the notifier, which waits until it has left.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "compat/gup.h"
#include "dev.h"

#define MAX_TRIES	1000	/* of one access, against livelock with what invalidates */
#define ENTRY_WRITE	1UL

struct mmr_mirror {
	struct mmu_interval_notifier	sub;
	struct mm_struct		*mm;	/* grabbed, not used */
	unsigned long			start;
	unsigned long			nr;
	u32				flags;
	u32				delay_ns;
	spinlock_t			lock;	/* entry[], stat, and sub's sequence */
	struct mmrace_mirror_stat	stat;
	unsigned long			entry[];	/* struct page and ENTRY_WRITE, or 0 */
};

static struct page *entry_page(unsigned long entry)
{
	return (struct page *)(entry & ~ENTRY_WRITE);
}

static void drop_entry(struct mmr_mirror *mirror, unsigned long idx)
{
	unsigned long entry = mirror->entry[idx];

	lockdep_assert_held(&mirror->lock);
	mirror->entry[idx] = 0;
	if (entry && (mirror->flags & MMRACE_MIRROR_HOLD))
		put_page(entry_page(entry));
}

static bool invalidate(struct mmu_interval_notifier *sub,
		       const struct mmu_notifier_range *range, unsigned long seq)
{
	struct mmr_mirror *mirror = container_of(sub, struct mmr_mirror, sub);
	unsigned long end = mirror->start + (mirror->nr << PAGE_SHIFT);
	unsigned long addr;

	spin_lock(&mirror->lock);
	mmu_interval_set_seq(sub, seq);
	mirror->stat.invalidations++;
	if (!(mirror->flags & MMRACE_MIRROR_DEAF)) {
		for (addr = max(range->start & PAGE_MASK, mirror->start);
		     addr < min(range->end, end); addr += PAGE_SIZE) {
			unsigned long idx = (addr - mirror->start) >> PAGE_SHIFT;

			mirror->stat.dropped += !!mirror->entry[idx];
			drop_entry(mirror, idx);
		}
	}
	spin_unlock(&mirror->lock);
	return true;
}

static const struct mmu_interval_notifier_ops mirror_ops = {
	.invalidate	= invalidate,
};

static bool collided(struct mmr_mirror *mirror, unsigned long seq)
{
	lockdep_assert_held(&mirror->lock);
	return mmu_interval_read_retry(&mirror->sub, seq) &&
	       !(mirror->flags & MMRACE_MIRROR_NO_RETRY);
}

/* A page with a reference, and the sequence under which it was found. */
static struct page *find_page(struct mmr_mirror *mirror, unsigned long idx,
			      bool write, unsigned long *seq)
{
	unsigned long addr = mirror->start + (idx << PAGE_SHIFT);
	struct page *page;
	long got;

	if (!mmget_not_zero(mirror->mm))
		return ERR_PTR(-ESRCH);
	*seq = mmu_interval_read_begin(&mirror->sub);
	mmap_read_lock(mirror->mm);
	got = mmr_get_page_remote(mirror->mm, addr, write ? FOLL_WRITE : 0, &page);
	mmap_read_unlock(mirror->mm);
	mmput(mirror->mm);
	if (got != 1)
		return ERR_PTR(got < 0 ? got : -EFAULT);
	mmr_spin(mirror->delay_ns);
	return page;
}

static int take_entry(struct mmr_mirror *mirror, unsigned long idx, bool write)
{
	unsigned long seq;
	struct page *page = find_page(mirror, idx, write, &seq);
	bool keep;

	if (IS_ERR(page))
		return PTR_ERR(page);
	spin_lock(&mirror->lock);
	keep = !collided(mirror, seq);
	if (keep) {
		drop_entry(mirror, idx);
		mirror->entry[idx] = (unsigned long)page | (write ? ENTRY_WRITE : 0);
		mirror->stat.faults++;
	} else {
		mirror->stat.retries++;
	}
	spin_unlock(&mirror->lock);
	if (!keep || !(mirror->flags & MMRACE_MIRROR_HOLD))
		put_page(page);
	return 0;
}

static void copy(void *at, void *buf, size_t len, bool write)
{
	if (len == sizeof(u64) && write)
		WRITE_ONCE(*(u64 *)at, *(u64 *)buf);
	else if (len == sizeof(u64))
		*(u64 *)buf = READ_ONCE(*(u64 *)at);
	else
		memcpy(write ? at : buf, write ? buf : at, len);
}

/* -EAGAIN when there is no translation with that right. Aligned words are whole. */
static int try_access(struct mmr_mirror *mirror, u64 addr, void *buf, size_t len, bool write)
{
	unsigned long entry;
	struct page *page;
	int err = 0;

	spin_lock(&mirror->lock);
	entry = mirror->entry[(addr - mirror->start) >> PAGE_SHIFT];
	page = entry_page(entry);
	if (!entry || (write && !(entry & ENTRY_WRITE))) {
		err = -EAGAIN;
	} else if (!page_count(page)) {
		mirror->stat.stale++;
		err = -ESTALE;
		mmr_check_mirror_page(mirror->mm, addr, 0);
	} else {
		copy(page_address(page) + offset_in_page(addr), buf, len, write);
		if (write)
			set_page_dirty(page);
	}
	spin_unlock(&mirror->lock);
	return err;
}

/* One access inside a page. */
static int mirror_access(struct mmr_mirror *mirror, u64 addr, void *buf, size_t len, bool write)
{
	unsigned int tries;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		int err = try_access(mirror, addr, buf, len, write);

		if (err != -EAGAIN)
			return err;
		if (signal_pending(current))
			return -EINTR;
		err = take_entry(mirror, (addr - mirror->start) >> PAGE_SHIFT, write);
		if (err)
			return err;
		cond_resched();
	}
	return -EAGAIN;
}

static bool in_mirror(const struct mmr_mirror *mirror, u64 addr, u64 len)
{
	return addr >= mirror->start && len && offset_in_page(addr) + len <= PAGE_SIZE &&
	       (addr - mirror->start) >> PAGE_SHIFT < mirror->nr;
}

/* 1 when the translation leads elsewhere than the page tables, 0 when not. */
static int verify(struct mmr_mirror *mirror, u64 addr)
{
	unsigned long idx = (addr - mirror->start) >> PAGE_SHIFT;
	unsigned int tries;

	for (tries = 0; tries < MAX_TRIES && !signal_pending(current); tries++) {
		unsigned long seq;
		struct page *page = find_page(mirror, idx, false, &seq);
		bool again, stale = false;

		if (IS_ERR(page))
			return PTR_ERR(page);
		spin_lock(&mirror->lock);
		again = mmu_interval_read_retry(&mirror->sub, seq);
		if (!again && mirror->entry[idx])
			stale = entry_page(mirror->entry[idx]) != page;
		if (stale)
			drop_entry(mirror, idx);
		spin_unlock(&mirror->lock);
		put_page(page);
		if (!again)
			return stale;
		cond_resched();
	}
	return -EAGAIN;
}

/* === Asked by the user === */

static struct mm_struct *mm_of(pid_t nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!nr)
		return get_task_mm(current);
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return NULL;
	mm = get_task_mm(task);
	put_task_struct(task);
	return mm;
}

int mmr_mirror_make(struct mmr_file *file, void *arg)
{
	const u32 broken = MMRACE_MIRROR_DEAF | MMRACE_MIRROR_NO_RETRY;
	struct mmrace_mirror *want = arg;
	struct mmr_mirror *mirror;
	u64 end;
	int err;

	if (file->mirror)
		return -EBUSY;
	if (want->flags & ~(broken | MMRACE_MIRROR_HOLD) || want->pid < 0 ||
	    want->reserved || want->delay_ns > MMRACE_DEV_MAX_DELAY_NS || !want->len ||
	    !PAGE_ALIGNED(want->addr) || !PAGE_ALIGNED(want->len) ||
	    want->len >> PAGE_SHIFT > MMRACE_DEV_MAX_MIRROR_PAGES ||
	    check_add_overflow(want->addr, want->len, &end) || end > TASK_SIZE_MAX)
		return -EINVAL;
	if ((want->flags & broken) && !mmr_plants_allowed())
		return -EPERM;
	mirror = kvzalloc(struct_size(mirror, entry, want->len >> PAGE_SHIFT), GFP_KERNEL);
	if (!mirror)
		return -ENOMEM;
	spin_lock_init(&mirror->lock);
	mirror->start = want->addr;
	mirror->nr = want->len >> PAGE_SHIFT;
	mirror->flags = want->flags | (want->flags & broken ? MMRACE_MIRROR_HOLD : 0);
	mirror->delay_ns = want->delay_ns;
	mirror->mm = mm_of(want->pid);
	if (!mirror->mm) {
		kvfree(mirror);
		return -ESRCH;
	}
	err = mmu_interval_notifier_insert(&mirror->sub, mirror->mm, mirror->start,
					   want->len, &mirror_ops);
	if (err) {
		mmput(mirror->mm);
		kvfree(mirror);
		return err;
	}
	mmgrab(mirror->mm);
	mmput(mirror->mm);
	file->mirror = mirror;
	return 0;
}

void mmr_mirror_close(struct mmr_file *file)
{
	struct mmr_mirror *mirror = file->mirror;
	unsigned long i;

	if (!mirror)
		return;
	file->mirror = NULL;
	mmu_interval_notifier_remove(&mirror->sub);
	for (i = 0; i < mirror->nr; i++) {
		spin_lock(&mirror->lock);
		drop_entry(mirror, i);
		spin_unlock(&mirror->lock);
	}
	mmdrop(mirror->mm);
	kvfree(mirror);
}

int mmr_mirror_off(struct mmr_file *file, void *arg)
{
	if (!file->mirror)
		return -EINVAL;
	mmr_mirror_close(file);
	return 0;
}

int mmr_mirror_io(struct mmr_file *file, void *arg)
{
	struct mmr_mirror *mirror = file->mirror;
	struct mmrace_io *io = arg;
	void __user *user = u64_to_user_ptr(io->buf);
	void *buf;
	int err;

	if (!mirror || io->op > MMRACE_IO_WRITE || io->id || io->reserved ||
	    io->len > MMRACE_DEV_MAX_IO || !in_mirror(mirror, io->where, io->len))
		return -EINVAL;
	buf = kvmalloc(io->len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (io->op == MMRACE_IO_WRITE && copy_from_user(buf, user, io->len))
		err = -EFAULT;
	else
		err = mirror_access(mirror, io->where, buf, io->len,
				    io->op == MMRACE_IO_WRITE);
	if (!err && io->op == MMRACE_IO_READ && copy_to_user(user, buf, io->len))
		err = -EFAULT;
	kvfree(buf);
	return err;
}

static int run_round(struct mmr_mirror *mirror, struct mmrace_mirror_run *run)
{
	u64 word = run->first + run->done;
	int err;

	if (run->op == MMRACE_MIRROR_VERIFY) {
		err = verify(mirror, run->addr);
		if (err > 0)
			run->bad++;
		return min(err, 0);
	}
	err = mirror_access(mirror, run->addr, &word, sizeof(word),
			    run->op == MMRACE_MIRROR_STORE);
	if (err)
		return err;
	run->last = word;
	if (run->op == MMRACE_MIRROR_LOAD && (word < run->first || word > run->max) &&
	    !run->bad++)
		run->bad_word = word;
	return 0;
}

int mmr_mirror_run(struct mmr_file *file, void *arg)
{
	struct mmr_mirror *mirror = file->mirror;
	struct mmrace_mirror_run *run = arg;

	if (!mirror || run->op > MMRACE_MIRROR_VERIFY || run->reserved || !run->rounds ||
	    run->rounds > MMRACE_DEV_MAX_ROUNDS || !IS_ALIGNED(run->addr, sizeof(u64)) ||
	    !in_mirror(mirror, run->addr, sizeof(u64)))
		return -EINVAL;
	run->done = run->missed = run->bad = 0;
	run->last = run->bad_word = 0;
	while (run->done + run->missed < run->rounds && !signal_pending(current)) {
		if (run_round(mirror, run))
			run->missed++;
		else
			run->done++;
		cond_resched();
	}
	return 0;
}

int mmr_mirror_stat(struct mmr_file *file, void *arg)
{
	struct mmr_mirror *mirror = file->mirror;

	if (!mirror)
		return -EINVAL;
	spin_lock(&mirror->lock);
	*(struct mmrace_mirror_stat *)arg = mirror->stat;
	spin_unlock(&mirror->lock);
	return 0;
}
