// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the probes count: mms and thread groups, or everybody.
 *
 * Law: a target is known by its mm as well as by its task, because kswapd,
 * ksmd, khugepaged and other processes' syscalls work on the mm of a target.
 * The tables hold bare addresses and are only compared, never followed. An mm
 * leaves its table before its memory can be used again (__mmdrop(), 5.10 to
 * 7.2), a thread group when its last thread has left its mm or, at the latest, when its
 * leader's task is freed.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/hash.h>

#include "mmrace.h"

#define SET_BITS	10
#define SET_SIZE	(1U << SET_BITS)
#define SET_REACH	16	/* slots from its home in which a member may be */
#define SET_HOLE	1UL	/* a member was here: neither an address nor a tgid we tag */

/* A set of words that handlers can ask and change without a lock. */
struct set {
	unsigned long	slot[SET_SIZE];
};

static __always_inline unsigned long *set_slot(struct set *set,
					       unsigned long word, unsigned int i)
{
	return &set->slot[(hash_64(word, SET_BITS) + i) & (SET_SIZE - 1)];
}

static __always_inline bool set_has(struct set *set, unsigned long word)
{
	unsigned int i;

	for (i = 0; i < SET_REACH; i++)
		if (READ_ONCE(*set_slot(set, word, i)) == word)
			return true;
	return false;
}

/* Two adders of one word may both succeed: removal takes every copy. */
static bool set_add(struct set *set, unsigned long word)
{
	unsigned int i;

	if (set_has(set, word))
		return true;
	for (i = 0; i < SET_REACH; i++) {
		unsigned long *slot = set_slot(set, word, i);
		unsigned long old = READ_ONCE(*slot);

		if (old > SET_HOLE)
			continue;
		if (cmpxchg(slot, old, word) == old)
			return true;
	}
	mmr_count(LOST_TARGET);
	return false;
}
NOKPROBE_SYMBOL(set_add);

static void set_remove(struct set *set, unsigned long word)
{
	unsigned int i;

	for (i = 0; i < SET_REACH; i++) {
		unsigned long *slot = set_slot(set, word, i);

		if (READ_ONCE(*slot) == word)
			cmpxchg(slot, word, SET_HOLE);
	}
}
NOKPROBE_SYMBOL(set_remove);

static void set_clear(struct set *set)
{
	unsigned int i;

	for (i = 0; i < SET_SIZE; i++)
		WRITE_ONCE(set->slot[i], 0);
}

static enum { TARGET_NONE, TARGET_PIDS, TARGET_COMM, TARGET_ALL } mode;
static struct set mms;
static struct set tgids;
static char comm[TASK_COMM_LEN];	/* written only while mode is not TARGET_COMM */
static DEFINE_MUTEX(target_lock);	/* serialises mode, comm and clearing */

/* === Asked by handlers === */

static __always_inline bool comm_matches(void)
{
	return !strncmp(current->comm, comm, TASK_COMM_LEN);
}

bool mmr_target_current(void)
{
	switch (READ_ONCE(mode)) {
	case TARGET_ALL:
		return true;
	case TARGET_PIDS:
		return set_has(&tgids, current->tgid);
	case TARGET_COMM:
		return comm_matches();
	default:
		return false;
	}
}
NOKPROBE_SYMBOL(mmr_target_current);

bool mmr_target_mm(struct mm_struct *mm)
{
	switch (READ_ONCE(mode)) {
	case TARGET_ALL:
		return true;
	case TARGET_PIDS:
		return set_has(&mms, (unsigned long)mm);
	case TARGET_COMM:
		/* An mm becomes a target when a task of that name first works on its own. */
		if (current->mm == mm && comm_matches())
			return set_add(&mms, (unsigned long)mm);
		return set_has(&mms, (unsigned long)mm);
	default:
		return false;
	}
}
NOKPROBE_SYMBOL(mmr_target_mm);

void mmr_target_forget_mm(struct mm_struct *mm)
{
	set_remove(&mms, (unsigned long)mm);
}
NOKPROBE_SYMBOL(mmr_target_forget_mm);

/* === Following fork, exec and exit === */

static void on_fork(void *data, struct task_struct *parent,
		    struct task_struct *child)
{
	if (READ_ONCE(mode) != TARGET_PIDS || !set_has(&tgids, parent->tgid))
		return;
	set_add(&tgids, child->tgid);
	if (child->mm)
		set_add(&mms, (unsigned long)child->mm);
}

static void on_exec(void *data, struct task_struct *task, pid_t old_pid,
		    struct linux_binprm *bprm)
{
	if (READ_ONCE(mode) == TARGET_PIDS && set_has(&tgids, task->tgid) &&
	    task->mm)
		set_add(&mms, (unsigned long)task->mm);
}

/*
 * Up to 6.12 this comes after exit_mm(), in 7.2 before it: what a target does to its own
 * memory at its end counts, so it is one until then.
 */
static void on_exit(void *data, struct task_struct *task)
{
	/* do_exit() has taken this thread off the count already. */
	if (!task->mm && !atomic_read(&task->signal->live))
		set_remove(&tgids, task->tgid);
}

static void on_free(void *data, struct task_struct *task)
{
	if (thread_group_leader(task))
		set_remove(&tgids, task->tgid);
}

static struct follow {
	const char		*name;
	void			*probe;
	struct tracepoint	*tp;
} follows[] = {
	{ "sched_process_fork", on_fork },
	{ "sched_process_exec", on_exec },
	{ "sched_process_exit", on_exit },
	{ "sched_process_free", on_free },
};

static void find_tracepoint(struct tracepoint *tp, void *data)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(follows); i++)
		if (!strcmp(tp->name, follows[i].name))
			follows[i].tp = tp;
}

static void unfollow(unsigned int nr)
{
	while (nr--)
		tracepoint_probe_unregister(follows[nr].tp, follows[nr].probe, NULL);
	tracepoint_synchronize_unregister();
}

int mmr_target_init(void)
{
	unsigned int i;
	int err;

	for_each_kernel_tracepoint(find_tracepoint, NULL);
	for (i = 0; i < ARRAY_SIZE(follows); i++) {
		err = follows[i].tp ?
			tracepoint_probe_register(follows[i].tp,
						  follows[i].probe, NULL) :
			-ENOENT;
		if (err) {
			pr_err("mmrace: cannot follow %s: %d\n",
			       follows[i].name, err);
			unfollow(i);
			return err;
		}
	}
	return 0;
}

void mmr_target_exit(void)
{
	WRITE_ONCE(mode, TARGET_NONE);
	unfollow(ARRAY_SIZE(follows));
}

/* === Asked by the user === */

static void switch_mode(int to)
{
	WRITE_ONCE(mode, TARGET_NONE);
	set_clear(&mms);
	set_clear(&tgids);
	WRITE_ONCE(mode, to);
}

static int add_pid(const char *text)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;
	int nr, err;

	err = kstrtoint(text, 10, &nr);
	if (err || nr <= 0)
		return -EINVAL;
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return -EINVAL;
	if (mode != TARGET_PIDS)
		switch_mode(TARGET_PIDS);
	if (!set_add(&tgids, task->tgid))
		err = -ENOSPC;
	mm = get_task_mm(task);
	if (mm) {
		if (!set_add(&mms, (unsigned long)mm))
			err = -ENOSPC;
		mmput(mm);
	}
	put_task_struct(task);
	return err;
}

int mmr_target_set(char *request)
{
	char *word = strsep(&request, " ");
	int err = 0;

	mutex_lock(&target_lock);
	if (!strcmp(word, "none") && !request) {
		switch_mode(TARGET_NONE);
	} else if (!strcmp(word, "all") && !request) {
		switch_mode(TARGET_ALL);
	} else if (!strcmp(word, "pid") && request) {
		err = add_pid(request);
	} else if (!strcmp(word, "comm") && request && *request &&
		   strlen(request) < TASK_COMM_LEN) {
		switch_mode(TARGET_NONE);
		memset(comm, 0, sizeof(comm));
		strscpy(comm, request, sizeof(comm));
		switch_mode(TARGET_COMM);
	} else {
		err = -EINVAL;
	}
	mutex_unlock(&target_lock);
	return err;
}

void mmr_target_show(struct seq_file *m)
{
	unsigned int i;

	mutex_lock(&target_lock);
	if (mode == TARGET_NONE)
		seq_puts(m, "none\n");
	else if (mode == TARGET_ALL)
		seq_puts(m, "all\n");
	else if (mode == TARGET_COMM)
		seq_printf(m, "comm %s\n", comm);
	else
		for (i = 0; i < SET_SIZE; i++)
			if (READ_ONCE(tgids.slot[i]) > SET_HOLE)
				seq_printf(m, "pid %lu\n", tgids.slot[i]);
	mutex_unlock(&target_lock);
}
