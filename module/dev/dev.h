/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of /dev/mmrace share. Each part keeps one pointer in the open
 * file, made by its ioctls and undone by its close().
 *
 * Lock order: mmr_file.lock, then mmap_lock (pages of the caller may fault in
 * during any ioctl), then a part's own lock.
 */
#ifndef MMRACE_DEV_H
#define MMRACE_DEV_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/ktime.h>

#include "mmrace.h"

struct mmr_pins;
struct mmr_mirror;
struct mmr_borrow;
struct mmr_pfn;

struct mmr_file {
	struct mutex		lock;	/* held over each ioctl */
	struct address_space	*mapping;	/* of the device, all files share it */
	unsigned int		slot;	/* which of the MMRACE_DEV_MAX_FILES */
	struct mmr_pins		*pins;
	struct mmr_mirror	*mirror;
	struct mmr_borrow	*borrow;
	struct mmr_pfn		*pfn;	/* set once: mmap() and faults read it without the lock */
};

/* @arg is a copy of the caller's struct; what is left in it goes back on success. */
typedef int (*mmr_ioctl_fn)(struct mmr_file *file, void *arg);

int mmr_pin_make(struct mmr_file *file, void *arg);
int mmr_pin_drop(struct mmr_file *file, void *arg);
int mmr_pin_io(struct mmr_file *file, void *arg);
int mmr_pin_loop(struct mmr_file *file, void *arg);
void mmr_pin_close(struct mmr_file *file);

int mmr_mirror_make(struct mmr_file *file, void *arg);
int mmr_mirror_off(struct mmr_file *file, void *arg);
int mmr_mirror_io(struct mmr_file *file, void *arg);
int mmr_mirror_run(struct mmr_file *file, void *arg);
int mmr_mirror_stat(struct mmr_file *file, void *arg);
void mmr_mirror_close(struct mmr_file *file);

int mmr_borrow_start(struct mmr_file *file, void *arg);
int mmr_borrow_stop(struct mmr_file *file, void *arg);
void mmr_borrow_close(struct mmr_file *file);

int mmr_kpt_run(struct mmr_file *file, void *arg);
bool mmr_kpt_can_apply(void);

int mmr_pfn_make(struct mmr_file *file, void *arg);
int mmr_pfn_revoke(struct mmr_file *file, void *arg);
int mmr_pfn_io(struct mmr_file *file, void *arg);
int mmr_pfn_mmap(struct file *fd, struct vm_area_struct *vma);
void mmr_pfn_close(struct mmr_file *file);

/* Copies @len bytes at @offset of the pages @page to or from the caller's @buf. */
int mmr_pages_io(struct page *const *page, unsigned int nr, const struct mmrace_io *io);

/* At most MMRACE_DEV_MAX_DELAY_NS. */
static inline void mmr_spin(u64 ns)
{
	u64 end = ktime_get_mono_fast_ns() + ns;

	while (ns && ktime_get_mono_fast_ns() < end)
		cpu_relax();
}

#endif /* MMRACE_DEV_H */
