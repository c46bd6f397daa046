// SPDX-License-Identifier: GPL-2.0-only
/*
 * End of file: a read ends with the bytes up to it, and 0 means end of file and
 * nothing else, whether the file is resident, cold, sparse or growing.
 */
#include <pthread.h>
#include "device.h"
#include "fuse.h"

#define SIZE 10000

static const struct {
	size_t off, len;
	int want;
} rows[] = {
	{ 0, SIZE, SIZE },
	{ 0, SIZE + 1, SIZE },
	{ 0, KB(64), SIZE },
	{ 9999, 1, 1 },
	{ 9999, 100, 1 },
	{ 2 * PG, PG, SIZE - 2 * PG },
	{ SIZE - 1, KB(64), 1 },
	{ SIZE, 1, 0 },
	{ SIZE, PG, 0 },
	{ SIZE + 1, 1, 0 },
	{ 3 * PG, PG, 0 },
	{ MB(100), PG, 0 },
	{ 0, 0, 0 },
	{ SIZE, 0, 0 },
	{ MB(1), 0, 0 },
};

START_TEST(a_resident_file_ends_where_pread_says_and_that_is_a_hit)
{
	int fd = dev_file(dev_fs(_i), SIZE, 2);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;

	dev_ring(&ring, 8);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(rows); i++) {
		size_t off = rows[i].off, len = rows[i].len;
		struct nbread_cqe cqe;
		struct nbread_try try;

		ck_assert_int_eq(pread(fd, buf, len, off), rows[i].want);
		memset(buf, 0xa5, KB(64));
		for (unsigned int flags = 0; flags <= NBREAD_SQE_CACHED;
		     flags += NBREAD_SQE_CACHED) {
			cqe = dev_read(&ring, fd, buf, len, off, flags);
			ck_assert_int_eq(cqe.res, rows[i].want);
			if (cqe.res)
				ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
			ck_assert_uint_eq(cqe.flags & ~NBREAD_CQE_HIT, 0);
			dev_check(buf, cqe.res, off, 2);
			dev_check_same(buf + cqe.res, KB(64) - cqe.res, 0xa5);
			memset(buf, 0xa5, KB(64));
		}
		try = dev_try(&ring, fd, buf, len, off, NBREAD_SQE_NOIO);
		ck_assert_int_eq(try.res, rows[i].want);
		if (try.res)
			ck_assert_uint_eq(try.cqe_flags, NBREAD_CQE_HIT);
		dev_check(buf, try.res, off, 2);
		memset(buf, 0xa5, KB(64));
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_cold_file_ends_where_pread_says)
{
	int fd = dev_file(dev_fs(_i), SIZE, 2);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;

	dev_ring(&ring, 8);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(rows); i++) {
		struct nbread_cqe cqe;

		nbtest_evict(fd);
		cqe = dev_read(&ring, fd, buf, rows[i].len, rows[i].off, 0);
		ck_assert_int_eq(cqe.res, rows[i].want);
		if (cqe.res)
			ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
		dev_check(buf, cqe.res, rows[i].off, 2);
		dev_check_same(buf + cqe.res, KB(64) - cqe.res, 0xa5);
		memset(buf, 0xa5, KB(64));
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_cached_read_of_a_cold_file_says_eagain_before_its_end_and_0_behind)
{
	int fd = dev_cold_file(dev_fs(_i), SIZE, 2);
	unsigned char *buf = dev_buf(KB(64));
	unsigned int flags = NBREAD_SQE_CACHED | NBREAD_SQE_NOIO;
	struct nbread ring;

	dev_ring(&ring, 8);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(rows); i++) {
		int want = rows[i].want ? -EAGAIN : 0;
		size_t off = rows[i].off, len = rows[i].len;

		ck_assert_int_eq(dev_try(&ring, fd, buf, len, off, NBREAD_SQE_NOIO).res, want);
		ck_assert_int_eq(dev_read(&ring, fd, buf, len, off, flags).res, want);
	}
	dev_check_same(buf, KB(64), 0xa5);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(an_empty_file_reads_as_0)
{
	int fd = dev_file(dev_fs(_i), 0, 2);
	unsigned char *buf = dev_buf(KB(64));
	struct iovec iov[2] = { { buf, 100 }, { buf + 100, PG } };
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, 0).res, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_ASYNC).res, 0);
	ck_assert_int_eq(dev_readv(&ring, fd, iov, 2, 0, 0).res, 0);
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, 0).res, 0);
	dev_check_same(buf, KB(64), 0xa5);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_block_device_ends_at_its_size)
{
	const struct dev_fs *fs = dev_fs(DEV_BDEV);
	int fd = dev_file(fs, PG, 2);
	uint64_t size = nbtest_size(fd);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;

	dev_ring(&ring, 8);
	nbtest_write_pattern(fd, size - KB(8), KB(8), 2, 1);
	for (int cold = 0; cold < 2; cold++) {
		if (cold)
			nbtest_evict(fd);
		ck_assert_int_eq(dev_read(&ring, fd, buf, KB(64), size - 5000, 0).res, 5000);
		dev_check(buf, 5000, size - 5000, 2);
	}
	ck_assert_int_eq(dev_read(&ring, fd, buf, KB(64), size - 1, NBREAD_SQE_CACHED).res, 1);
	ck_assert_int_eq(dev_read(&ring, fd, buf, KB(64), size, 0).res, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, KB(64), size + 4096, 0).res, 0);
	ck_assert_int_eq(dev_try(&ring, fd, buf, KB(64), size, NBREAD_SQE_NOIO).res, 0);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_hole_reads_as_zeros)
{
	int fd = dev_file(dev_fs(_i), 0, 2);
	unsigned char *buf = dev_buf(KB(128));
	struct nbread ring;
	struct nbread_cqe cqe;

	dev_ring(&ring, 8);
	ck_assert_int_eq(ftruncate(fd, MB(1)), 0);
	nbtest_write_pattern(fd, KB(512), PG, 2, 1);
	nbtest_evict(fd);
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, NBREAD_SQE_NOIO).res, -EAGAIN);
	cqe = dev_read(&ring, fd, buf, KB(128), 0, 0);
	ck_assert_int_eq(cqe.res, KB(128));
	dev_check_same(buf, KB(128), 0);
	cqe = dev_read(&ring, fd, buf, KB(128), 0, NBREAD_SQE_CACHED);
	ck_assert_int_eq(cqe.res, KB(128));
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);

	nbtest_evict(fd);
	memset(buf, 0xa5, KB(128));
	cqe = dev_read(&ring, fd, buf, KB(128), KB(448), 0);
	ck_assert_int_eq(cqe.res, KB(128));
	dev_check_same(buf, KB(64), 0);
	dev_check(buf + KB(64), PG, KB(512), 2);
	dev_check_same(buf + KB(64) + PG, KB(60), 0);
	nbread_queue_exit(&ring);
}
END_TEST

static void *extend(void *arg)
{
	return (void *)(intptr_t)ftruncate(*(int *)arg, 2 * SIZE);
}

START_TEST(a_parked_read_of_a_file_that_grows_is_whole_or_ends_at_the_old_end)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, SIZE, 2);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;
	struct nbread_cqe cqe;
	pthread_t thread;
	void *ret;

	dev_ring(&ring, 8);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, KB(64), PG, 0, 1);
	dev_prep(&ring, fd, buf + KB(32), 100, SIZE - 50, 0, 2);
	dev_submit(&ring, 2);
	dev_check_none(&ring);
	/* It may have to wait for the pages, too. */
	ck_assert_int_eq(pthread_create(&thread, NULL, extend, &fd), 0);
	nbtest_wait_until(nbtest_size(fd) == 2 * SIZE, 1000);
	dev_release(fs);
	for (int i = 0; i < 2; i++) {
		size_t off, old, len;
		unsigned char *at;

		cqe = dev_next(&ring);
		ck_assert(cqe.user_data == 1 || cqe.user_data == 2);
		off = cqe.user_data == 1 ? PG : SIZE - 50;
		len = cqe.user_data == 1 ? 2 * SIZE - PG : 100;
		at = cqe.user_data == 1 ? buf : buf + KB(32);
		old = SIZE - off;
		ck_assert_msg(cqe.res == (int)old || cqe.res == (int)len, "read %llu: %d",
			      (unsigned long long)cqe.user_data, cqe.res);
		dev_check(at, old, off, 2);
		dev_check_same(at + old, cqe.res - old, 0);
	}
	pthread_join(thread, &ret);
	ck_assert_ptr_null(ret);
	cqe = dev_read(&ring, fd, buf, KB(64), PG, 0);
	ck_assert_int_eq(cqe.res, 2 * SIZE - PG);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_worker_asks_a_server_as_often_as_pread_at_the_end)
{
	unsigned char *buf = dev_buf(KB(8));
	unsigned int before, as_pread;
	struct nbread_cqe cqe;
	struct nbread ring;
	int fd;

	fuse_direct(true);
	fd = open(fuse_start(SIZE, 9), O_RDONLY | O_CLOEXEC);
	dev_ring(&ring, 8);
	before = fuse_reads();
	ck_assert_int_eq(pread(fd, buf, KB(8), SIZE - 100), 100);
	as_pread = fuse_reads() - before;
	memset(buf, 0xa5, KB(8));
	cqe = dev_read(&ring, fd, buf, KB(8), SIZE - 100, 0);
	ck_assert_int_eq(cqe.res, 100);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	dev_check(buf, 100, SIZE - 100, 9);
	ck_assert_uint_eq(fuse_reads() - before, 2 * as_pread);
	nbread_queue_exit(&ring);
	close(fd);
	fuse_stop();
}
END_TEST

Suite *check_eof_suite(void)
{
	Suite *s = suite_create("eof");

	/* A block device has an end of its own, below. */
	nbtest_add_loop(s, a_resident_file_ends_where_pread_says_and_that_is_a_hit, DEV_BDEV);
	nbtest_add_loop(s, a_cold_file_ends_where_pread_says, DEV_BDEV);
	nbtest_add_loop(s, a_cached_read_of_a_cold_file_says_eagain_before_its_end_and_0_behind,
			DEV_BDEV);
	nbtest_add_loop(s, an_empty_file_reads_as_0, DEV_BDEV);
	nbtest_add(s, a_worker_asks_a_server_as_often_as_pread_at_the_end);
	nbtest_add(s, a_block_device_ends_at_its_size);
	nbtest_add_loop(s, a_hole_reads_as_zeros, DEV_BDEV);
	nbtest_add_loop(s, a_parked_read_of_a_file_that_grows_is_whole_or_ends_at_the_old_end,
			DEV_BDEV);
	return s;
}
