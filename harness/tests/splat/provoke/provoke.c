// SPDX-License-Identifier: GPL-2.0
/*
 * Provokes one real kernel failure, for the corpus of the splat tests.
 *
 * `insmod provoke.ko what=NAME` in a guest that may die.  Debian's kernels have no LKDTM; this holds
 * the few of its ideas that the corpus needs, written for exported symbols only.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

static char *what = "";
module_param(what, charp, 0);

static int *volatile nowhere;
static volatile int length = 4000;
static DEFINE_SPINLOCK(lock);
static DECLARE_COMPLETION(never);

static int spin(void *unused)
{
	for (;;)
		cpu_relax();
	return 0;
}

static int spin_irqs_off(void *unused)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static int spin_in_rcu(void *unused)
{
	rcu_read_lock();
	for (;;)
		cpu_relax();
	return 0;
}

static int wait_forever(void *unused)
{
	wait_for_completion(&never);
	return 0;
}

#ifdef CONFIG_X86
#define LVT_TIMER	0x320
#define LVT_MASKED	0x10000

/*
 * The local APIC's timer never fires again: what an emulator does that loses one. CPU 0
 * keeps its own, to tell of it.
 */
static void mask_timer(void *apic)
{
	if (smp_processor_id())
		writel(readl(apic + LVT_TIMER) | LVT_MASKED, apic + LVT_TIMER);
}

static int lose_timers(void)
{
	void __iomem *apic = ioremap(0xfee00000, PAGE_SIZE);

	if (!apic)
		return -ENOMEM;
	on_each_cpu(mask_timer, (void __force *)apic, 1);
	iounmap(apic);
	return 0;
}
#else
static int lose_timers(void)
{
	return -EOPNOTSUPP;
}
#endif

static int deref(void *unused)
{
	*nowhere = 1;
	return 0;
}

static noinline int corrupt_list(void)
{
	LIST_HEAD(head);
	struct list_head one, two, other;

	INIT_LIST_HEAD(&other);
	list_add(&one, &head);
	list_add(&two, &head);
	one.next = &other;
	list_del(&one);
	return 0;
}

static noinline int recurse(int depth)
{
	volatile char frame[1024];

	memset((void *)frame, depth, sizeof(frame));
	return depth ? recurse(depth - 1) + frame[depth % sizeof(frame)] : frame[0];
}

static noinline void smash(volatile char *frame, int size)
{
	memset((void *)frame, 0x42, size);
}

static noinline int smash_stack(void)
{
	volatile char frame[64];

	smash(frame, 256);
	return frame[1];
}

static int go(void)
{
	char *memory;

	if (!strcmp(what, "warn"))
		WARN(1, "provoked %d\n", 7);
	else if (!strcmp(what, "warn_on"))
		WARN_ON(1);
	else if (!strcmp(what, "bug"))
		BUG();
	else if (!strcmp(what, "null"))
		return *nowhere;
	else if (!strcmp(what, "write"))
		*nowhere = 1;
	else if (!strcmp(what, "wild"))
		return *(int *)0x0dead4ead0000000UL;
	else if (!strcmp(what, "jump"))
		((void (*)(void))0x10)();
	else if (!strcmp(what, "kthread"))
		kthread_run(deref, NULL, "provoked");
	else if (!strcmp(what, "list"))
		return corrupt_list();
	else if (!strcmp(what, "stack"))
		return recurse(1 << 20);
	else if (!strcmp(what, "smash"))
		return smash_stack();
	else if (!strcmp(what, "softlockup"))
		kthread_run(spin, NULL, "provoked");
	else if (!strcmp(what, "hardlockup"))
		kthread_run(spin_irqs_off, NULL, "provoked");
	else if (!strcmp(what, "rcustall"))
		kthread_run(spin_in_rcu, NULL, "provoked");
	else if (!strcmp(what, "hung"))
		kthread_run(wait_forever, NULL, "provoked");
	else if (!strcmp(what, "losttimer"))
		return lose_timers();
	else if (!strcmp(what, "atomic")) {
		spin_lock(&lock);
		schedule();
		spin_unlock(&lock);
	} else if (!strcmp(what, "doublefree")) {
		memory = kmalloc(128, GFP_KERNEL);
		kfree(memory);
		kfree(memory);
	} else if (!strcmp(what, "badfree")) {
		struct page *page = alloc_page(GFP_KERNEL);

		__free_page(page);
		__free_page(page);
		alloc_page(GFP_KERNEL);
	} else if (!strcmp(what, "badpage")) {
		struct page *page = alloc_page(GFP_KERNEL);

		page->mapping = (void *)0x400;
		__free_page(page);
	} else if (!strcmp(what, "order")) {
		__get_free_pages(GFP_KERNEL | __GFP_COMP, 40);
	} else if (!strcmp(what, "panic"))
		panic("provoked on purpose");
	else if (!strcmp(what, "usercopy")) {
		memory = kmalloc(16, GFP_KERNEL);
		return copy_to_user((void __user *)0x1000, memory, length);
	} else
		return -EINVAL;
	return 0;
}

static int __init provoke_init(void)
{
	return go();
}
module_init(provoke_init);

static void __exit provoke_exit(void)
{
}
module_exit(provoke_exit);

MODULE_DESCRIPTION("provokes one kernel failure");
MODULE_LICENSE("GPL");
