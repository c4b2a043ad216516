/* SPDX-License-Identifier: GPL-2.0 */
/* Swap of the race's own, gone after the program however that ends. */
#ifndef STRESS_SWAP_H
#define STRESS_SWAP_H

#include <stdbool.h>
#include <stddef.h>

enum swap_kind { SWAP_FILE, SWAP_ZRAM, SWAP_BOTH, SWAP_KINDS };
extern const char *const swap_names[];	/* for an option; NULL ends */

/*
 * main, setup: swap for that many pages, used before any other; both: a file in --dir
 * and zram take turns. NULL, or why there can be none. When both are asked for, one is enough.
 * What is on already, stays.
 */
const char *swap_on(enum swap_kind kind, size_t pages);

/* Of all areas of ours, in pages. */
size_t swap_slots(void);

/* Off and on again, all of it. False: the kernel refused (no memory), swap stays. */
bool swap_cycle(void);

#endif /* STRESS_SWAP_H */
