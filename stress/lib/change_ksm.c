// SPDX-License-Identifier: GPL-2.0
/* KSM: equal pages become one, and are taken back. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "change.h"
#include "core.h"

#define KSM "/sys/kernel/mm/ksm/"
/* One that had begun, and two between which a page has not changed: then it is merged. */
#define KSM_SCANS	3
#define KSM_WAIT_NS	60000000	/* at most, for them */
#define KSM_REST_US	1000
#define KSM_SLEEP	KSM "sleep_millisecs"
#define KSM_PACE	"1"

static uint64_t full_scans(void)
{
	char text[32];

	return race_read_file(KSM "full_scans", text, sizeof(text)) ? 0 :
	       strtoull(text, NULL, 10);
}

static const char *ksm_setup(const struct region *r)
{
	char pages[32];
	const char *missing;

	snprintf(pages, sizeof(pages), "%zu", r->len / race_page_size());
	missing = change_switch(KSM_SLEEP, KSM_PACE);
	if (!missing)
		missing = change_switch(KSM "pages_to_scan", pages);
	/* It leaves out pages that had no equal before (since 6.7): ours have, for moments. */
	if (!missing && !access(KSM "smart_scan", F_OK))
		missing = change_switch(KSM "smart_scan", "0");
	if (!missing)
		missing = change_switch(KSM "run", "1");
	return missing ? "needs KSM, and root to switch it" : NULL;
}

/* Merging is the daemon's, and takes some scans; taking back is at once. */
static bool ksm(const struct region *r, struct rng *rng)
{
	uint64_t end = race_now_ns() + KSM_WAIT_NS, before = full_scans();
	char *at = r->mem;
	size_t len;

	/* All of it: a huge page's memory must be alike to be collapsed. */
	if (madvise(at, r->len, MADV_MERGEABLE))
		return false;
	/* No rest meanwhile, which is a tick or two at least: pages are equal for not much longer. */
	race_write_file(KSM_SLEEP, "0");
	while (race_now_ns() < end && full_scans() < before + KSM_SCANS)
		usleep(KSM_REST_US);
	race_write_file(KSM_SLEEP, KSM_PACE);
	if (rng_below(rng, 4))
		return true;
	at = change_some(r, rng, &len);
	return !madvise(at, len, MADV_UNMERGEABLE);
}

const struct change change_ksm = {
	.name = "ksm",
	.private_only = true,
	.of_alike = true,
	.setup = ksm_setup,
	.make = ksm,
};
