// SPDX-License-Identifier: GPL-2.0
/* move_pages(2), as changes and races use it. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"
#include "numa.h"

#define MPOL_MF_MOVE 2

bool numa_two_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

long numa_move(char *at, size_t len, bool together, struct rng *rng)
{
	size_t page = race_page_size(), n = len / page;
	int node = (int)rng_below(rng, 2);
	void **pages = malloc(n * sizeof(*pages));
	int *nodes = malloc(n * sizeof(*nodes)), *status = malloc(n * sizeof(*status));
	long arrived = 0, err;

	if (!pages || !nodes || !status)
		race_error("no memory");
	for (size_t i = 0; i < n; i++) {
		pages[i] = at + i * page;
		nodes[i] = together ? node : (int)rng_below(rng, 2);
		status[i] = -1;
	}
	err = syscall(SYS_move_pages, 0, n, pages, nodes, status, MPOL_MF_MOVE);
	for (size_t i = 0; err >= 0 && i < n; i++)
		arrived += status[i] == nodes[i];
	free(pages);
	free(nodes);
	free(status);
	return err < 0 ? -1 : arrived;
}
