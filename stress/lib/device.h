/* SPDX-License-Identifier: GPL-2.0 */
/* The module's device (docs/abi.md): what user space cannot reach otherwise. */
#ifndef STRESS_DEVICE_H
#define STRESS_DEVICE_H

/*
 * A new descriptor, closed by exec, of a device that has all of these features (MMRACE_HAS_*).
 * -1: *missing says why there is none.
 */
int device_open(unsigned int features, const char **missing);

#endif /* STRESS_DEVICE_H */
