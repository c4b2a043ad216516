// SPDX-License-Identifier: GPL-2.0
/* The kernel's own page tables, by the module's device. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../../include/mmrace_abi.h"
#include "change.h"
#include "core.h"
#include "device.h"

#define KPT_PAGES	64
#define KPT_ROUNDS	4

static int kpt_device = -1;

static const char *kernel_setup(const struct region *r)
{
	const char *missing;

	(void)r;
	kpt_device = device_open(MMRACE_HAS_KPT, &missing);
	return kpt_device < 0 ? missing : NULL;
}

static bool kernel(const struct region *r, struct rng *rng)
{
	struct mmrace_kpt kpt = {
		.op = rng_below(rng, 2) ? MMRACE_KPT_REMAP : MMRACE_KPT_APPLY,
		.nr_pages = rng_log(rng, KPT_PAGES),
		.rounds = KPT_ROUNDS,
	};

	(void)r;
	if (ioctl(kpt_device, MMRACE_IOC_KPT, &kpt)) {
		if (errno == EOPNOTSUPP || errno == ENOMEM)
			return false;
		race_error("MMRACE_IOC_KPT: %s", strerror(errno));
	}
	if (kpt.bad)
		race_fail("%s of a vmalloc area of %u pages: %llu %s",
			  kpt.op == MMRACE_KPT_REMAP ? "vmap()" :
			  "apply_to_page_range()", kpt.nr_pages,
			  (unsigned long long)kpt.bad,
			  kpt.op == MMRACE_KPT_REMAP ? "wrong words" :
			  "breaches of a lazy-MMU section's law");
	return true;
}

const struct change change_kernel = {
	.name = "kernel",
	.setup = kernel_setup,
	.make = kernel,
};
