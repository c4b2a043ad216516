// SPDX-License-Identifier: GPL-2.0
/*
 * The order in which a gather must work (include/asm-generic/tlb.h):
 *
 *  1) unhook the page, or the page table
 *  2) invalidate its translations
 *  3) free it
 *
 * 2) before 3), or a CPU reads and writes a page that has a new owner, or walks a
 * page table that is none any more: "free-after-flush", "table-after-flush". And
 * for a pte found dirty, 2) before the mapping leaves the rmap, or writeback
 * misses what is written through the stale translation: "rmap-after-flush".
 * v6.2, 5df397dec7c4 keeps that one, 5.10 and 6.1 break it; s390 invalidates
 * while it unhooks.
 *
 * For an mm that goes away as a whole 2) is the one flush of its end, which an
 * early flush (2012, s390 and others) does not replace.
 *
 * Nor is 3) done at once: who walks page tables without locks (fast GUP) has interrupts off, and
 * a table that waited in the gather's batch is freed by RCU after he is done (mm/mmu_gather.c,
 * "Semi RCU freeing of the page directories"): "table-grace". What found no room in a batch is freed
 * after an IPI to all, tlb_remove_table_one(), and is not judged.
 *
 * A flush that was missed looks like a breach, so nothing is judged once the
 * flush's probe has lost a hit.
 */
#include "compat/lazy.h"
#include "compat/table.h"
#include "compat/tlb.h"
#include "mmrace.h"

static const char *flush_is_unseen(void)
{
	if (READ_ONCE(mmr_probes[MMR_PROBE_TLB_FLUSH].state) != MMR_ARMED)
		return "tlb.flush is not armed";
	if (mmr_probe_missed(&mmr_probes[MMR_PROBE_TLB_FLUSH]))
		return "tlb.flush has missed hits";
	return NULL;
}
NOKPROBE_SYMBOL(flush_is_unseen);

static void forge_gather(struct mmr_gather *gather)
{
	*gather = (struct mmr_gather) { .mm = current->mm };
}

/* === rmap-after-flush === */

const char *mmr_decides_rmap_after_flush(void)
{
	const struct mmr_probe *page = &mmr_probes[MMR_PROBE_GATHER_PAGE];

	if (IS_ENABLED(CONFIG_S390))
		return "s390 flushes when it changes the pte";
	/* It tells a dirty mapping that is done right from one that is not (event/rmap.c). */
	if (READ_ONCE(page->state) != MMR_ARMED)
		return "gather.page is not armed";
	if (mmr_probe_missed(page))
		return "gather.page has missed hits";
	return flush_is_unseen();
}
NOKPROBE_SYMBOL(mmr_decides_rmap_after_flush);

void mmr_check_rmap_after_flush(const struct mmr_gather *gather,
				unsigned long folio, unsigned int states)
{
	if (!(states & MMR_PENDING_DIRTY) || mmr_decides_rmap_after_flush())
		return;
	mmr_report(MMR_CHECK_RMAP_AFTER_FLUSH, gather->mm, folio,
		   "rmap removed while the gather has not flushed");
}
NOKPROBE_SYMBOL(mmr_check_rmap_after_flush);

void mmr_forge_rmap_after_flush(void)
{
	struct mmr_gather gather;

	forge_gather(&gather);
	mmr_check_rmap_after_flush(&gather, PAGE_SIZE, MMR_PENDING_DIRTY);
}

/* === free-after-flush === */

const char *mmr_decides_free_after_flush(void)
{
	if (IS_ENABLED(CONFIG_MMU_GATHER_NO_GATHER))
		return "this architecture gathers no pages";
	return flush_is_unseen();
}
NOKPROBE_SYMBOL(mmr_decides_free_after_flush);

void mmr_check_free_after_flush(const struct mmr_gather *gather)
{
	if (!gather->unflushed || mmr_decides_free_after_flush())
		return;
	mmr_report(MMR_CHECK_FREE_AFTER_FLUSH, gather->mm, gather->unflushed,
		   "pages freed while the gather has not flushed");
}
NOKPROBE_SYMBOL(mmr_check_free_after_flush);

void mmr_forge_free_after_flush(void)
{
	struct mmr_gather gather;

	forge_gather(&gather);
	gather.unflushed = PAGE_SIZE;
	mmr_check_free_after_flush(&gather);
}

/* === table-after-flush === */

const char *mmr_decides_table_after_flush(void)
{
	if (READ_ONCE(mmr_probes[MMR_PROBE_TABLE_QUEUE].state) != MMR_ARMED)
		return "table.queue is not armed";
	return flush_is_unseen();
}
NOKPROBE_SYMBOL(mmr_decides_table_after_flush);

/* At the return of tlb_flush_mmu(), which has handed all tables to be freed. */
void mmr_check_table_after_flush(const struct mmr_gather *gather, bool flush_is_due)
{
	if (!gather->table || !flush_is_due || mmr_decides_table_after_flush())
		return;
	mmr_report(MMR_CHECK_TABLE_AFTER_FLUSH, gather->mm, gather->table,
		   "page tables freed while the gather has not flushed");
}
NOKPROBE_SYMBOL(mmr_check_table_after_flush);

void mmr_forge_table_after_flush(void)
{
	struct mmr_gather gather;

	forge_gather(&gather);
	gather.table = PAGE_SIZE;
	mmr_check_table_after_flush(&gather, true);
}

/* === table-grace === */

const char *mmr_decides_table_grace(void)
{
	if (!mmr_tables_are_batched())
		return "page tables do not wait in a batch of addresses";
	if (!mmr_grace_can_be_asked())
		return "RCU does not say when a grace period is over";
	if (READ_ONCE(mmr_probes[MMR_PROBE_GATHER_FINISH].state) != MMR_ARMED)
		return "gather.finish is not armed";
	return NULL;
}
NOKPROBE_SYMBOL(mmr_decides_table_grace);

/* At the return of tlb_flush_mmu(): what is no page table any more has been freed. */
void mmr_check_table_grace(struct mmr_gather *gather)
{
	if (!gather->batched || PageTable(gather->batched) || mmr_decides_table_grace() ||
	    mmr_grace_is_over(&gather->grace))
		return;
	mmr_report(MMR_CHECK_TABLE_GRACE, gather->mm, (unsigned long)gather->batched,
		   "a page table freed while somebody may walk it");
}
NOKPROBE_SYMBOL(mmr_check_table_grace);

/* A page of one's own is no page table. */
void mmr_forge_table_grace(void)
{
	unsigned long page = __get_free_page(GFP_KERNEL);
	struct mmr_gather gather;

	if (!page)
		return;
	forge_gather(&gather);
	gather.batched = virt_to_page((void *)page);
	mmr_grace_begin(&gather.grace);
	mmr_check_table_grace(&gather);
	free_page(page);
}
