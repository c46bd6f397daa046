// SPDX-License-Identifier: GPL-2.0-only
/*
 * A DAX file has no page cache: it is refused, and FILE_INFO says so and why. The disk
 * is a piece of memory that the kernel was told to leave alone (tests/suites).
 */
#include <linux/stat.h>
#include "device.h"
#include "dm.h"

#define SIZE KB(64)
#define ID 37
#define MNT "/run/nbt-dax"

static const char *const kinds[][2] = {
	{ "ext4", "mkfs.ext4 -q -F -b 4096" },
	/* As small as this disk is, it is for tests alone. */
	{ "xfs", "mkfs.xfs -q -f --unsupported -m reflink=0" },
};

/* Mounted with or without DAX; a file on it */
static int file_on(int i, bool dax)
{
	struct dev_fs fs = { .name = "dax", .mnt = MNT };

	if (access("/dev/pmem0", F_OK))
		nbtest_sh("modprobe -q nd_e820; modprobe -q nd_pmem");
	if (!nbtest_wait_until(access("/dev/pmem0", F_OK) == 0, 3000))
		nbtest_skip_now(
			"no /dev/pmem0: the kernel was not started with memmap=96M!800M, or "
			"has no driver for that");
	fs_umount_quiet(MNT);
	nbtest_must_sh("wipefs -qa /dev/pmem0; %s /dev/pmem0 >/dev/null && mkdir -p " MNT,
		       kinds[i][1]);
	if (nbtest_sh("modprobe -q %s; mount -t %s %s /dev/pmem0 " MNT, kinds[i][0], kinds[i][0],
		      dax ? "-o dax" : ""))
		nbtest_skip_now("this kernel has no DAX for %s", kinds[i][0]);
	return dev_file(&fs, SIZE, ID);
}

static bool is_dax(int fd)
{
	struct statx stx;

	ck_assert_int_eq(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx), 0);
	return stx.stx_attributes & STATX_ATTR_DAX;
}

START_TEST(a_dax_file_is_refused_and_file_info_says_why)
{
	int fd = file_on(_i, true);
	unsigned char *buf = dev_buf(SIZE);
	struct iovec iov = { buf, PG };
	struct nbread_file_info info;
	struct nbread ring;

	ck_assert(is_dax(fd));
	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	ck_assert_uint_eq(info.path, NBREAD_PATH_REFUSED);
	ck_assert_uint_eq(info.reason, NBREAD_WHY_DAX);
	ck_assert_int_eq(info.error, -EOPNOTSUPP);
	ck_assert_uint_eq(info.flags, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, 0).res, -EOPNOTSUPP);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, -EOPNOTSUPP);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_ASYNC).res, -EOPNOTSUPP);
	ck_assert_int_eq(dev_readv(&ring, fd, &iov, 1, 0, 0).res, -EOPNOTSUPP);
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, 0).res, -EOPNOTSUPP);
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, NBREAD_SQE_NOIO).res, -EOPNOTSUPP);
	dev_check_same(buf, SIZE, 0xa5);
	nbread_queue_exit(&ring);
	close(fd);
	fs_umount(MNT);
}
END_TEST

START_TEST(without_the_option_a_file_of_the_same_disk_is_served)
{
	int fd = file_on(_i, false);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread_file_info info;
	struct nbread ring;

	ck_assert(!is_dax(fd));
	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	ck_assert_uint_ne(info.path, NBREAD_PATH_REFUSED);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, SIZE);
	dev_check(buf, SIZE, 0, ID);
	nbread_queue_exit(&ring);
	close(fd);
	fs_umount(MNT);
}
END_TEST

Suite *check_dax_suite(void)
{
	Suite *s = suite_create("dax");

	nbtest_add_loop(s, a_dax_file_is_refused_and_file_info_says_why, NBTEST_ARRAY_SIZE(kinds));
	nbtest_add_loop(s, without_the_option_a_file_of_the_same_disk_is_served,
			NBTEST_ARRAY_SIZE(kinds));
	return s;
}
