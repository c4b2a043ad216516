// SPDX-License-Identifier: GPL-2.0
/* Migration: between nodes, or by compaction. */
#define _GNU_SOURCE
#include <unistd.h>

#include "change.h"
#include "core.h"
#include "numa.h"

#define MIGRATE_ONE_IN 4	/* turns: compaction, where it is slow, takes all of a short run */
#define COMPACT_BYTES (8ULL << 30)	/* at most, that the machine may have */
#define COMPACT_NS 3000000000	/* at most, that compaction may take */

static const char *migrate_setup(const struct region *r)
{
	(void)r;
	if (numa_two_nodes())
		return NULL;
	if (access("/proc/sys/vm/compact_memory", W_OK))
		return "needs two NUMA nodes, or root to compact memory";
	if (sysconf(_SC_PHYS_PAGES) > (long)(COMPACT_BYTES / race_page_size()))
		return "needs two NUMA nodes: so much memory is compacted for minutes";
	/* It moves this program's stacks, too, and a plant holds for all of the task. */
	if (race_mode() == MODE_CONTROL)
		return "compaction would put the planted bug to the race itself";
	return NULL;
}

/* All memory of the machine: dear, and done no more where it took seconds. */
static bool compact(void)
{
	static bool too_dear;
	uint64_t start = race_now_ns();
	bool done;

	if (too_dear)
		return false;
	done = !race_write_file("/proc/sys/vm/compact_memory", "1");
	too_dear = race_now_ns() - start > COMPACT_NS;
	if (too_dear)
		race_note("compacting all memory took %.1f s: no more of it in this run",
			  (race_now_ns() - start) / 1e9);
	return done;
}

static bool migrate(const struct region *r, struct rng *rng)
{
	size_t len;
	char *at = change_some(r, rng, &len);

	if (!numa_two_nodes())
		return !rng_below(rng, MIGRATE_ONE_IN) && compact();
	return numa_move(at, len, rng_below(rng, 2), rng) >= 0;
}

const struct change change_migrate = {
	.name = "migrate",
	.exposure = { "probe.rmap.migrate", 10 },
	.setup = migrate_setup,
	.make = migrate,
};
