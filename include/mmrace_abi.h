/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module, the races and the agent share, and nothing else: names of
 * files, limits, and the version of the text formats (docs/contracts.md).
 */
#ifndef MMRACE_ABI_H
#define MMRACE_ABI_H

/* Whenever a file's format changes so that a reader can notice, add one. */
#define MMRACE_ABI_VERSION		1

#define MMRACE_DEBUGFS_DIR		"mmrace"
#define MMRACE_DEBUGFS_PATH		"/sys/kernel/debug/" MMRACE_DEBUGFS_DIR
#define MMRACE_DEVICE_PATH		"/dev/mmrace"

/*
 * A window is a busy-wait inside the kernel, at worst under a spinlock with
 * interrupts off. One hit stays far below the shortest watchdog (RCU's CPU
 * stall warning, 21 s by default), and the sum for one CPU leaves it time
 * to answer IPIs and to run its ticks.
 */
#define MMRACE_WINDOW_MAX_NS		5000000UL	/* one hit */
#define MMRACE_WINDOW_MAX_BUDGET_US	800000UL	/* per CPU and second */

#endif /* MMRACE_ABI_H */
