// SPDX-License-Identifier: GPL-2.0
/* Reclaim: pages go to swap, or are aged for it; swap goes and comes back. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "change.h"
#include "core.h"
#include "swap.h"

#define RARELY 8	/* one turn in as many, of what is dear */
#define PAGEOUT_MAX 32	/* pages; all of them, rarely: compressing takes milliseconds each */
#define SWAP_FACTOR 2	/* slots for each page: old copies stay a while */

static const char *pageout_setup(const struct region *r)
{
	if (madvise(r->mem, race_page_size(), MADV_PAGEOUT))
		return "the kernel has no MADV_PAGEOUT";
	return swap_on(SWAP_BOTH, SWAP_FACTOR * r->pages);
}

static bool pageout(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = change_some(r, rng, &len);

	if (len > PAGEOUT_MAX * race_page_size() && rng_below(rng, RARELY))
		len = PAGEOUT_MAX * race_page_size();
	/* What we fault in is on no other CPU's list of new pages: see way_drain(). */
	change_touch(at, len);
	if (madvise(at, len, MADV_PAGEOUT))
		race_error("MADV_PAGEOUT: %s", strerror(errno));
	return true;
}

const struct change change_pageout = {
	.name = "pageout",
	.exposure = { "probe.rmap.unmap", 20 },
	.setup = pageout_setup,
	.make = pageout,
};

static bool cold(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = change_some(r, rng, &len);

	return !madvise(at, len, MADV_COLD);
}

const struct change change_cold = {
	.name = "cold",
	.exposure = { "probe.tlb.flush", 20 },
	.make = cold,
};

static const char *swapoff_setup(const struct region *r)
{
	return swap_on(SWAP_BOTH, SWAP_FACTOR * r->pages);
}

static bool swapcycle(const struct region *r, struct rng *rng)
{
	pageout(r, rng);
	return swap_cycle();
}

const struct change change_swapoff = {
	.name = "swapoff",
	.exposure = { "probe.rmap.unmap", 20 },
	.rather = &change_pageout,
	.setup = swapoff_setup,
	.make = swapcycle,
};

/* The same for those who want nothing else. */
const struct change change_swapcycle = {
	.name = "swapcycle",
	.setup = swapoff_setup,
	.make = swapcycle,
};
