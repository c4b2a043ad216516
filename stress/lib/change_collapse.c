// SPDX-License-Identifier: GPL-2.0
/* Collapse, by a call and by the kernel's own thread, which holds other locks. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "change.h"
#include "core.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define COLLAPSE_ATTEMPTS 3
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KHUGEPAGED_NS	100000000	/* at most, that a change waits for it */
#define KHUGEPAGED_REST_US 2000

static const char *collapse_setup(const struct region *r)
{
	if (r->unit == race_page_size())
		return "needs transparent huge pages";
	/* Of memory without a page of its own it says the same as a kernel without the call. */
	change_touch(r->mem, r->unit);
	atomic_fetch_add((atomic_char *)r->mem, 0);
	if (madvise(r->mem, r->unit, MADV_COLLAPSE) && errno == EINVAL)
		return "the kernel has no MADV_COLLAPSE";
	return NULL;
}

/* A unit that is huge no more: what is huge already would be left as it is. */
static char *to_collapse(const struct region *r, struct rng *rng)
{
	char *at = r->mem + rng_below(rng, r->len / r->unit) * r->unit;
	char *nobodys = r->mem + r->pages * race_page_size();

	if (nobodys >= at && nobodys < at + r->unit)
		change_drop(r, nobodys, race_page_size());
	/* A page that is away or new to some CPU's list is a reason to refuse. */
	change_touch(at, r->unit);
	return at;
}

static bool collapse(const struct region *r, struct rng *rng)
{
	char *at = to_collapse(r, rng);

	for (int i = 0; i < COLLAPSE_ATTEMPTS; i++)
		if (!madvise(at, r->unit, MADV_COLLAPSE))
			return true;
	/* No memory, a page busy: all allowed. */
	return false;
}

const struct change change_collapse = {
	.name = "collapse",
	.exposure = { "probe.thp.collapse", 4 },
	.setup = collapse_setup,
	.make = collapse,
};

static uint64_t collapsed(void)
{
	char text[65536], *found;

	if (race_read_file("/proc/vmstat", text, sizeof(text)))
		return 0;
	found = strstr(text, "thp_collapse_alloc ");
	return found ? strtoull(found + strlen("thp_collapse_alloc "), NULL, 10) : 0;
}

static const char *khugepaged_setup(const struct region *r)
{
	const char *missing;

	if (r->unit == race_page_size())
		return "needs transparent huge pages";
	missing = change_switch(THP "khugepaged/scan_sleep_millisecs", "1");
	if (!missing)
		missing = change_switch(THP "khugepaged/alloc_sleep_millisecs", "1");
	return missing;
}

static bool khugepaged(const struct region *r, struct rng *rng)
{
	uint64_t end = race_now_ns() + KHUGEPAGED_NS, before = collapsed();

	to_collapse(r, rng);
	/* It has the lowest priority: this thread's CPU is the one that it may get. */
	while (race_now_ns() < end && collapsed() == before)
		usleep(KHUGEPAGED_REST_US);
	return collapsed() != before;
}

const struct change change_khugepaged = {
	.name = "khugepaged",
	.rather = &change_collapse,
	.setup = khugepaged_setup,
	.make = khugepaged,
};
