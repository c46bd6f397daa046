// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad sectors: a READ ends with one -EIO, or with the bytes before the bad page,
 * as pread(2) does; a CACHED read says -EAGAIN, since nothing is resident; good
 * pages around it are read; after the repair everything is. Nothing is tried
 * for ever.
 */
#include "device.h"

#define SIZE MB(1)
#define BAD (37 * PG)

/* The bad page goes bad under a file that is on disk and cold. */
static int broken_file(const struct dev_fs *fs)
{
	int fd = dev_file(fs, SIZE, 6);
	uint64_t sector = dev_sector(fd, BAD);

	nbtest_evict(fd);
	dev_break(fs, sector, PG / 512);
	return fd;
}

/* ext4, xfs (FIEMAP says where), block device */
static const int kinds[] = { DEV_EXT4, DEV_XFS, DEV_BDEV };

START_TEST(a_read_of_a_bad_sector_ends_with_one_eio_each_time)
{
	const struct dev_fs *fs = dev_fs(kinds[_i]);
	int fd = broken_file(fs);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;
	uint64_t asked;

	dev_ring(&ring, 64);
	asked = dev_reads(fs);
	ck_assert_int_eq(pread(fd, buf, PG, BAD), -1);
	ck_assert_int_eq(errno, EIO);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(dev_read(&ring, fd, buf, PG, BAD, 0).res, -EIO);
		dev_check_none(&ring);
	}
	/* Many at once, within the bad page and from it on. */
	for (int i = 0; i < 32; i++)
		dev_prep(&ring, fd, buf, i % 2 ? 512 : KB(64), BAD + i * 16, 0, i);
	dev_submit(&ring, 32);
	for (int i = 0; i < 32; i++)
		ck_assert_int_eq(dev_next(&ring).res, -EIO);
	dev_check_none(&ring);
	dev_check_same(buf, KB(64), 0xa5);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-inflight"), 0);
	/* Each READ asks for its page, and a worker once more, by some requests at most. */
	ck_assert_uint_le(dev_reads(fs) - asked, 10 * (20 + 32));
	dev_release(fs);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(bytes_before_the_bad_sector_are_delivered)
{
	const struct dev_fs *fs = dev_fs(kinds[_i]);
	int fd = broken_file(fs);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;
	int want;

	dev_ring(&ring, 8);
	want = (int)pread(fd, buf, KB(128), BAD - KB(32) - 5);
	ck_assert_int_eq(want, KB(32) + 5);
	for (int cold = 0; cold < 2; cold++) {
		if (cold)
			nbtest_evict(fd);
		memset(buf, 0xa5, SIZE);
		ck_assert_int_eq(dev_read(&ring, fd, buf, KB(128), BAD - KB(32) - 5, 0).res, want);
		dev_check(buf, want, BAD - KB(32) - 5, 6);
		dev_check_none(&ring);
	}
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, BAD);
	dev_check(buf, BAD, 0, 6);
	dev_release(fs);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(good_pages_beside_a_bad_one_are_read)
{
	const struct dev_fs *fs = dev_fs(kinds[_i]);
	int fd = broken_file(fs);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, BAD - PG, 0).res, PG);
	dev_check(buf, PG, BAD - PG, 6);
	ck_assert_int_eq(dev_read(&ring, fd, buf, KB(64), BAD + PG, 0).res, KB(64));
	dev_check(buf, KB(64), BAD + PG, 6);
	dev_release(fs);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_cached_read_of_a_bad_sector_says_eagain)
{
	const struct dev_fs *fs = dev_fs(kinds[_i]);
	int fd = broken_file(fs);
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(dev_read(&ring, fd, buf, PG, BAD, NBREAD_SQE_CACHED).res, -EAGAIN);
		ck_assert_int_eq(dev_try(&ring, fd, buf, PG, BAD, NBREAD_SQE_NOIO).res, -EAGAIN);
		ck_assert_int_eq(dev_try(&ring, fd, buf, PG, BAD, 0).res, -EAGAIN);
		/* And between them the error is found. */
		ck_assert_int_eq(dev_read(&ring, fd, buf, PG, BAD, 0).res, -EIO);
	}
	dev_check_same(buf, PG, 0xa5);
	dev_release(fs);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(after_the_repair_the_next_read_has_the_data)
{
	const struct dev_fs *fs = dev_fs(kinds[_i]);
	int fd = broken_file(fs);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, BAD, 0).res, -EIO);
	dev_release(fs);
	/* The page that failed is still in the cache, without being up to date. */
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, BAD, 0).res, PG);
	dev_check(buf, PG, BAD, 6);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, SIZE);
	dev_check(buf, SIZE, 0, 6);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_parked_read_whose_sector_turns_out_bad_ends_with_one_eio)
{
	const struct dev_fs *fs = dev_fs(kinds[_i]);
	int fd = dev_file(fs, SIZE, 6);
	uint64_t sector = dev_sector(fd, BAD);
	unsigned char *buf = dev_buf(PG);
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	nbtest_evict(fd);
	dev_hold_bad(fs, sector, PG / 512);
	dev_prep(&ring, fd, buf, PG, BAD, 0, 9);
	dev_submit(&ring, 1);
	dev_check_none(&ring);
	/* The reads that were held fail now, and new ones do at once. */
	dev_break(fs, sector, PG / 512);
	cqe = dev_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 9);
	ck_assert_int_eq(cqe.res, -EIO);
	ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
	dev_check_none(&ring);
	dev_check_same(buf, PG, 0xa5);
	dev_release(fs);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, BAD, 0).res, PG);
	dev_check(buf, PG, BAD, 6);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_eio_suite(void)
{
	Suite *s = suite_create("eio");
	int n = NBTEST_ARRAY_SIZE(kinds);

	nbtest_add_loop(s, a_read_of_a_bad_sector_ends_with_one_eio_each_time, n);
	nbtest_add_loop(s, bytes_before_the_bad_sector_are_delivered, n);
	nbtest_add_loop(s, good_pages_beside_a_bad_one_are_read, n);
	nbtest_add_loop(s, a_cached_read_of_a_bad_sector_says_eagain, n);
	nbtest_add_loop(s, after_the_repair_the_next_read_has_the_data, n);
	nbtest_add_loop(s, a_parked_read_whose_sector_turns_out_bad_ends_with_one_eio, n);
	return s;
}
