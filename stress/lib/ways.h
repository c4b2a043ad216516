/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ways to reach a word of one's own memory. All but the first go round the CPU's
 * translation: the kernel finds the page by get_user_pages(), with locks or without.
 * A way that goes through a file serves one actor at a time.
 */
#ifndef STRESS_WAYS_H
#define STRESS_WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct way {
	const char *name;
	/*
	 * open(2): "O_DIRECT I/Os should never be run concurrently with the fork(2)
	 * system call, if the memory buffer is a private mapping".
	 */
	bool not_with_fork;
	bool pins_for_long;	/* refused of a file system's file (6.12, writable_file_mapping_allowed()) */
	const char *(*setup)(void);	/* main, once; why it cannot be had, or NULL */
	/* main, after setup: the only memory that is asked for, whole pages. */
	void (*range)(char *mem, size_t len);
	uint64_t (*get)(volatile uint64_t *p);
	void (*set)(volatile uint64_t *p, uint64_t value);	/* NULL: only looks */
	/* Stores first, first + 1 and so on, n of them; returns the last one stored. */
	uint64_t (*burst)(volatile uint64_t *p, uint64_t first, uint64_t n);
	/* Gives back the pages that it holds: a page that is held is not collapsed or moved. */
	void (*release)(void);
};

/*
 * Main: whether the way was asked for and can be had, which is said. @mem is the memory that a way
 * with a range() is for, @len bytes.
 */
bool way_taken(const struct way *way, char *mem, size_t len);

/*
 * Gives the LRU what this CPU has faulted in. That waits on the CPU's list of new pages, where
 * reclaim does not take it from (6.12: folio_add_lru() in do_swap_page(), folio_isolate_lru() in
 * madvise_cold_or_pageout_pte_range()), until so many more have come (PAGEVEC_SIZE: 15 in 6.1,
 * 31 in 6.12).
 */
void way_drain(void);

/* way_drained: the CPU, with way_drain() every few stores. */
extern const struct way way_cpu, way_drained, way_process_vm, way_direct, way_vmsplice,
			way_uring, way_pin, way_mirror, way_kvm;

#endif /* STRESS_WAYS_H */
