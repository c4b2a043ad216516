// SPDX-License-Identifier: GPL-2.0
/* Handlers that belong to no group. */
#include "mmrace.h"

/* For rows that are there for their count, their window or their return. */
void mmr_on_count_only(struct mmr_event *ev)
{
}
NOKPROBE_SYMBOL(mmr_on_count_only);
