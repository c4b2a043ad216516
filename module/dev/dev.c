// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/mmrace: what races cannot reach from user space on a stock kernel. The
 * law is in mmrace_abi.h: bounded for each caller, undone at the last close.
 * The module stays while a file is open (fops.owner).
 */
#include <linux/bitmap.h>
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "dev.h"

static DECLARE_BITMAP(slots, MMRACE_DEV_MAX_FILES);
static DEFINE_SPINLOCK(slots_lock);

static int info(struct mmr_file *file, void *arg)
{
	struct mmrace_info *out = arg;

	out->version = MMRACE_DEV_VERSION;
	out->features = MMRACE_HAS_PIN | MMRACE_HAS_MIRROR | MMRACE_HAS_BORROW |
			MMRACE_HAS_KPT | MMRACE_HAS_PFNMAP;
	if (mmr_kpt_can_apply())
		out->features |= MMRACE_HAS_KPT_APPLY;
	if (mmr_plants_allowed())
		out->features |= MMRACE_HAS_PLANTS;
	return 0;
}

static const struct {
	unsigned int	cmd;
	mmr_ioctl_fn	fn;
} ioctls[] = {
	{ MMRACE_IOC_INFO,		info },
	{ MMRACE_IOC_PIN,		mmr_pin_make },
	{ MMRACE_IOC_UNPIN,		mmr_pin_drop },
	{ MMRACE_IOC_PIN_IO,		mmr_pin_io },
	{ MMRACE_IOC_PIN_LOOP,		mmr_pin_loop },
	{ MMRACE_IOC_MIRROR,		mmr_mirror_make },
	{ MMRACE_IOC_MIRROR_OFF,	mmr_mirror_off },
	{ MMRACE_IOC_MIRROR_IO,		mmr_mirror_io },
	{ MMRACE_IOC_MIRROR_RUN,	mmr_mirror_run },
	{ MMRACE_IOC_MIRROR_STAT,	mmr_mirror_stat },
	{ MMRACE_IOC_BORROW,		mmr_borrow_start },
	{ MMRACE_IOC_BORROW_STOP,	mmr_borrow_stop },
	{ MMRACE_IOC_KPT,		mmr_kpt_run },
	{ MMRACE_IOC_PFN,		mmr_pfn_make },
	{ MMRACE_IOC_PFN_REVOKE,	mmr_pfn_revoke },
	{ MMRACE_IOC_PFN_IO,		mmr_pfn_io },
};

#define MAX_ARG	sizeof(struct mmrace_mirror_run)	/* the largest of them */

static long dev_ioctl(struct file *fd, unsigned int cmd, unsigned long arg)
{
	struct mmr_file *file = fd->private_data;
	void __user *user = (void __user *)arg;
	u64 copy[DIV_ROUND_UP(MAX_ARG, sizeof(u64))] = { };
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		if (ioctls[i].cmd == cmd)
			break;
	if (i == ARRAY_SIZE(ioctls))
		return -ENOTTY;
	if (WARN_ON_ONCE(_IOC_SIZE(cmd) > sizeof(copy)))
		return -ENOTTY;
	if ((_IOC_DIR(cmd) & _IOC_WRITE) && copy_from_user(copy, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	err = mutex_lock_interruptible(&file->lock);
	if (err)
		return err;
	err = ioctls[i].fn(file, copy);
	mutex_unlock(&file->lock);
	if (!err && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(user, copy, _IOC_SIZE(cmd)))
		return -EFAULT;
	return err;
}

static int dev_open(struct inode *inode, struct file *fd)
{
	struct mmr_file *file;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	spin_lock(&slots_lock);
	file->slot = find_first_zero_bit(slots, MMRACE_DEV_MAX_FILES);
	if (file->slot < MMRACE_DEV_MAX_FILES)
		__set_bit(file->slot, slots);
	spin_unlock(&slots_lock);
	if (file->slot == MMRACE_DEV_MAX_FILES) {
		kfree(file);
		return -EMFILE;
	}
	file->mapping = fd->f_mapping;
	fd->private_data = file;
	return nonseekable_open(inode, fd);
}

/* No ioctl runs and no mapping is left: both hold the file. */
static int dev_release(struct inode *inode, struct file *fd)
{
	struct mmr_file *file = fd->private_data;

	mmr_borrow_close(file);
	mmr_mirror_close(file);
	mmr_pin_close(file);
	mmr_pfn_close(file);
	spin_lock(&slots_lock);
	__clear_bit(file->slot, slots);
	spin_unlock(&slots_lock);
	kfree(file);
	return 0;
}

static const struct file_operations dev_fops = {
	.owner		= THIS_MODULE,
	.open		= dev_open,
	.release	= dev_release,
	.unlocked_ioctl	= dev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= mmr_pfn_mmap,
};

static struct miscdevice misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "mmrace",
	.mode	= 0600,
	.fops	= &dev_fops,
};

int mmr_dev_init(void)
{
	return misc_register(&misc);
}

void mmr_dev_exit(void)
{
	misc_deregister(&misc);
}

/* === Shared by the parts === */

int mmr_pages_io(struct page *const *page, unsigned int nr, const struct mmrace_io *io)
{
	void __user *buf = u64_to_user_ptr(io->buf);
	u64 at = io->where, end;

	if (io->op > MMRACE_IO_WRITE || io->reserved || !io->len ||
	    io->len > MMRACE_DEV_MAX_IO || check_add_overflow(at, (u64)io->len, &end) ||
	    end > (u64)nr << PAGE_SHIFT)
		return -EINVAL;
	while (at < end) {
		void *kernel = page_address(page[at >> PAGE_SHIFT]) + offset_in_page(at);
		unsigned long len = min_t(u64, end - at, PAGE_SIZE - offset_in_page(at));

		if (io->op == MMRACE_IO_READ ? copy_to_user(buf, kernel, len) :
					       copy_from_user(kernel, buf, len))
			return -EFAULT;
		at += len;
		buf += len;
	}
	return 0;
}
