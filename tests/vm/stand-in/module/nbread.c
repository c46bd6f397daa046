// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for the module: a device that can be opened, nothing else, and
 * that misbehaves at open where the parameter 'defect' says so.
 * tests/vm/selftest proves with it that the VM runner can fail, without
 * depending on the state of the real module.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static int number = 1;
module_param(number, int, 0444);
MODULE_PARM_DESC(number, "any number; lets the selftest see that parameters arrive");

static char *defect = "";
module_param(defect, charp, 0444);
MODULE_PARM_DESC(defect, "uaf, sleep, leak, lock or shift: what a debug kernel has to see");

static DEFINE_SPINLOCK(lock_a);
static DEFINE_SPINLOCK(lock_b);

static void use_after_free(void)
{
	char *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(p);
	kfree(p);
	WRITE_ONCE(p[8], 1);
}

static void sleep_under_lock(void)
{
	spin_lock(&lock_a);
	msleep(1);
	spin_unlock(&lock_a);
}

static void leak(void)
{
	char *p = kmalloc(96, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
}

/* Harmless with one caller: only lockdep can tell. */
static void locks_in_both_orders(void)
{
	spin_lock(&lock_a);
	spin_lock(&lock_b);
	spin_unlock(&lock_b);
	spin_unlock(&lock_a);
	spin_lock(&lock_b);
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	spin_unlock(&lock_b);
}

static void shift_too_far(void)
{
	int bits = 40 * number;

	OPTIMIZER_HIDE_VAR(bits);
	number = 1 << bits;
}

static int stand_in_open(struct inode *inode, struct file *file)
{
	if (!strcmp(defect, "uaf"))
		use_after_free();
	else if (!strcmp(defect, "sleep"))
		sleep_under_lock();
	else if (!strcmp(defect, "leak"))
		leak();
	else if (!strcmp(defect, "lock"))
		locks_in_both_orders();
	else if (!strcmp(defect, "shift"))
		shift_too_far();
	return 0;
}

static const struct file_operations stand_in_fops = {
	.owner = THIS_MODULE,
	.open = stand_in_open,
};

static struct miscdevice stand_in_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nbread",
	.fops = &stand_in_fops,
};
module_misc_device(stand_in_device);

MODULE_DESCRIPTION("stand-in for nbread in the selftest of the VM runner");
MODULE_LICENSE("GPL");
