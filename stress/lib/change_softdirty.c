// SPDX-License-Identifier: GPL-2.0
/* Soft-dirty bits: all of the mm is write-protected. */

#include "change.h"
#include "core.h"

static const char *softdirty_setup(const struct region *r)
{
	(void)r;
	return race_write_file("/proc/self/clear_refs", "4") ?
	       "the kernel has no soft-dirty bits" : NULL;
}

static bool softdirty(const struct region *r, struct rng *rng)
{
	(void)r;
	/* 1 forgets that pages were referenced, 4 that they were written. */
	return !race_write_file("/proc/self/clear_refs",
				rng_below(rng, 2) ? "4" : "1");
}

const struct change change_softdirty = {
	.name = "softdirty",
	.exposure = { "probe.tlb.flush", 20 },
	.setup = softdirty_setup,
	.make = softdirty,
};
