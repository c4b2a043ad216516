// SPDX-License-Identifier: GPL-2.0
/*
 * The module's mirror: a secondary MMU with translations of its own, which are good
 * until a notifier takes them back. In control mode, where none comes, it holds
 * the pages: what is written through a stale translation is then nobody else's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../../include/mmrace_abi.h"
#include "device.h"
#include "race.h"
#include "ways.h"

static int device = -1;
static struct mmrace_mirror_run *call;

static const char *mirror_setup(void)
{
	const char *missing;

	call = race_shared(sizeof(*call));
	device = device_open(MMRACE_HAS_MIRROR, &missing);
	return device < 0 ? missing : NULL;
}

static void mirror_range(char *mem, size_t len)
{
	struct mmrace_mirror mirror = {
		.addr = (uintptr_t)mem,
		.len = len,
		.flags = race_mode() == MODE_CONTROL ? MMRACE_MIRROR_HOLD : 0,
	};

	if (len / race_page_size() > MMRACE_DEV_MAX_MIRROR_PAGES)
		race_error("the mirror takes at most %u pages",
			   MMRACE_DEV_MAX_MIRROR_PAGES);
	if (ioctl(device, MMRACE_IOC_MIRROR, &mirror))
		race_error("MMRACE_IOC_MIRROR: %s", strerror(errno));
}

/* By arguments in shared memory: see ways.c. */
static uint64_t run(const struct mmrace_mirror_run *want)
{
	*call = *want;
	do {
		if (!ioctl(device, MMRACE_IOC_MIRROR_RUN, call))
			continue;
		if (errno != ESTALE)
			race_error("MMRACE_IOC_MIRROR_RUN: %s", strerror(errno));
		race_fail("the mirror was left with a translation to a page that had been freed");
		break;
	} while (!call->done && !race_over());
	return call->done;
}

static uint64_t mirror_get(volatile uint64_t *p)
{
	const struct mmrace_mirror_run load = {
		.addr = (uintptr_t)p,
		.op = MMRACE_MIRROR_LOAD,
		.max = UINT64_MAX,
		.rounds = 1,
	};

	return run(&load) ? call->last : *p;
}

static uint64_t mirror_burst(volatile uint64_t *p, uint64_t first, uint64_t n)
{
	const struct mmrace_mirror_run store = {
		.addr = (uintptr_t)p,
		.op = MMRACE_MIRROR_STORE,
		.first = first,
		.rounds = n,
	};

	return run(&store) ? call->last : first - 1;
}

static void mirror_set(volatile uint64_t *p, uint64_t value)
{
	while (mirror_burst(p, value, 1) != value && !race_over())
		;
}

const struct way way_mirror = {
	.name = "mirror",
	.setup = mirror_setup,
	.range = mirror_range,
	.get = mirror_get,
	.set = mirror_set,
	.burst = mirror_burst,
};
