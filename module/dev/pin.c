// SPDX-License-Identifier: GPL-2.0
/*
 * Pins taken by fast GUP. The law that a race can test with them
 * (mm/gup.c, Documentation/core-api/pin_user_pages.rst): a page that was
 * pinned while it was mapped stays the page that the address shows, for
 * anonymous memory, until it is unpinned; and what is taken without a lock is
 * never a page that had been freed already.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "dev.h"

struct pin_set {
	struct page	**page;	/* NULL: unused */
	unsigned int	nr;
	bool		writable;
};

struct mmr_pins {
	struct pin_set	set[MMRACE_DEV_MAX_PINS];
	unsigned int	nr_pages;	/* over all sets */
};

static int gup_flags(u32 flags)
{
	if (flags & ~(MMRACE_PIN_WRITE | MMRACE_PIN_LONGTERM))
		return -EINVAL;
	return (flags & MMRACE_PIN_WRITE ? FOLL_WRITE : 0) |
	       (flags & MMRACE_PIN_LONGTERM ? FOLL_LONGTERM : 0);
}

static struct pin_set *find_set(struct mmr_file *file, u32 id)
{
	if (!file->pins || id >= MMRACE_DEV_MAX_PINS || !file->pins->set[id].page)
		return NULL;
	return &file->pins->set[id];
}

static void drop_set(struct mmr_pins *pins, struct pin_set *set, bool dirty)
{
	unpin_user_pages_dirty_lock(set->page, set->nr, dirty);
	pins->nr_pages -= set->nr;
	kvfree(set->page);
	set->page = NULL;
}

int mmr_pin_make(struct mmr_file *file, void *arg)
{
	struct mmrace_pin *pin = arg;
	int flags = gup_flags(pin->flags);
	struct mmr_pins *pins = file->pins;
	struct pin_set *set;
	unsigned int id;
	int got;

	if (flags < 0 || !pin->nr_pages || !PAGE_ALIGNED(pin->addr))
		return -EINVAL;
	if (!pins) {
		pins = kzalloc(sizeof(*pins), GFP_KERNEL);
		if (!pins)
			return -ENOMEM;
		file->pins = pins;
	}
	for (id = 0; id < MMRACE_DEV_MAX_PINS && pins->set[id].page; id++)
		;
	if (id == MMRACE_DEV_MAX_PINS ||
	    pin->nr_pages > MMRACE_DEV_MAX_PIN_PAGES - pins->nr_pages)
		return -ENOSPC;
	set = &pins->set[id];
	set->page = kvcalloc(pin->nr_pages, sizeof(*set->page), GFP_KERNEL);
	if (!set->page)
		return -ENOMEM;
	got = pin_user_pages_fast(pin->addr, pin->nr_pages, flags, set->page);
	if (got <= 0) {
		kvfree(set->page);
		set->page = NULL;
		return got ?: -EFAULT;
	}
	set->nr = got;
	set->writable = flags & FOLL_WRITE;
	pins->nr_pages += got;
	pin->id = id;
	pin->pinned = got;
	return 0;
}

int mmr_pin_drop(struct mmr_file *file, void *arg)
{
	struct mmrace_unpin *unpin = arg;
	struct pin_set *set = find_set(file, unpin->id);

	if (!set || unpin->dirty > 1 || (unpin->dirty && !set->writable))
		return -EINVAL;
	drop_set(file->pins, set, unpin->dirty);
	return 0;
}

int mmr_pin_io(struct mmr_file *file, void *arg)
{
	struct mmrace_io *io = arg;
	struct pin_set *set = find_set(file, io->id);

	if (!set)
		return -EINVAL;
	if (io->op == MMRACE_IO_WRITE && !set->writable)
		return -EACCES;
	return mmr_pages_io(set->page, set->nr, io);
}

int mmr_pin_loop(struct mmr_file *file, void *arg)
{
	struct mmrace_pin_loop *loop = arg;
	int flags = gup_flags(loop->flags);
	unsigned int i;

	if (flags < 0 || !loop->rounds || loop->rounds > MMRACE_DEV_MAX_ROUNDS ||
	    !IS_ALIGNED(loop->addr, sizeof(u64)) || loop->reserved)
		return -EINVAL;
	loop->done = loop->missed = loop->bad = 0;
	for (i = 0; i < loop->rounds && !signal_pending(current); i++) {
		struct page *page;
		u64 word;

		cond_resched();
		if (pin_user_pages_fast(loop->addr & PAGE_MASK, 1, flags, &page) != 1) {
			loop->missed++;
			continue;
		}
		word = READ_ONCE(*(u64 *)(page_address(page) + offset_in_page(loop->addr)));
		unpin_user_page(page);
		loop->done++;
		if (word >= loop->min && word <= loop->max)
			continue;
		if (!loop->bad++)
			loop->bad_word = word;
	}
	return 0;
}

void mmr_pin_close(struct mmr_file *file)
{
	unsigned int i;

	if (!file->pins)
		return;
	for (i = 0; i < MMRACE_DEV_MAX_PINS; i++)
		if (file->pins->set[i].page)
			drop_set(file->pins, &file->pins->set[i], false);
	kfree(file->pins);
}
