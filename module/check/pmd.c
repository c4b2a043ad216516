// SPDX-License-Identifier: GPL-2.0
/*
 * pmdp_invalidate() is told a pmd and the address that it maps
 * (include/linux/pgtable.h). s390 computes the origin of the pmd's table from
 * both (IDTE), others flush the address: with one that belongs to another pmd the
 * huge translation stays. 4.5-rc passed the address that the loop over the
 * ptes had left behind, one huge page too far.
 *
 * A pmd's place in its table is its address's index, so the two can be compared
 * without looking at either.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "mmrace.h"

const char *mmr_decides_pmd_address(void)
{
	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) || !has_transparent_hugepage())
		return "no transparent huge pages";
	if (READ_ONCE(mmr_probes[MMR_PROBE_THP_PMD_INVALIDATE].state) != MMR_ARMED)
		return "thp.pmd.invalidate is not armed";
	return NULL;
}

void mmr_check_pmd_address(struct mm_struct *mm, unsigned long addr, unsigned long pmdp)
{
	if (((pmdp / sizeof(pmd_t)) & (PTRS_PER_PMD - 1)) == pmd_index(addr))
		return;
	mmr_report(MMR_CHECK_PMD_ADDRESS, mm, addr,
		   "pmdp_invalidate() got the address of another pmd");
}
NOKPROBE_SYMBOL(mmr_check_pmd_address);

void mmr_forge_pmd_address(void)
{
	mmr_check_pmd_address(current->mm, PMD_SIZE, 2 * sizeof(pmd_t));
}
