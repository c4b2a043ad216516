// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are mapped by their number. The law (mm/memory.c,
 * unmap_mapping_range()): once it has returned, nobody reaches what was mapped.
 * A driver then gives the page to somebody else, because no reference tells
 * it who still maps it. v5.19, b67fbebd4cf9 ("mmu_gather: Force tlb-flush
 * VM_PFNMAP vmas") closed the hole in which munmap() had taken the vma out of the
 * rmap, where unmap_mapping_range() looks, but had not yet flushed.
 *
 * The pages stay the module's until the last mapping and descriptor are gone, so
 * whoever still writes through a stale translation harms nobody.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/slab.h>

#include "compat/gup.h"
#include "dev.h"

#define MAX_WATCH_US	10000U
#define POISON		0x5a5a5a5a5a5a5a5aULL
#define WORDS		(PAGE_SIZE / sizeof(u64))

/* Each file has its own part of the device's address space, SLOT_PAGES long. */
#define SLOT_PAGES	(1UL << 20)

struct mmr_pfn {
	u32			nr;
	u32			how;
	struct rw_semaphore	sem;	/* page[]: read to map, write to revoke */
	struct page		*page[MMRACE_DEV_MAX_PFN_PAGES];
	struct page		*spare[MMRACE_DEV_MAX_PFN_PAGES];	/* under mmr_file.lock */
};

static unsigned long first_pgoff(const struct mmr_file *file)
{
	return file->slot * SLOT_PAGES;
}

static void free_all(struct mmr_pfn *pfn)
{
	unsigned int i;

	for (i = 0; i < pfn->nr; i++) {
		if (pfn->page[i])
			__free_page(pfn->page[i]);
		if (pfn->spare[i])
			__free_page(pfn->spare[i]);
	}
	kfree(pfn);
}

int mmr_pfn_make(struct mmr_file *file, void *arg)
{
	const struct mmrace_pfn *want = arg;
	struct mmr_pfn *pfn;
	unsigned int i;

	if (file->pfn)
		return -EBUSY;
	if (!want->nr_pages || want->nr_pages > MMRACE_DEV_MAX_PFN_PAGES ||
	    want->how > MMRACE_PFN_REMAP)
		return -EINVAL;
	pfn = kzalloc(sizeof(*pfn), GFP_KERNEL);
	if (!pfn)
		return -ENOMEM;
	pfn->nr = want->nr_pages;
	pfn->how = want->how;
	init_rwsem(&pfn->sem);
	for (i = 0; i < pfn->nr; i++) {
		pfn->page[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		pfn->spare[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pfn->page[i] || !pfn->spare[i]) {
			free_all(pfn);
			return -ENOMEM;
		}
	}
	/* Pairs with pfn_of(): mmap() runs without the file's lock. */
	smp_store_release(&file->pfn, pfn);
	return 0;
}

static struct mmr_pfn *pfn_of(struct mmr_file *file)
{
	/* Pairs with mmr_pfn_make(). */
	return smp_load_acquire(&file->pfn);
}

static vm_fault_t pfn_fault(struct vm_fault *vmf)
{
	struct mmr_file *file = vmf->vma->vm_file->private_data;
	unsigned long idx = vmf->pgoff - first_pgoff(file);
	struct mmr_pfn *pfn = pfn_of(file);
	vm_fault_t ret;

	if (idx >= pfn->nr)
		return VM_FAULT_SIGBUS;
	down_read(&pfn->sem);
	ret = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(pfn->page[idx]));
	up_read(&pfn->sem);
	return ret;
}

static const struct vm_operations_struct pfn_vm_ops = {
	.fault	= pfn_fault,
};

static int remap_all(struct mmr_pfn *pfn, struct vm_area_struct *vma, unsigned long first)
{
	unsigned long i;
	int err = 0;

	down_read(&pfn->sem);
	for (i = 0; !err && i < vma_pages(vma); i++)
		err = remap_pfn_range(vma, vma->vm_start + (i << PAGE_SHIFT),
				      page_to_pfn(pfn->page[first + i]), PAGE_SIZE,
				      vma->vm_page_prot);
	up_read(&pfn->sem);
	return err;
}

int mmr_pfn_mmap(struct file *fd, struct vm_area_struct *vma)
{
	struct mmr_file *file = fd->private_data;
	struct mmr_pfn *pfn = pfn_of(file);
	unsigned long first = vma->vm_pgoff;

	if (!pfn)
		return -ENXIO;
	if (!(vma->vm_flags & VM_SHARED) || first >= pfn->nr ||
	    vma_pages(vma) > pfn->nr - first)
		return -EINVAL;
	vma->vm_pgoff += first_pgoff(file);
	vma->vm_ops = &pfn_vm_ops;
	mmr_vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	return pfn->how == MMRACE_PFN_REMAP ? remap_all(pfn, vma, first) : 0;
}

static void watch(struct mmr_pfn *pfn, struct mmrace_pfn_revoke *revoke)
{
	unsigned int i, w;

	for (i = 0; i < pfn->nr; i++)
		memset(page_address(pfn->spare[i]), POISON & 0xff, PAGE_SIZE);
	if (revoke->watch_us)
		usleep_range(revoke->watch_us, revoke->watch_us + 10);
	for (i = 0; i < pfn->nr; i++) {
		u64 *words = page_address(pfn->spare[i]);

		for (w = 0; w < WORDS; w++) {
			u64 word = READ_ONCE(words[w]);

			if (word == POISON || revoke->stale_words++)
				continue;
			revoke->word = word;
			revoke->offset = i * PAGE_SIZE + w * sizeof(u64);
		}
	}
}

int mmr_pfn_revoke(struct mmr_file *file, void *arg)
{
	struct mmrace_pfn_revoke *revoke = arg;
	struct mmr_pfn *pfn = file->pfn;
	unsigned int i;

	if (!pfn || revoke->watch_us > MAX_WATCH_US)
		return -EINVAL;
	revoke->stale_words = 0;
	revoke->word = revoke->offset = 0;
	for (i = 0; i < pfn->nr; i++)
		clear_page(page_address(pfn->spare[i]));
	down_write(&pfn->sem);
	for (i = 0; i < pfn->nr; i++)
		swap(pfn->page[i], pfn->spare[i]);
	unmap_mapping_range(file->mapping, (loff_t)first_pgoff(file) << PAGE_SHIFT,
			    (loff_t)pfn->nr << PAGE_SHIFT, 1);
	up_write(&pfn->sem);
	watch(pfn, revoke);
	return 0;
}

int mmr_pfn_io(struct mmr_file *file, void *arg)
{
	const struct mmrace_io *io = arg;

	if (!file->pfn || io->id)
		return -EINVAL;
	return mmr_pages_io(file->pfn->page, file->pfn->nr, io);
}

void mmr_pfn_close(struct mmr_file *file)
{
	if (file->pfn)
		free_all(file->pfn);
}
