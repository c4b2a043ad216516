// SPDX-License-Identifier: GPL-2.0
/* Huge pages: check/pmd.c. */
#include "mmrace.h"

void mmr_on_pmd_invalidate(struct mmr_event *ev)
{
	mmr_check_pmd_address(ev->mm, mmr_arg(ev, MMR_ADDR), mmr_arg(ev, MMR_PTEP));
}
NOKPROBE_SYMBOL(mmr_on_pmd_invalidate);
