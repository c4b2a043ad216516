// SPDX-License-Identifier: GPL-2.0
/*
 * mmu_gather (include/asm-generic/tlb.h): unhook, flush, free. A gather is
 * followed from tlb_gather_mmu() to the return of tlb_finish_mmu().
 */
#include <linux/ktime.h>

#include "compat/lazy.h"
#include "compat/table.h"
#include "compat/tlb.h"
#include "mmrace.h"

void mmr_on_gather_begin(struct mmr_event *ev)
{
	if (ev->tagged)
		mmr_gather_open(ev->mm, mmr_arg(ev, MMR_TLB));
}
NOKPROBE_SYMBOL(mmr_on_gather_begin);

void mmr_on_gather_page(struct mmr_event *ev)
{
	struct mmr_gather *gather;

	if (!ev->tagged)
		return;
	gather = mmr_gather_of_current();
	if (!gather)
		return;
	gather->unflushed = mmr_arg(ev, MMR_PAGE);
	gather->deferred = false;
	mmr_pending_mark(gather, mmr_folio_of(gather->unflushed),
			 MMR_PENDING_QUEUED);
}
NOKPROBE_SYMBOL(mmr_on_gather_page);

void mmr_on_gather_free(struct mmr_event *ev)
{
	struct mmr_gather *gather;

	if (!ev->tagged)
		return;
	gather = mmr_gather_of_current();
	if (gather)
		mmr_check_free_after_flush(gather);
}
NOKPROBE_SYMBOL(mmr_on_gather_free);

void mmr_on_table_queue(struct mmr_event *ev)
{
	struct mmr_gather *gather;

	if (!ev->tagged)
		return;
	gather = mmr_gather_of_current();
	if (gather)
		gather->table = mmr_arg(ev, MMR_TABLE);
}
NOKPROBE_SYMBOL(mmr_on_table_queue);

/* What waits in the batch is about to be handed on: to RCU, on a good kernel. */
void mmr_on_gather_flush(struct mmr_event *ev)
{
	struct mmr_gather *gather = ev->tagged ? mmr_gather_of_current() : NULL;

	if (!gather)
		return;
	mmr_grace_begin(&gather->grace);
	gather->batched = mmr_batched_table((struct mmu_gather *)mmr_arg(ev, MMR_TLB));
}
NOKPROBE_SYMBOL(mmr_on_gather_flush);

/* tlb_flush_mmu() has returned, or tlb_finish_mmu(), into which it may be inlined. */
static void flushed(struct mmr_gather *gather)
{
	const struct mmu_gather *tlb = (struct mmu_gather *)gather->tlb;

	mmr_check_table_after_flush(gather, mmr_flush_is_due(tlb));
	mmr_check_table_grace(gather);
	gather->batched = NULL;
	mmr_gather_flushed(gather);
}
NOKPROBE_SYMBOL(flushed);

void mmr_on_gather_flush_end(struct mmr_site *site, struct mmr_call *call)
{
	struct mmr_gather *gather = mmr_gather_of_current();

	if (gather)
		flushed(gather);
}
NOKPROBE_SYMBOL(mmr_on_gather_flush_end);

void mmr_on_gather_finish_end(struct mmr_site *site, struct mmr_call *call)
{
	struct mmr_gather *gather = mmr_gather_of_current();

	if (!gather)
		return;
	flushed(gather);
	mmr_hist_add(MMR_HIST_GATHER, ktime_get_mono_fast_ns() - gather->begin_ns);
	mmr_gather_close(gather);
}
NOKPROBE_SYMBOL(mmr_on_gather_finish_end);
