// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the character device: module entry and exit, file operations, and the
 * table of ioctls.
 *
 * Role: the edge. Everything that comes from a program as an ioctl argument is
 * copied and checked for size here; its members are checked by the file that
 * serves the call.
 * Context: task context of the caller. Takes no lock.
 * References: an open file owns one reference to its nb_ctx, given back a grace period
 * after nb_ctx_close() (close.c); the VFS holds the module while a file is open.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "internal.h"

unsigned int nb_max_workers = 16;
module_param_named(max_workers, nb_max_workers, uint, 0444);
MODULE_PARM_DESC(max_workers,
		 "Blocking reads that the workers of one ring run at a time (1-512, default 16)");

/**
 * nb_copy_arg() - take an ioctl argument of any published or later size
 * @karg: kernel copy, zeroed beyond what the program passed
 * @ksize: what this module knows
 * @min_size: the first published size
 * @uarg: the program's
 * @usize: its size, out of the ioctl number
 *
 * Return: 0, -EINVAL (too short), -E2BIG (a member set that is not known here), -EFAULT.
 * Source: copy_struct_from_user(), f5a1a536fa14.
 */
static __always_inline int nb_copy_arg(void *karg, size_t ksize, size_t min_size,
				       const void __user *uarg, size_t usize)
{
	/* The usual size is a constant: no check of the stack's bounds at run time. */
	if (likely(usize == ksize))
		return copy_from_user(karg, uarg, ksize) ? -EFAULT : 0;
	if (usize < min_size)
		return -EINVAL;
	return copy_struct_from_user(karg, ksize, uarg, usize);
}

/* Hand a struct back, as much of it as the program has room for. */
static int nb_return_arg(void __user *uarg, size_t usize, const void *karg, size_t ksize)
{
	return copy_to_user(uarg, karg, min(usize, ksize)) ? -EFAULT : 0;
}

static long nb_ioc_query(struct nb_ctx *ctx, void __user *uarg, size_t usize)
{
	struct nbread_query q;
	int ret = nb_copy_arg(&q, sizeof(q), sizeof(q), uarg, usize);

	if (ret)
		return ret;
	/* Out members come in as anything but the reserved ones. */
	if (memchr_inv(q.resv, 0, sizeof(q.resv)))
		return -EINVAL;
	nb_query(&q);
	return nb_return_arg(uarg, usize, &q, sizeof(q));
}

static long nb_ioc_setup(struct nb_ctx *ctx, void __user *uarg, size_t usize)
{
	struct nbread_setup p;
	int ret = nb_copy_arg(&p, sizeof(p), sizeof(p), uarg, usize);

	if (!ret)
		ret = nb_ctx_setup(ctx, &p);
	/* A ring whose offsets cannot be told stays: close() ends it. */
	return ret ? ret : nb_return_arg(uarg, usize, &p, sizeof(p));
}

static long nb_ioc_enter(struct nb_ctx *ctx, void __user *uarg, size_t usize)
{
	struct nbread_enter p;
	int ret = nb_copy_arg(&p, sizeof(p), sizeof(p), uarg, usize);

	return ret ? ret : nb_enter(ctx, &p);
}

static long nb_ioc_try(struct nb_ctx *ctx, void __user *uarg, size_t usize)
{
	struct nbread_try_batch p;
	int ret = nb_copy_arg(&p, sizeof(p), sizeof(p), uarg, usize);

	return ret ? ret : nb_try(ctx, &p);
}

static long nb_ioc_register(struct nb_ctx *ctx, void __user *uarg, size_t usize)
{
	struct nbread_register p;
	int ret = nb_copy_arg(&p, sizeof(p), sizeof(p), uarg, usize);

	return ret ? ret : nb_register(ctx, &p);
}

static long nb_ioc_cancel(struct nb_ctx *ctx, void __user *uarg, size_t usize)
{
	struct nbread_cancel p;
	int ret = nb_copy_arg(&p, sizeof(p), sizeof(p), uarg, usize);

	return ret ? ret : nb_cancel(ctx, &p);
}

static long nb_ioc_file_info(struct nb_ctx *ctx, void __user *uarg, size_t usize)
{
	struct nbread_file_info p;
	int ret = nb_copy_arg(&p, sizeof(p), sizeof(p), uarg, usize);

	if (!ret)
		ret = nb_file_info(ctx, &p);
	return ret ? ret : nb_return_arg(uarg, usize, &p, sizeof(p));
}

typedef long (*nb_ioc_fn)(struct nb_ctx *ctx, void __user *uarg, size_t usize);

static const nb_ioc_fn nb_ioctls[] = {
	[_IOC_NR(NBREAD_IOC_QUERY)] = nb_ioc_query,
	[_IOC_NR(NBREAD_IOC_SETUP)] = nb_ioc_setup,
	[_IOC_NR(NBREAD_IOC_ENTER)] = nb_ioc_enter,
	[_IOC_NR(NBREAD_IOC_TRY)] = nb_ioc_try,
	[_IOC_NR(NBREAD_IOC_REGISTER)] = nb_ioc_register,
	[_IOC_NR(NBREAD_IOC_CANCEL)] = nb_ioc_cancel,
	[_IOC_NR(NBREAD_IOC_FILE_INFO)] = nb_ioc_file_info,
};

static long nb_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned int nr = _IOC_NR(cmd);

	if (_IOC_TYPE(cmd) != NBREAD_IOC_MAGIC || _IOC_DIR(cmd) != (_IOC_READ | _IOC_WRITE) ||
	    nr >= ARRAY_SIZE(nb_ioctls))
		return -ENOTTY;
	nr = array_index_nospec(nr, ARRAY_SIZE(nb_ioctls));
	return nb_ioctls[nr](file->private_data, (void __user *)arg, _IOC_SIZE(cmd));
}

static int nb_open(struct inode *inode, struct file *file)
{
	struct nb_ctx *ctx = nb_ctx_create();

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	file->private_data = ctx;
	return nonseekable_open(inode, file);
}

static int nb_release(struct inode *inode, struct file *file)
{
	nb_ctx_close(file->private_data);
	return 0;
}

static int nb_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct nb_ctx *ctx = file->private_data;
	struct nb_ring *ring = nb_ctx_ring(ctx);

	if (!ring)
		return -ENXIO;
	if (current->mm != ctx->mm)
		return -EPERM;
	/* A forked child could else have the thread read into its parent's memory. */
	if (ctx->sq)
		nb_vma_dontfork(vma);
	return nb_ring_mmap(ring, vma);
}

const struct file_operations nb_fops = {
	.owner = THIS_MODULE,
	.open = nb_open,
	.release = nb_release,
	.unlocked_ioctl = nb_ioctl,
	/* Addresses are __u64 and layouts are equal: 32-bit callers need no translation. */
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = nb_mmap,
	.poll = nb_poll,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = nb_show_fdinfo,
#endif
};

static struct miscdevice nb_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nbread",
	.fops = &nb_fops,
};

static int __init nb_init(void)
{
	int ret;

	BUILD_BUG_ON(sizeof(struct nbread_sqe) != 64);
	BUILD_BUG_ON(sizeof(struct nbread_cqe) != 16);
	BUILD_BUG_ON(sizeof(struct nbread_try) != 40);

	if (nb_max_workers < 1 || nb_max_workers > 512) {
		pr_err("nbread: max_workers=%u is out of range; load the module with 1 to 512\n",
		       nb_max_workers);
		return -EINVAL;
	}
	ret = nb_req_init();
	if (ret)
		return ret;
	ret = nb_ctx_init();
	if (ret)
		goto out_req;
	ret = nb_deadline_init();
	if (ret)
		goto out_ctx;
	ret = misc_register(&nb_misc);
	if (ret)
		goto out_deadline;
	return 0;
out_deadline:
	nb_deadline_exit();
out_ctx:
	nb_ctx_exit();
out_req:
	nb_req_exit();
	return ret;
}

static void __exit nb_exit(void)
{
	misc_deregister(&nb_misc);
	nb_miss_exit();
	nb_ctx_exit();
	nb_deadline_exit();
	nb_req_exit();
}

module_init(nb_init);
module_exit(nb_exit);

MODULE_DESCRIPTION("Batched, cached-first file reads without a thread per read");
MODULE_AUTHOR("The nbread developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(NBREAD_VERSION);
