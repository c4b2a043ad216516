// SPDX-License-Identifier: GPL-2.0
/*
 * pfn-revoke: a driver's page is written to after the driver has taken it back.
 *
 * Law. When unmap_mapping_range() has returned, nobody reaches the pages that were mapped
 * there by their numbers: a driver may give them to somebody else. They have no
 * rmap but the file's, so whoever takes such a mapping out of the file's tree flushes
 * the TLB before.
 *
 * The interleaving (CVE-2022-39188, b67fbebd4cf9, 5.19):
 *
 *   munmap (CPU 0)            driver (CPU 1)             store (CPU 2)
 *   ----------------------    -----------------------    ---------------------
 *                                                        p[0] = 41
 *   clear the entries
 *   take the VMA out of the
 *   file's tree
 *                             unmap_mapping_range():
 *                             no VMA is there
 *                             give the page away
 *                                                        p[0] = 42, through a
 *                                                        stale entry
 *   flush the TLB
 *
 * The driver is the module's device. Oracle: it fills the pages that it took back, and watches
 * them; and no store begun after munmap() had returned completes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../../include/mmrace_abi.h"
#include "device.h"
#include "race.h"

#define DELAY_NS	100000
#define WATCH_US	2000	/* at most */

enum how { REVOKE, MUNMAP, ALL };
static const char *const how_names[] = { "revoke", "munmap", "all", NULL };

static struct {
	enum how how;
	volatile uint64_t last, later;
	atomic_uint writer_done, go;
	_Alignas(64) atomic_uint gone;
	struct mmrace_pfn_revoke revoke;
	uint64_t stale;
} s;

static int device = -1;
static size_t len;
static char *mem;

static void store(void *arg)
{
	volatile uint64_t *slot = arg;
	unsigned int forgiven = race_late_stores();
	uint64_t n = s.last;

	for (;;) {
		bool gone = atomic_load_explicit(&s.gone, memory_order_acquire);

		*slot = ++n;
		s.last = n;
		/* After revoke alone the next store finds other pages. */
		if (gone && (s.how == REVOKE || ++s.later > forgiven))
			return;
	}
}

static void writer(void)
{
	size_t slot = rng_below(race_rng(), len / race_page_size());

	race_until_fault(store, mem + slot * race_page_size(), mem, len);
	atomic_store(&s.writer_done, 1);
}

static void prepare(void)
{
	int how = race_option_index("how");

	s.how = how == ALL ? race_round() % ALL : (enum how)how;
	s.writer_done = s.go = s.gone = 0;
	s.later = 0;
	if (mmap(mem, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 device, 0) == MAP_FAILED)
		race_error("mmap of the device: %s", strerror(errno));
	/* All of them: each entry makes the unmapping longer. */
	for (size_t at = 0; at < len; at += race_page_size())
		*(volatile uint64_t *)(mem + at) = 0;
}

static void driver(void)
{
	s.revoke = (struct mmrace_pfn_revoke){
		.watch_us = rng_log(race_rng(), WATCH_US),
	};
	while (!atomic_load(&s.go) && !race_over())
		race_relax();
	race_delay(race_sweep(DELAY_NS));
	if (ioctl(device, MMRACE_IOC_PFN_REVOKE, &s.revoke))
		race_error("MMRACE_IOC_PFN_REVOKE: %s", strerror(errno));
	if (s.how == REVOKE)
		atomic_store_explicit(&s.gone, 1, memory_order_release);
}

static void unmap(void)
{
	uint64_t first = s.last;

	while (s.last == first && !s.writer_done && !race_over())
		race_relax();
	atomic_store(&s.go, 1);
	if (s.how != MUNMAP)
		return;
	race_delay(rng_below(race_rng(), DELAY_NS));
	if (munmap(mem, len))
		race_error("munmap: %s", strerror(errno));
	atomic_store_explicit(&s.gone, 1, memory_order_release);
}

static void judge(void)
{
	if (s.revoke.stale_words > race_late_stores()) {
		s.stale++;
		race_fail("--how %s: %u words of pages that had been taken back changed, the first to %llx",
			  how_names[s.how], s.revoke.stale_words,
			  (unsigned long long)s.revoke.word);
	}
	if (s.how == MUNMAP && s.later > race_late_stores()) {
		s.stale++;
		race_fail("--how munmap: a store that began after the call had returned completed");
	}
	if (mmap(mem, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

static void setup(void)
{
	struct mmrace_pfn pfn = {
		.nr_pages = race_option_number("pages"),
		/* The other way has a gap in mmap() itself (docs/abi.md). */
		.how = MMRACE_PFN_FAULT,
	};
	const char *missing;

	len = pfn.nr_pages * race_page_size();
	device = device_open(MMRACE_HAS_PFNMAP, &missing);
	if (device < 0)
		race_skip("%s", missing);
	if (ioctl(device, MMRACE_IOC_PFN, &pfn))
		race_error("MMRACE_IOC_PFN: %s", strerror(errno));
	mem = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
}

static void extra(void)
{
	race_extra("stale", s.stale);
}

const struct race race = {
	.name = "pfn-revoke",
	.theme = "stale-translation",
	.summary = "nobody writes to pages that a driver has taken back",
	.needs = (const char *const[]){ "module", "cpus>=2", NULL },
	.windows = (const struct race_window[]){
		{ "tlb.flush", 100000, 1000000, 1, 500000 },
		{ NULL }
	},
	.control = "skip.tlb.pfn",
	.exposure = { "probe.tlb.flush", 20 },
	.options = (const struct race_option[]){
		{ "how", how_names, "all", .help =
		  "the driver alone, or while the process unmaps; all takes turns" },
		{ "pages", NULL, "32", 1, MMRACE_DEV_MAX_PFN_PAGES, "pages that are mapped" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "writer", .act = writer },
		{ .name = "driver", .act = driver },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.main_act = unmap,
	.judge = judge,
	.extra = extra,
};
