// SPDX-License-Identifier: GPL-2.0-only
/*
 * fs-verity: a page counts as there when its hash was right, so no other byte gets
 * out, by whichever way it is read.
 */
#include <linux/fsverity.h>
#include <sys/ioctl.h>
#include "device_disk.h"
#include "device_kind.h"

#define SIZE KB(512)
#define BAD (40 * PG)
#define ID 34

static const struct dev_fs *fs;
static struct nbread ring;

/* A file with hashes, cold. The file system is a fresh one: one may be spoilt. */
static int verity_file(void)
{
	struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = PG,
	};
	int fd, ret;

	fs = dev_made("ext4", "-F -O verity -b 4096", "defaults");
	if (!fs)
		nbtest_skip_now("this kernel does not mount an ext4 with fs-verity");
	close(dev_file(fs, SIZE, ID));
	fd = open("/run/nbt-kind/file34", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ret = ioctl(fd, FS_IOC_ENABLE_VERITY, &arg);
	if (ret && errno == EOPNOTSUPP)
		nbtest_skip_now("this kernel has no fs-verity");
	ck_assert_msg(ret == 0, "FS_IOC_ENABLE_VERITY: %s", strerror(errno));
	nbtest_must_sh("sync -f %s", fs->mnt);
	nbtest_evict(fd);
	dev_ring(&ring, 8);
	return fd;
}

START_TEST(a_file_with_hashes_is_read_right_cold_and_resident)
{
	int fd = verity_file();
	unsigned char *buf = dev_buf(SIZE + PG);
	struct nbread_cqe cqe;

	for (int cold = 1; cold >= 0; cold--) {
		cqe = dev_read(&ring, fd, buf, SIZE + PG, 0, 0);
		ck_assert_int_eq(cqe.res, SIZE);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, cold ? 0 : NBREAD_CQE_HIT);
		dev_check(buf, SIZE, 0, ID);
		dev_check_same(buf + SIZE, PG, 0xa5);
		memset(buf, 0xa5, SIZE);
	}
	/* The hash tree lies behind the end of the file: it is not the file's. */
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, SIZE, 0).res, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, KB(1024), NBREAD_SQE_CACHED).res, 0);
	dev_check_same(buf, SIZE, 0xa5);
	nbread_queue_exit(&ring);
	close(fd);
	dev_kind_done();
}
END_TEST

START_TEST(a_page_whose_hash_is_wrong_is_one_eio_and_never_a_byte)
{
	int fd = verity_file();

	disk_spoil(fs, dev_sector(fd, BAD));
	disk_check_bad_page(&ring, fd, SIZE, BAD, ID);
	nbread_queue_exit(&ring);
	close(fd);
	dev_kind_done();
}
END_TEST

Suite *check_verity_suite(void)
{
	Suite *s = suite_create("verity");

	nbtest_add(s, a_file_with_hashes_is_read_right_cold_and_resident);
	nbtest_add(s, a_page_whose_hash_is_wrong_is_one_eio_and_never_a_byte);
	return s;
}
