// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel page tables. Two laws:
 *
 * vmap() shows the pages that it was given, whatever was mapped at that address
 * before (mm/vmalloc.c: an address is used again only after its purge).
 *
 * A lazy-MMU section is not preemptible where it fills a batch of its CPU:
 * ppc64 with the hash MMU (arch/powerpc/include/asm/book3s/64/tlbflush-hash.h;
 * kernel ranges have no page table lock that would see to it; v6.1, b9ef323ea168
 * "powerpc/64s: Disable preemption in hash lazy mmu mode"). The callback of
 * apply_to_page_range() runs in such a section.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/kallsyms.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat/lazy.h"
#include "dev.h"

/*
 * apply_to_page_range() is exported and wants init_mm, which is not. The kernel
 * looks up the symbol of a probe before it refuses to put one on data
 * (register_kprobe(), 5.10 to 7.2), and leaves the address behind.
 */
static struct mm_struct *find_init_mm(void)
{
	struct kprobe kp = { .symbol_name = "init_mm" };
	char name[KSYM_SYMBOL_LEN];

	if (!register_kprobe(&kp)) {
		unregister_kprobe(&kp);
		return NULL;
	}
	if (!kp.addr)
		return NULL;
	snprintf(name, sizeof(name), "%pS", kp.addr);
	return strstarts(name, "init_mm+0x0/") ? (struct mm_struct *)kp.addr : NULL;
}

bool mmr_kpt_can_apply(void)
{
	return find_init_mm();
}

struct walk {
	struct page		**page;
	unsigned long		start;
	struct mmrace_kpt	*kpt;
};

static int see_pte(pte_t *ptep, unsigned long addr, void *arg)
{
	struct walk *walk = arg;
	pte_t pte = READ_ONCE(*ptep);

	walk->kpt->ptes++;
	if (!pte_present(pte) ||
	    pte_pfn(pte) != page_to_pfn(walk->page[(addr - walk->start) >> PAGE_SHIFT]))
		walk->kpt->bad++;
	if (mmr_lazy_needs_cpu() && preemptible()) {
		walk->kpt->bad++;
		mmr_check_lazy_preemptible(addr, true);
	}
	return 0;
}

static int apply(struct page **page, struct mmrace_kpt *kpt)
{
	struct mm_struct *init_mm_found = find_init_mm();
	struct walk walk = { .page = page, .kpt = kpt };
	void *area;
	int err = 0;

	if (!init_mm_found)
		return -EOPNOTSUPP;
	area = vmap(page, kpt->nr_pages, VM_MAP, PAGE_KERNEL);
	if (!area)
		return -ENOMEM;
	walk.start = (unsigned long)area;
	while (!err && kpt->done < kpt->rounds && !signal_pending(current)) {
		err = apply_to_page_range(init_mm_found, walk.start,
					  (unsigned long)kpt->nr_pages << PAGE_SHIFT,
					  see_pte, &walk);
		kpt->done += !err;
		cond_resched();
	}
	vunmap(area);
	return err;
}

/* One word a page, another one in each round. */
static u64 word_of(const struct mmrace_kpt *kpt, unsigned int i)
{
	return (u64)kpt->done << 32 | (i + 1);
}

static int remap(struct page **page, struct mmrace_kpt *kpt)
{
	unsigned int i;
	u64 *area;

	while (kpt->done < kpt->rounds && !signal_pending(current)) {
		/* So that an address that is used again has another page. */
		swap(page[0], page[kpt->done % kpt->nr_pages]);
		for (i = 0; i < kpt->nr_pages; i++)
			WRITE_ONCE(*(u64 *)page_address(page[i]), word_of(kpt, i));
		area = vmap(page, kpt->nr_pages, VM_MAP, PAGE_KERNEL);
		if (!area)
			return -ENOMEM;
		for (i = 0; i < kpt->nr_pages; i++) {
			u64 *mapped = area + i * (PAGE_SIZE / sizeof(u64));

			kpt->bad += READ_ONCE(*mapped) != word_of(kpt, i);
			WRITE_ONCE(*mapped, ~word_of(kpt, i));
			kpt->bad += READ_ONCE(*(u64 *)page_address(page[i])) != ~word_of(kpt, i);
		}
		vunmap(area);
		kpt->done++;
		cond_resched();
	}
	return 0;
}

static void free_pages_of(struct page **page, unsigned int nr)
{
	while (nr--)
		__free_page(page[nr]);
	kvfree(page);
}

int mmr_kpt_run(struct mmr_file *file, void *arg)
{
	struct mmrace_kpt *kpt = arg;
	struct page **page;
	unsigned int i;
	int err;

	if (kpt->op > MMRACE_KPT_REMAP || !kpt->nr_pages || !kpt->rounds ||
	    kpt->nr_pages > MMRACE_DEV_MAX_KPT_PAGES || kpt->rounds > MMRACE_DEV_MAX_ROUNDS)
		return -EINVAL;
	kpt->done = 0;
	kpt->ptes = kpt->bad = 0;
	page = kvcalloc(kpt->nr_pages, sizeof(*page), GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	for (i = 0; i < kpt->nr_pages; i++) {
		page[i] = alloc_page(GFP_KERNEL);
		if (!page[i]) {
			free_pages_of(page, i);
			return -ENOMEM;
		}
	}
	err = kpt->op == MMRACE_KPT_APPLY ? apply(page, kpt) : remap(page, kpt);
	free_pages_of(page, kpt->nr_pages);
	return err;
}
