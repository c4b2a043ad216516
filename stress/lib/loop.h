/* SPDX-License-Identifier: GPL-2.0 */
/* A block device over a file of the race's own. */
#ifndef STRESS_LOOP_H
#define STRESS_LOOP_H

/*
 * setup: opens a loop device over the file for direct I/O, read-only; it is gone with the last
 * descriptor. NULL, or why it cannot be had. Unlike a file, a block device
 * marks the pages of a small direct read dirty only when it has ended.
 */
const char *loop_open(int backing, int *device);

#endif /* STRESS_LOOP_H */
