// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cached data: every kind of read of a resident range is answered at once, with
 * the bytes that pread(2) gives and the HIT flag; of a range that is resident in
 * part, CACHED reads give exactly the leading resident bytes and no flag.
 */
#include "device.h"

#define SIZE MB(1)

static const struct {
	size_t off, len;
} ranges[] = {
	{ 0, 1 },	   { 0, 512 },		{ 1000, 512 }, { 4095, 2 },
	{ 0, PG },	   { PG, PG },		{ 4095, PG },  { 3 * PG - 1, 2 * PG + 2 },
	{ 0, KB(64) },	   { KB(128), KB(64) }, { 3, KB(64) }, { SIZE - 1, 1 },
	{ SIZE - PG, PG }, { 7, SIZE - 7 },
};

static void check_hit(int res, unsigned int flags, size_t len)
{
	ck_assert_int_eq(res, len);
	ck_assert_uint_eq(flags, NBREAD_CQE_HIT);
}

/* A buffer with a guard behind it. */
static void check_answer(unsigned char *buf, size_t off, size_t len)
{
	dev_check(buf, len, off, 1);
	dev_check_same(buf + len, 64, 0xa5);
	memset(buf, 0xa5, len);
}

START_TEST(every_read_of_a_resident_file_is_a_hit_with_the_bytes_of_pread)
{
	int fd = dev_file(dev_fs(_i), SIZE, 1);
	unsigned char *buf = dev_buf(SIZE + 64), *own = dev_buf(SIZE);
	struct nbread ring;

	dev_ring(&ring, 8);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(ranges); i++) {
		size_t off = ranges[i].off, len = ranges[i].len, a = len / 3, b = len / 2 - a;
		struct iovec iov[] = {
			{ buf, a }, { buf + a, b }, { NULL, 0 }, { buf + a + b, len - a - b }
		};
		struct nbread_cqe cqe;
		struct nbread_try try;

		ck_assert_int_eq(pread(fd, own, len, off), len);
		dev_check(own, len, off, 1);

		cqe = dev_read(&ring, fd, buf, len, off, 0);
		check_hit(cqe.res, cqe.flags, len);
		check_answer(buf, off, len);

		cqe = dev_read(&ring, fd, buf, len, off, NBREAD_SQE_CACHED);
		check_hit(cqe.res, cqe.flags, len);
		check_answer(buf, off, len);

		cqe = dev_readv(&ring, fd, iov, 4, off, 0);
		check_hit(cqe.res, cqe.flags, len);
		check_answer(buf, off, len);

		cqe = dev_readv(&ring, fd, iov, 4, off, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
		check_hit(cqe.res, cqe.flags, len);
		check_answer(buf, off, len);

		try = dev_try(&ring, fd, buf, len, off, 0);
		check_hit(try.res, try.cqe_flags, len);
		check_answer(buf, off, len);

		try = dev_try(&ring, fd, buf, len, off, NBREAD_SQE_NOIO);
		check_hit(try.res, try.cqe_flags, len);
		check_answer(buf, off, len);
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_read_over_large_folios_is_a_hit_at_any_offset)
{
	/* Sequential reads after the first give xfs folios of many pages. */
	int fd = dev_cold_file(dev_fs(_i), MB(2), 1);
	unsigned char *buf = dev_buf(MB(2) + 64);
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	nbtest_warm(dev_reopen(fd, O_RDONLY));
	for (size_t off = 100; off + 512 <= MB(2); off += 4096 + 512) {
		cqe = dev_read(&ring, fd, buf, 512, off, NBREAD_SQE_CACHED);
		check_hit(cqe.res, cqe.flags, 512);
		check_answer(buf, off, 512);
	}
	cqe = dev_read(&ring, fd, buf, MB(2), 0, 0);
	check_hit(cqe.res, cqe.flags, MB(2));
	check_answer(buf, 0, MB(2));
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_cached_read_gives_exactly_the_leading_resident_bytes)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, KB(256), 1);
	unsigned char *buf = dev_buf(KB(256) + 64);
	size_t resident = 5 * PG - 100;
	struct nbread ring;
	struct nbread_cqe cqe;
	struct nbread_try try;

	dev_ring(&ring, 8);
	dev_warm(fd, 0, 5 * PG);
	/* Resident pages behind the gap do not count. */
	dev_warm(fd, 7 * PG, 2 * PG);
	ck_assert_uint_eq(nbtest_resident(fd, 0, KB(256)), 7);

	cqe = dev_read(&ring, fd, buf, KB(64), 100, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
	ck_assert_int_eq(cqe.res, resident);
	ck_assert_uint_eq(cqe.flags, 0);
	check_answer(buf, 100, resident);

	try = dev_try(&ring, fd, buf, KB(64), 100, NBREAD_SQE_NOIO);
	ck_assert_int_eq(try.res, resident);
	ck_assert_uint_eq(try.cqe_flags, 0);
	check_answer(buf, 100, resident);

	try = dev_try(&ring, fd, buf, KB(64), 5 * PG + 1, NBREAD_SQE_NOIO);
	ck_assert_int_eq(try.res, -EAGAIN);
	ck_assert_uint_eq(try.cqe_flags, 0);

	/* Without NOIO the gap is read ahead; the device keeps it from being here in time. */
	dev_hold(fs);
	cqe = dev_read(&ring, fd, buf, KB(64), 100, NBREAD_SQE_CACHED);
	ck_assert_int_eq(cqe.res, resident);
	ck_assert_uint_eq(cqe.flags, 0);
	check_answer(buf, 100, resident);
	try = dev_try(&ring, fd, buf, KB(64), 100, 0);
	ck_assert_int_eq(try.res, resident);
	ck_assert_uint_eq(try.cqe_flags, 0);
	check_answer(buf, 100, resident);
	cqe = dev_read(&ring, fd, buf, KB(64), 5 * PG, NBREAD_SQE_CACHED);
	ck_assert_int_eq(cqe.res, -EAGAIN);
	ck_assert_uint_eq(cqe.flags, 0);
	dev_check_same(buf, KB(64), 0xa5);
	dev_release(fs);
	nbread_queue_exit(&ring);
}
END_TEST

/* Pages of a range of eight that are resident, as bits */
static const unsigned int partial[] = { 0x01, 0x80, 0x7f, 0xfe, 0xf7, 0x55, 0x18, 0x00 };

START_TEST(a_read_that_is_resident_in_part_is_whole_and_no_hit)
{
	int fd = dev_cold_file(dev_fs(_i), KB(64), 1);
	unsigned char *buf = dev_buf(KB(32) + 64);
	struct nbread ring;

	dev_ring(&ring, 8);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(partial); i++) {
		struct nbread_cqe cqe;

		nbtest_evict(fd);
		for (size_t page = 0; page < 8; page++) {
			if (partial[i] & 1U << page)
				dev_warm(fd, page * PG, PG);
		}
		cqe = dev_read(&ring, fd, buf, KB(32), 0, 0);
		ck_assert_int_eq(cqe.res, KB(32));
		ck_assert_msg(!(cqe.flags & NBREAD_CQE_HIT), "a hit with pages %#x", partial[i]);
		check_answer(buf, 0, KB(32));
		/* Now it is one. */
		cqe = dev_read(&ring, fd, buf, KB(32), 0, 0);
		check_hit(cqe.res, cqe.flags, KB(32));
		check_answer(buf, 0, KB(32));
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_batch_of_tries_counts_the_complete_hits_alone)
{
	int fd = dev_cold_file(dev_fs(_i), KB(256), 1);
	unsigned char *buf = dev_buf(KB(256));
	struct nbread ring;
	struct nbread_try reqs[6] = {
		{ .off = 0, .len = PG },
		{ .off = 2 * PG, .len = 2 * PG }, /* only the first page is there */
		{ .off = KB(128), .len = PG }, /* not there */
		{ .off = PG + 5, .len = 100 },
		{ .off = 0, .len = PG, .fd = -1 },
		{ .off = 2 * PG, .len = PG },
	};
	static const int want[] = { PG, PG, -EAGAIN, 100, -EBADF, PG };

	dev_ring(&ring, 8);
	dev_warm(fd, 0, 3 * PG);
	for (size_t i = 0; i < 6; i++) {
		reqs[i].fd = reqs[i].fd ? reqs[i].fd : fd;
		reqs[i].flags = NBREAD_SQE_NOIO;
		reqs[i].addr = (uintptr_t)(buf + i * KB(16));
	}
	ck_assert_int_eq(nbread_try_many(&ring, reqs, 6), 3);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_int_eq(reqs[i].res, want[i]);
		ck_assert_uint_eq(reqs[i].cqe_flags,
				  want[i] == (int)reqs[i].len ? NBREAD_CQE_HIT : 0);
		if (want[i] > 0)
			dev_check(buf + i * KB(16), want[i], reqs[i].off, 1);
		else
			dev_check_same(buf + i * KB(16), KB(16), 0xa5);
	}
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_hits_suite(void)
{
	Suite *s = suite_create("hits");

	dev_add_each(s, every_read_of_a_resident_file_is_a_hit_with_the_bytes_of_pread);
	dev_add_each(s, a_read_over_large_folios_is_a_hit_at_any_offset);
	dev_add_each(s, a_cached_read_gives_exactly_the_leading_resident_bytes);
	dev_add_each(s, a_read_that_is_resident_in_part_is_whole_and_no_hit);
	dev_add_each(s, a_batch_of_tries_counts_the_complete_hits_alone);
	return s;
}
