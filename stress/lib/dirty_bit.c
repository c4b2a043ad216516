// SPDX-License-Identifier: GPL-2.0
/*
 * Does this machine note stores? Law: a store through a translation whose entry is
 * clean sets the entry's dirty (change) bit, or traps so that the kernel does.
 *
 * QEMU's ppc64 with the radix MMU and no KVM breaks it since 8.2: a load of a clean, writable
 * page enters a translation that is good for stores, and a store that follows sets nothing, nor
 * does it trap. ppc_radix64_check_rc() of target/ppc/mmu-radix64.c (10.0.13) judges the access that
 * fills the TLB, and nothing takes PAGE_WRITE from a load's translation, as
 * ppc_radix64_set_rc() had done up to 8.1.
 *
 * So: one thread, one CPU, nothing at once. Pages are made clean by MADV_FREE, loaded,
 * stored to, and reclaimed: a store that was not noted is thrown away. It is asked
 * only of machines that are known to be emulated so: anywhere else it is the kernel's failure.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "core.h"

#define PAGES	32
#define TRIES	8	/* reclaim may leave pages alone for reasons of its own */

static bool store_is_lost(void)
{
	size_t page = race_page_size(), len = PAGES * page;
	bool lost = false;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return false;
	madvise(mem, len, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < len; at += page)
		*(volatile char *)(mem + at) = 1;
	madvise(mem, len, MADV_FREE);
	/* Empties this CPU's queue of pages to be freed. */
	madvise(mem, len, MADV_COLD);
	for (size_t at = 0; at < len; at += page) {
		(void)*(volatile char *)(mem + at);
		*(volatile char *)(mem + at) = 2;
	}
	madvise(mem, len, MADV_PAGEOUT);
	for (size_t at = 0; at < len; at += page)
		lost |= *(volatile char *)(mem + at) != 2;
	munmap(mem, len);
	return lost;
}

bool race_loses_change_bits(void)
{
	static int loses = -1;

	if (loses < 0) {
		loses = 0;
		for (int i = 0; i < TRIES && !loses && race_emulated_ppc64(); i++)
			loses = store_is_lost();
	}
	return loses;
}
