// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-mapper and null_blk devices, and file systems on them; see dm.h. All by
 * dmsetup(8), mkfs(8) and mount(8): their messages end up in the failed test.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dm.h"
#include "nbtest.h"

/* There is no udev in the VM that could answer. */
#define DMSETUP "DM_DISABLE_UDEV=1 dmsetup"

bool dm_have(const char *target)
{
	return nbtest_sh("modprobe -q dm-%s; dmsetup targets | grep -q '^%s '", target, target) ==
	       0;
}

const char *dm_scratch(void)
{
	const char *dev = getenv("NBREAD_SCRATCH");

	if (!dev || !*dev)
		nbtest_fatal("NBREAD_SCRATCH is not set: this test runs in the VM");
	return dev;
}

uint64_t dm_sectors(const char *dev)
{
	int fd = open(dev, O_RDONLY | O_CLOEXEC);
	uint64_t bytes;

	if (fd < 0)
		nbtest_fatal("%s: %m", dev);
	bytes = nbtest_size(fd);
	close(fd);
	return bytes / 512;
}

const char *dm_path(const char *name)
{
	static __thread char path[128];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return path;
}

static void table(char *out, size_t size, const char *fmt, va_list ap)
{
	if (vsnprintf(out, size, fmt, ap) >= (int)size)
		nbtest_fatal("device-mapper table too long: %s", out);
}

void dm_create(const char *name, const char *table_fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, table_fmt);
	table(line, sizeof(line), table_fmt, ap);
	va_end(ap);
	dm_remove(name);
	nbtest_sh("modprobe -q dm-mod");
	nbtest_must_sh(DMSETUP " create %s --table '%s' && dmsetup mknodes %s", name, line, name);
}

void dm_load(const char *name, const char *table_fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, table_fmt);
	table(line, sizeof(line), table_fmt, ap);
	va_end(ap);
	nbtest_must_sh(DMSETUP " load %s --table '%s'", name, line);
	dm_suspend(name);
	dm_resume(name);
}

void dm_linear(const char *name, const char *dev)
{
	dm_create(name, "0 %" PRIu64 " linear %s 0", dm_sectors(dev), dev);
}

void dm_delay(const char *name, const char *dev, unsigned int read_ms)
{
	dm_create(name, "0 %" PRIu64 " delay %s 0 %u %s 0 0", dm_sectors(dev), dev, read_ms, dev);
}

void dm_delay_set(const char *name, const char *dev, unsigned int read_ms)
{
	dm_load(name, "0 %" PRIu64 " delay %s 0 %u %s 0 0", dm_sectors(dev), dev, read_ms, dev);
}

void dm_dust(const char *name, const char *dev)
{
	dm_create(name, "0 %" PRIu64 " dust %s 0 512", dm_sectors(dev), dev);
	/* It logs each bad block otherwise. */
	dm_message(name, "quiet");
	dm_message(name, "enable");
}

void dm_dust_add(const char *name, uint64_t sector)
{
	dm_message(name, "addbadblock %" PRIu64, sector);
}

void dm_dust_remove(const char *name, uint64_t sector)
{
	dm_message(name, "removebadblock %" PRIu64, sector);
}

void dm_error(const char *name, uint64_t sectors)
{
	dm_create(name, "0 %" PRIu64 " error", sectors);
}

void dm_flakey(const char *name, const char *dev, unsigned int up_s, unsigned int down_s)
{
	dm_create(name, "0 %" PRIu64 " flakey %s 0 %u %u", dm_sectors(dev), dev, up_s, down_s);
}

void dm_message(const char *name, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nbtest_must_sh("dmsetup message %s 0 %s", name, text);
}

/*
 * --noflush would hold reads back again; without --nolockfs the file system above
 * would have to be frozen first, which may need reads.
 */
void dm_suspend(const char *name)
{
	nbtest_must_sh(DMSETUP " suspend --nolockfs %s", name);
}

void dm_resume(const char *name)
{
	nbtest_must_sh(DMSETUP " resume %s", name);
}

void dm_let_go(const char *name)
{
	nbtest_must_sh(DMSETUP " suspend --nolockfs %s && " DMSETUP " resume %s", name, name);
}

unsigned int dm_in_flight(const char *name)
{
	char path[128], line[128];
	unsigned int reads, writes;
	struct stat st;
	ssize_t n;

	if (stat(dm_path(name), &st) != 0)
		nbtest_fatal("%s: %m", dm_path(name));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/inflight", major(st.st_rdev),
		 minor(st.st_rdev));
	n = nbtest_read_text(path, line, sizeof(line));
	if (n < 0 || sscanf(line, "%u %u", &reads, &writes) != 2)
		nbtest_fatal("cannot read %s", path);
	return reads;
}

void dm_remove(const char *name)
{
	if (nbtest_sh("dmsetup info %s >/dev/null 2>&1", name) != 0)
		return;
	/* Suspending makes a delay device let go, and whoever waits can close it. */
	if (!nbtest_wait_until(nbtest_sh(DMSETUP " suspend --nolockfs %s; " DMSETUP
						 " resume %s; " DMSETUP " remove %s 2>/dev/null",
					 name, name, name) == 0,
			       10000))
		nbtest_must_sh(DMSETUP " remove %s", name);
}

const char *null_blk(unsigned int megabytes, uint64_t completion_ns)
{
	null_blk_remove();
	/* gb is the only size it takes as a parameter, in steps of a gigabyte. */
	nbtest_must_sh("modprobe null_blk nr_devices=1 memory_backed=1 bs=4096 gb=%u irqmode=%d "
		       "completion_nsec=%" PRIu64,
		       (megabytes + 1023) / 1024, completion_ns ? 2 : 0, completion_ns);
	if (!nbtest_wait_until(access("/dev/nullb0", F_OK) == 0, 10000))
		nbtest_fatal("null_blk was loaded, but there is no /dev/nullb0");
	return "/dev/nullb0";
}

void null_blk_remove(void)
{
	if (access("/sys/module/null_blk", F_OK) != 0)
		return;
	if (!nbtest_wait_until(nbtest_sh("rmmod null_blk 2>/dev/null") == 0, 10000))
		nbtest_must_sh("rmmod null_blk");
}

void fs_make(const char *fs, const char *dev)
{
	nbtest_must_sh("wipefs -qa %s", dev);
	if (strcmp(fs, "ext4") == 0)
		nbtest_must_sh("mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 %s",
			       dev);
	else
		nbtest_must_sh("mkfs.%s -q -f %s", fs, dev);
}

void fs_mount(const char *fs, const char *dev, const char *dir, const char *opts)
{
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		nbtest_fatal("mkdir %s: %m", dir);
	nbtest_must_sh("mount -t %s -o %s %s %s", fs, opts ? opts : "defaults", dev, dir);
}

void fs_remount(const char *dir, const char *opts)
{
	nbtest_must_sh("mount -o remount,%s %s", opts, dir);
}

void fs_umount(const char *dir)
{
	/* The kernel drops the last reference of an armed wait a moment late. */
	if (!nbtest_wait_until(umount2(dir, 0) == 0 || errno != EBUSY, 10000) ||
	    nbtest_sh("mountpoint -q %s", dir) == 0)
		nbtest_must_sh("umount %s", dir);
	rmdir(dir);
}

void fs_umount_quiet(const char *dir)
{
	if (nbtest_sh("mountpoint -q %s", dir) == 0)
		fs_umount(dir);
}
