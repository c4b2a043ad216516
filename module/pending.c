// SPDX-License-Identifier: GPL-2.0
/*
 * The gathers that targets have open, and the folios that a zap unhooked from
 * them and whose translations may still be in a TLB.
 *
 * A task works on one gather at a time, so the task is the key of a gather.
 * A folio's record carries the gather's slot and epoch in one word; a flush
 * is one more epoch, which outdates all of the gather's records at once. So
 * there is no list to keep and no lock to take. What finds no room is counted
 * as lost.
 */
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/ktime.h>

#include "mmrace.h"

#define GATHER_BITS	9
#define NR_GATHERS	(1U << GATHER_BITS)
#define GATHER_REACH	8

#define PENDING_BITS	13
#define NR_PENDING	(1U << PENDING_BITS)
#define PENDING_REACH	16

static struct mmr_gather gathers[NR_GATHERS];

/* Only the task that opened a gather changes its folios' records. */
struct pending {
	unsigned long	folio;
	u64		tag;	/* epoch, slot, state; 0 is an unused record */
};

static struct pending pendings[NR_PENDING];

#define STATE_BITS	8
#define TAG_STATE	((1ULL << STATE_BITS) - 1)
#define TAG_BUSY	(~0ULL)	/* being filled in */

static __always_inline u64 tag_of(const struct mmr_gather *gather)
{
	u64 slot = gather - gathers;

	return (READ_ONCE(gather->epoch) << GATHER_BITS | slot) << STATE_BITS;
}

static __always_inline bool tag_is_current(u64 tag)
{
	const struct mmr_gather *gather;

	if (!tag || tag == TAG_BUSY)
		return false;
	gather = &gathers[(tag >> STATE_BITS) & (NR_GATHERS - 1)];
	return (tag & ~TAG_STATE) == tag_of(gather);
}

static __always_inline struct mmr_gather *gather_slot(unsigned int i)
{
	return &gathers[(hash_ptr(current, GATHER_BITS) + i) & (NR_GATHERS - 1)];
}

static __always_inline struct pending *pending_slot(unsigned long folio, unsigned int i)
{
	return &pendings[(hash_64(folio, PENDING_BITS) + i) & (NR_PENDING - 1)];
}

/* === Gathers === */

struct mmr_gather *mmr_gather_of_current(void)
{
	unsigned int i;

	for (i = 0; i < GATHER_REACH; i++)
		if (READ_ONCE(gather_slot(i)->owner) == current)
			return gather_slot(i);
	return NULL;
}
NOKPROBE_SYMBOL(mmr_gather_of_current);

void mmr_gather_open(struct mm_struct *mm, unsigned long tlb)
{
	struct mmr_gather *gather = mmr_gather_of_current();
	unsigned int i;

	/* tlb_gather_mmu_vma() calls tlb_gather_mmu() on the same gather (6.1.176). */
	if (gather && gather->tlb == tlb && gather->mm == mm)
		return;
	for (i = 0; !gather && i < GATHER_REACH; i++)
		if (!READ_ONCE(gather_slot(i)->owner) &&
		    !cmpxchg(&gather_slot(i)->owner, NULL, current))
			gather = gather_slot(i);
	if (!gather) {
		mmr_count(LOST_GATHER);
		return;
	}
	mmr_gather_flushed(gather);
	gather->mm = mm;
	gather->tlb = tlb;
	gather->range.end = 0;
	gather->pfn = false;
	gather->batched = NULL;
	gather->begin_ns = ktime_get_mono_fast_ns();
}
NOKPROBE_SYMBOL(mmr_gather_open);

/* From here on no translation of what it has unhooked so far is left. */
void mmr_gather_flushed(struct mmr_gather *gather)
{
	gather->rmap_ns = 0;
	gather->dirty = false;
	gather->deferred = false;
	gather->unflushed = 0;
	gather->table = 0;
	gather->mprotect = false;
	WRITE_ONCE(gather->epoch, gather->epoch + 1);
}
NOKPROBE_SYMBOL(mmr_gather_flushed);

void mmr_gather_close(struct mmr_gather *gather)
{
	mmr_gather_flushed(gather);
	gather->tlb = 0;
	/* Pairs with the cmpxchg() in mmr_gather_open(): the next owner sees the epoch. */
	smp_store_release(&gather->owner, NULL);
}
NOKPROBE_SYMBOL(mmr_gather_close);

/* === Folios === */

static struct pending *own_record(struct mmr_gather *gather, unsigned long folio)
{
	u64 tag = tag_of(gather);
	unsigned int i;

	for (i = 0; i < PENDING_REACH; i++) {
		struct pending *p = pending_slot(folio, i);

		if (READ_ONCE(p->folio) == folio &&
		    (READ_ONCE(p->tag) & ~TAG_STATE) == tag)
			return p;
	}
	return NULL;
}
NOKPROBE_SYMBOL(own_record);

void mmr_pending_add(struct mmr_gather *gather, unsigned long folio)
{
	struct pending *own = own_record(gather, folio);
	unsigned int i;

	gather->dirty = true;
	if (own) {
		/* Another mapping of it, which has not been handed to the gather. */
		WRITE_ONCE(own->tag, own->tag & ~(u64)MMR_PENDING_QUEUED);
		return;
	}
	for (i = 0; i < PENDING_REACH; i++) {
		struct pending *p = pending_slot(folio, i);
		u64 old = READ_ONCE(p->tag);

		if (old == TAG_BUSY || tag_is_current(old))
			continue;
		if (cmpxchg(&p->tag, old, TAG_BUSY) != old)
			continue;
		WRITE_ONCE(p->folio, folio);
		/* Pairs with mmr_pending_find(): who sees the tag sees its folio. */
		smp_store_release(&p->tag, tag_of(gather) | MMR_PENDING_DIRTY);
		return;
	}
	mmr_count(LOST_PENDING);
}
NOKPROBE_SYMBOL(mmr_pending_add);

/* The states of @folio in this gather, 0 without a record. */
unsigned int mmr_pending_own(struct mmr_gather *gather, unsigned long folio)
{
	struct pending *p = own_record(gather, folio);

	return p ? READ_ONCE(p->tag) & TAG_STATE : 0;
}
NOKPROBE_SYMBOL(mmr_pending_own);

/*
 * Returns the states that @folio has now. One without a record was found
 * clean: nothing can be lost through it.
 */
unsigned int mmr_pending_mark(struct mmr_gather *gather, unsigned long folio,
			      enum mmr_pending_state state)
{
	struct pending *p = own_record(gather, folio);
	u64 tag;

	if (!p)
		return 0;
	tag = p->tag | state;
	WRITE_ONCE(p->tag, tag);
	return tag & TAG_STATE;
}
NOKPROBE_SYMBOL(mmr_pending_mark);

/* The states of @folio in all gathers, 0 when no translation can be left. */
unsigned int mmr_pending_find(unsigned long folio)
{
	unsigned int i, states = 0;

	for (i = 0; i < PENDING_REACH; i++) {
		struct pending *p = pending_slot(folio, i);
		/* Pairs with mmr_pending_add(). */
		u64 tag = smp_load_acquire(&p->tag);

		if (tag_is_current(tag) && READ_ONCE(p->folio) == folio)
			states |= tag & TAG_STATE;
	}
	return states;
}
NOKPROBE_SYMBOL(mmr_pending_find);
