// SPDX-License-Identifier: GPL-2.0
/*
 * The lost-write race. The law that keeps dirty data, mm/rmap.c and
 * mm/page-writeback.c:
 *
 *  1) writeback write-protects every mapping that it finds through the rmap
 *     (folio_mkclean()), then clears the dirty flag, then writes;
 *  2) so a mapping that can still be written through must be found by it.
 *
 * A zap that removes the rmap before the TLB is flushed breaks 2): another
 * CPU goes on writing through its stale entry, unseen. 5.10 and 6.1 do so;
 * v6.2, 5df397dec7c4 ("mm: delay page_remove_rmap() until after the TLB has
 * been flushed"), turned the order round for pages found dirty.
 *
 * Only those count: a CPU that finds its cached entry clean walks the page
 * table again before it writes, and finds the entry gone. zap_pte_range()
 * says that a pte was dirty by marking the folio dirty, after it cleared the
 * pte and before it touches the rmap (5.10 to 7.2).
 *
 * A folio may have several mappings in one gather, some dirty and some clean, and the rmap of
 * a clean one may go at once. What tells them apart is the order (zap_present_folio_ptes(), 6.12): of
 * a dirty one that is done right the page is handed to the gather before its rmap goes, and that
 * goes in tlb_flush_rmaps().
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/page-flags.h>

#include "mmrace.h"

static __always_inline unsigned long event_folio(const struct mmr_event *ev)
{
	if (mmr_has_arg(ev->site, MMR_FOLIO))
		return mmr_folio_of(mmr_arg(ev, MMR_FOLIO));
	return mmr_folio_of(mmr_arg(ev, MMR_PAGE));
}

void mmr_on_rmap_dirty(struct mmr_event *ev)
{
	struct mmr_gather *gather;

	if (!ev->tagged)
		return;
	gather = mmr_gather_of_current();
	if (gather)
		mmr_pending_add(gather, event_folio(ev));
}
NOKPROBE_SYMBOL(mmr_on_rmap_dirty);

/*
 * Reclaim, migration and splits mark a folio dirty and remove its rmap inside a
 * gather, too (MADV_PAGEOUT: try_to_unmap_one(), 6.12), and may flush later: they
 * hold the folio's lock until they have, which 1) needs as well. A zap that meets a
 * folio locked by writeback looks the same and is not judged.
 */
static bool lock_keeps_writeback_away(unsigned long folio)
{
	return PageLocked((struct page *)folio);
}
NOKPROBE_SYMBOL(lock_keeps_writeback_away);

void mmr_on_rmap_deferred(struct mmr_event *ev)
{
	struct mmr_gather *gather = ev->tagged ? mmr_gather_of_current() : NULL;

	if (gather)
		gather->deferred = true;
}
NOKPROBE_SYMBOL(mmr_on_rmap_deferred);

static bool found_dirty(const struct mmr_gather *gather, unsigned int states)
{
	return (states & MMR_PENDING_DIRTY) &&
	       (gather->deferred || !(states & MMR_PENDING_QUEUED));
}
NOKPROBE_SYMBOL(found_dirty);

void mmr_on_rmap_remove(struct mmr_event *ev)
{
	struct mmr_gather *gather;
	unsigned int states;
	unsigned long folio;

	if (!ev->tagged)
		return;
	gather = mmr_gather_of_current();
	if (!gather)
		return;
	if (!gather->rmap_ns)
		gather->rmap_ns = ktime_get_mono_fast_ns();
	folio = event_folio(ev);
	if (!found_dirty(gather, mmr_pending_own(gather, folio)))
		return;
	states = mmr_pending_mark(gather, folio, MMR_PENDING_NO_RMAP);
	if (!lock_keeps_writeback_away(folio))
		mmr_check_rmap_after_flush(gather, folio, states);
}
NOKPROBE_SYMBOL(mmr_on_rmap_remove);

/* Whoever cleans the page is the racing side, a target or not. */
void mmr_on_rmap_mkclean(struct mmr_event *ev)
{
	unsigned int states = mmr_pending_find(event_folio(ev));

	if (!states)
		return;
	mmr_count(EXPOSURE_LOST_WRITE);
	/* s390 flushes while it changes the pte, so before the rmap removal. */
	if ((states & MMR_PENDING_NO_RMAP) && !IS_ENABLED(CONFIG_S390))
		mmr_count(EXPOSURE_LOST_WRITE_UNSAFE);
}
NOKPROBE_SYMBOL(mmr_on_rmap_mkclean);

void mmr_on_rmap_mkclean_one(struct mmr_event *ev)
{
	if (mmr_pending_find(event_folio(ev)))
		mmr_count(EXPOSURE_LOST_WRITE_WALK);
}
NOKPROBE_SYMBOL(mmr_on_rmap_mkclean_one);
