// SPDX-License-Identifier: GPL-2.0
/*
 * v5.11, d741bf41d7c7 ("kprobes: Remove kretprobe hash"): the instance no
 * longer points at its kretprobe; get_kretprobe() finds it.
 */
#include <linux/kprobes.h>

struct kretprobe *mmrace_test(struct kretprobe_instance *ri)
{
	return get_kretprobe(ri);
}
