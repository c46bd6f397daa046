// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for the module: a device that can be opened, nothing else.
 * tests/vm/selftest proves with it that the VM runner can fail, without
 * depending on the state of the real module.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static int number = 1;
module_param(number, int, 0444);
MODULE_PARM_DESC(number, "any number; lets the selftest see that parameters arrive");

static int stand_in_open(struct inode *inode, struct file *file)
{
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
