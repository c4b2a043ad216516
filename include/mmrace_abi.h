/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module, the races and the agent share, and nothing else: names of
 * files, limits, the version of the text formats (docs/contracts.md), and the
 * ioctls of the device (docs/abi.md).
 */
#ifndef MMRACE_ABI_H
#define MMRACE_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

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

/* === /dev/mmrace === */

/*
 * Law: a caller gets what user space cannot reach, never more than the limits
 * below, and everything is undone when its last descriptor is closed. Calls
 * on one open file run one after the other: a thread that must not wait for
 * another one opens the device itself.
 *
 * Reserved fields must be 0. Every struct has one layout for 32 and 64 bits.
 */
#define MMRACE_DEV_VERSION		1

#define MMRACE_DEV_MAX_FILES		64U
#define MMRACE_DEV_MAX_PINS		64U	/* sets of pinned pages for a file */
#define MMRACE_DEV_MAX_PIN_PAGES	1024U	/* for a file, over all its sets */
#define MMRACE_DEV_MAX_MIRROR_PAGES	16384U
#define MMRACE_DEV_MAX_PFN_PAGES	64U
#define MMRACE_DEV_MAX_KPT_PAGES	512U
#define MMRACE_DEV_MAX_ROUNDS		1000000U
#define MMRACE_DEV_MAX_IO		65536U	/* bytes one call copies */
#define MMRACE_DEV_MAX_DELAY_NS		MMRACE_WINDOW_MAX_NS

/* MMRACE_IOC_INFO: what the device of this kernel can do. */
#define MMRACE_HAS_PIN			(1U << 0)
#define MMRACE_HAS_MIRROR		(1U << 1)
#define MMRACE_HAS_BORROW		(1U << 2)
#define MMRACE_HAS_KPT			(1U << 3)
#define MMRACE_HAS_KPT_APPLY		(1U << 4)	/* init_mm was found */
#define MMRACE_HAS_PFNMAP		(1U << 5)
#define MMRACE_HAS_PLANTS		(1U << 6)	/* allow_plants=1 */

struct mmrace_info {
	__u32	version;	/* (out) MMRACE_DEV_VERSION */
	__u32	features;	/* (out) MMRACE_HAS_* */
};

/*
 * Pins: pin_user_pages_fast() on the caller's own memory, so without a lock
 * and with interrupts off. Data goes in and out through the pinned pages,
 * whatever is mapped at the address meanwhile.
 */
#define MMRACE_PIN_WRITE		(1U << 0)	/* FOLL_WRITE */
#define MMRACE_PIN_LONGTERM		(1U << 1)	/* FOLL_LONGTERM */

struct mmrace_pin {
	__u64	addr;		/* (in) page aligned */
	__u32	nr_pages;	/* (in) */
	__u32	flags;		/* (in) MMRACE_PIN_* */
	__u32	id;		/* (out) of the set */
	__u32	pinned;		/* (out) pages of it: the first ones, at least 1 */
};

struct mmrace_unpin {
	__u32	id;		/* (in) */
	__u32	dirty;		/* (in) 1: mark the pages dirty, as after DMA into them */
};

/* Bytes through a pin set, a mirror or the pages of a PFN mapping. */
#define MMRACE_IO_READ			0U
#define MMRACE_IO_WRITE			1U

struct mmrace_io {
	__u64	where;		/* (in) pin set, PFN pages: offset in bytes; mirror: address */
	__u64	buf;		/* (in) the caller's memory */
	__u32	len;		/* (in) bytes; mirror: inside one page */
	__u32	op;		/* (in) MMRACE_IO_* */
	__u32	id;		/* (in) of the pin set; mirror, PFN pages: 0 */
	__u32	reserved;
};

/*
 * Rounds of pin, read the word at @addr through the pin, unpin. A word that is not
 * in [min, max] is bad: the page was somebody else's. Ends early on a signal.
 */
struct mmrace_pin_loop {
	__u64	addr;		/* (in) 8-byte aligned */
	__u64	min, max;	/* (in) what a right word can be */
	__u64	bad_word;	/* (out) the first */
	__u32	rounds;		/* (in) */
	__u32	flags;		/* (in) MMRACE_PIN_* */
	__u32	done;		/* (out) rounds in which the page was pinned */
	__u32	missed;		/* (out) rounds in which it could not be */
	__u32	bad;		/* (out) */
	__u32	reserved;
};

/*
 * The mirror: a secondary MMU over a range of a process's memory. It keeps
 * translations of its own, without a reference to the pages, and drops them
 * when the kernel's notifier says so; a translation is taken with the retry
 * protocol of mmu_interval_read_begin() and mmu_interval_read_retry(). What the
 * caller does through it is what a virtual CPU does under KVM.
 */
#define MMRACE_MIRROR_HOLD		(1U << 0)	/* a reference to each page: what is stale is still nobody else's */
/* Broken on purpose, as controls. They imply HOLD, and need allow_plants=1. */
#define MMRACE_MIRROR_DEAF		(1U << 1)	/* does not drop what was invalidated */
#define MMRACE_MIRROR_NO_RETRY		(1U << 2)	/* does not ask for a retry */

struct mmrace_mirror {
	__u64	addr;		/* (in) page aligned */
	__u64	len;		/* (in) bytes, whole pages */
	__s32	pid;		/* (in) whose memory; 0: the caller's */
	__u32	flags;		/* (in) MMRACE_MIRROR_* */
	__u32	delay_ns;	/* (in) busy-wait between finding a page and asking for a retry */
	__u32	reserved;
};

/*
 * Rounds of work on the word at @addr through the mirror: STORE writes first,
 * first + 1...; LOAD reads and judges the word as in struct mmrace_pin_loop;
 * VERIFY faults the page in anew and compares it with the translation. Ends
 * early on a signal.
 */
#define MMRACE_MIRROR_STORE		0U
#define MMRACE_MIRROR_LOAD		1U
#define MMRACE_MIRROR_VERIFY		2U

struct mmrace_mirror_run {
	__u64	addr;		/* (in) 8-byte aligned */
	__u64	first;		/* (in) STORE: the first value; LOAD: the least right word */
	__u64	max;		/* (in) LOAD: the greatest right word */
	__u64	last;		/* (out) STORE: the last value stored; LOAD: the last word read */
	__u64	bad_word;	/* (out) LOAD: the first bad one */
	__u32	op;		/* (in) MMRACE_MIRROR_* */
	__u32	rounds;		/* (in) */
	__u32	done;		/* (out) */
	__u32	missed;		/* (out) rounds in which the page could not be reached */
	__u32	bad;		/* (out) LOAD: bad words; VERIFY: translations that are stale */
	__u32	reserved;
};

struct mmrace_mirror_stat {
	__u64	faults;		/* (out) translations taken */
	__u64	retries;	/* (out) thrown away because the sequence had moved */
	__u64	invalidations;	/* (out) calls of the notifier */
	__u64	dropped;	/* (out) translations they took away */
	__u64	stale;		/* (out) accesses refused, as their page had been freed: a breach */
};

/*
 * A kernel thread that borrows the caller's mm again and again: uses it, adds
 * 1 to the word at @addr, lets go of it, and stays lazily on it
 * (active_mm) for @hold_us. It goes on while the mm is torn down, and ends with
 * MMRACE_IOC_BORROW_STOP or when the file is closed.
 */
#define MMRACE_BORROW_SPIN		(1U << 0)	/* hold by spinning: the CPU stays lazy; else by sleeping */
/*
 * Takes the mm once and does not let go of it: stores 1, 2, 3..., resting for at most
 * @hold_us at a time, until the word cannot be reached any more, as no page is faulted in. It does not
 * keep the mm from being torn down meanwhile, so @addr must lie in a shared mapping,
 * whose pages outlive it. A thread that has ended so is `gone`.
 */
#define MMRACE_BORROW_LINGER		(1U << 1)

struct mmrace_borrow {
	__u64	addr;		/* (in) 8-byte aligned; 0: do not touch memory */
	__s32	cpu;		/* (in) -1: any */
	__u32	flags;		/* (in) MMRACE_BORROW_* */
	__u32	hold_us;	/* (in) at most 10000 */
	__u32	reserved;
};

struct mmrace_borrow_stat {
	__u64	loops;		/* (out) */
	__u64	touches;	/* (out) words incremented */
	__u64	faults;		/* (out) the address could not be reached */
	__u64	gone;		/* (out) loops after the last user of the mm had gone */
};

/*
 * Kernel page tables. APPLY walks a vmalloc area with apply_to_page_range() and
 * a callback that judges the law of lazy-MMU sections. REMAP maps pages
 * with vmap(), compares what the mapping shows with what the pages
 * hold, and unmaps them, so that addresses are used again with other pages.
 */
#define MMRACE_KPT_APPLY		0U
#define MMRACE_KPT_REMAP		1U

struct mmrace_kpt {
	__u32	op;		/* (in) MMRACE_KPT_* */
	__u32	nr_pages;	/* (in) */
	__u32	rounds;		/* (in) */
	__u32	done;		/* (out) rounds */
	__u64	ptes;		/* (out) APPLY: seen by the callback */
	__u64	bad;		/* (out) APPLY: breaches of the law; REMAP: wrong words */
};

/*
 * A PFN mapping: mmap() of the device (shared, from offset 0, at most
 * MMRACE_DEV_MAX_PFN_PAGES) maps pages of the module's. REVOKE takes them away with
 * unmap_mapping_range(), and puts others in their place, zeroed. Once it has
 * returned nobody can reach the old ones: each is filled with a pattern
 * and watched for @watch_us. A word that changes was written through a stale
 * translation. The old pages are the module's all the time.
 */
#define MMRACE_PFN_FAULT		0U	/* vmf_insert_pfn() at each fault */
#define MMRACE_PFN_REMAP		1U	/* remap_pfn_range() in mmap() */

struct mmrace_pfn {
	__u32	nr_pages;	/* (in) */
	__u32	how;		/* (in) MMRACE_PFN_* */
};

struct mmrace_pfn_revoke {
	__u32	watch_us;	/* (in) at most 10000 */
	__u32	stale_words;	/* (out) that changed */
	__u64	word;		/* (out) the first of them */
	__u64	offset;		/* (out) its place, in bytes */
};

#define MMRACE_IOC_INFO		_IOR('Z', 0x00, struct mmrace_info)
#define MMRACE_IOC_PIN		_IOWR('Z', 0x10, struct mmrace_pin)
#define MMRACE_IOC_UNPIN	_IOW('Z', 0x11, struct mmrace_unpin)
#define MMRACE_IOC_PIN_IO	_IOW('Z', 0x12, struct mmrace_io)
#define MMRACE_IOC_PIN_LOOP	_IOWR('Z', 0x13, struct mmrace_pin_loop)
#define MMRACE_IOC_MIRROR	_IOW('Z', 0x20, struct mmrace_mirror)
#define MMRACE_IOC_MIRROR_OFF	_IO('Z', 0x21)
#define MMRACE_IOC_MIRROR_IO	_IOW('Z', 0x22, struct mmrace_io)
#define MMRACE_IOC_MIRROR_RUN	_IOWR('Z', 0x23, struct mmrace_mirror_run)
#define MMRACE_IOC_MIRROR_STAT	_IOR('Z', 0x24, struct mmrace_mirror_stat)
#define MMRACE_IOC_BORROW	_IOW('Z', 0x30, struct mmrace_borrow)
#define MMRACE_IOC_BORROW_STOP	_IOR('Z', 0x31, struct mmrace_borrow_stat)
#define MMRACE_IOC_KPT		_IOWR('Z', 0x40, struct mmrace_kpt)
#define MMRACE_IOC_PFN		_IOW('Z', 0x50, struct mmrace_pfn)
#define MMRACE_IOC_PFN_REVOKE	_IOWR('Z', 0x51, struct mmrace_pfn_revoke)
#define MMRACE_IOC_PFN_IO	_IOW('Z', 0x52, struct mmrace_io)

#endif /* MMRACE_ABI_H */
