// SPDX-License-Identifier: GPL-2.0
/*
 * The order in which a gather must work (include/asm-generic/tlb.h):
 *
 *  1) unhook the page
 *  2) invalidate its translations
 *  3) free it
 *
 * 2) before 3), or a CPU reads and writes a page that has a new owner:
 * "free-after-flush". And for a pte found dirty, 2) before the mapping leaves
 * the rmap, or writeback misses what is written through the stale translation:
 * "rmap-after-flush". v6.2, 5df397dec7c4 keeps the second, 5.10 and 6.1 break
 * it; s390 invalidates while it unhooks.
 *
 * A flush that was missed looks like a breach, so nothing is judged once the
 * flush's probe has lost a hit.
 *
 * The breaches are forged by the plants early.rmap (the second law) and
 * skip.tlb.zap (the first).
 */
#include "mmrace.h"

static bool flush_is_seen(void)
{
	const struct mmr_probe *flush = &mmr_probes[MMR_PROBE_TLB_FLUSH];

	return READ_ONCE(flush->state) == MMR_ARMED && !mmr_probe_missed(flush);
}
NOKPROBE_SYMBOL(flush_is_seen);

void mmr_check_rmap_after_flush(const struct mmr_gather *gather,
				unsigned long folio, unsigned int states)
{
	if (!(states & MMR_PENDING_DIRTY) || IS_ENABLED(CONFIG_S390) ||
	    !flush_is_seen())
		return;
	mmr_report(MMR_CHECK_RMAP_AFTER_FLUSH, gather->mm, folio,
		   "rmap removed while the gather has not flushed");
}
NOKPROBE_SYMBOL(mmr_check_rmap_after_flush);

void mmr_check_free_after_flush(const struct mmr_gather *gather)
{
	if (!gather->unflushed || !flush_is_seen())
		return;
	mmr_report(MMR_CHECK_FREE_AFTER_FLUSH, gather->mm, gather->unflushed,
		   "pages freed while the gather has not flushed");
}
NOKPROBE_SYMBOL(mmr_check_free_after_flush);
