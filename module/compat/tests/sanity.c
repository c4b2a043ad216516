// SPDX-License-Identifier: GPL-2.0
/* The environment itself: if this fails to compile, no other answer counts. */
#include <linux/module.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include "compat/tlb.h"

int mmrace_sanity(struct kprobe *kp)
{
	return register_kprobe(kp);
}
