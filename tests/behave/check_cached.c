// SPDX-License-Identifier: GPL-2.0-only
/* Promise 2: CACHED never waits for I/O; and TRY, which is the same without a ring. */
#include <sys/utsname.h>
#include "behave.h"

static struct nbread ring;

static bool kernel_before(unsigned major, unsigned minor)
{
	unsigned a = 0, b = 0;
	struct utsname u;

	ck_assert_int_eq(uname(&u), 0);
	ck_assert_int_eq(sscanf(u.release, "%u.%u", &a, &b), 2);
	return a < major || (a == major && b < minor);
}

START_TEST(a_cached_read_of_what_is_resident_is_a_hit)
{
	int fd = behave_warm_file(KB(64), 3);
	unsigned char *buf = behave_buf(KB(64));
	struct nbread_cqe cqe;

	behave_ring(&ring, 8);
	cqe = behave_read(&ring, fd, buf, KB(64), 0, NBREAD_SQE_CACHED);
	ck_assert_int_eq(cqe.res, KB(64));
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	behave_check(buf, KB(64), 0, 3);
}
END_TEST

START_TEST(a_cached_read_that_misses_is_eagain)
{
	int fd = behave_cold_file(KB(64), 3);
	unsigned char *buf = behave_buf(PG);
	struct nbread_cqe cqe;

	behave_ring(&ring, 8);
	behave_prep(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED, 1);
	behave_submit(&ring, 1);
	/* There when submit returns: it waited for nothing. */
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
	cqe = behave_next(&ring);
	/* Readahead of a fast disk may be done before RWF_NOWAIT looks again. */
	if (behave_threads() && cqe.res == (int)PG) {
		behave_check(buf, PG, 0, 3);
		return;
	}
	ck_assert_int_eq(cqe.res, -EAGAIN);
	ck_assert_uint_eq(cqe.flags, 0);
	behave_untouched(buf, PG);
}
END_TEST

START_TEST(a_cached_read_that_misses_starts_readahead)
{
	int fd = behave_cold_file(KB(64), 3);
	unsigned char *buf = behave_buf(PG);

	behave_ring(&ring, 8);
	ck_assert_int_ne(behave_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, 0);
	ck_assert(nbtest_wait_until(nbtest_page_resident(fd, 0), 30000));
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, PG);
	behave_check(buf, PG, 0, 3);
}
END_TEST

START_TEST(a_cached_read_gives_the_leading_resident_bytes)
{
	int fd = behave_cold_file(MB(4), 3);
	unsigned char *buf = behave_buf(KB(64));
	struct nbread_cqe cqe;

	/* Two pages, and no readahead behind them. */
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	ck_assert_int_eq(pread(fd, buf, 2 * PG, 0), 2 * PG);
	memset(buf, POISON, KB(64));
	if (nbtest_resident(fd, 0, KB(64)) != 2)
		nbtest_skip("this file system reads more than it is asked for");
	behave_ring(&ring, 8);
	cqe = behave_read(&ring, fd, buf, KB(64), 100, NBREAD_SQE_CACHED);
	/* As above: readahead may be as fast. */
	if (!behave_threads() || cqe.res < 2 * (int)PG - 100) {
		ck_assert_int_eq(cqe.res, 2 * PG - 100);
		ck_assert_uint_eq(cqe.flags, 0);
	}
	behave_check(buf, (size_t)cqe.res, 100, 3);
}
END_TEST

START_TEST(a_cached_read_at_the_end_is_zero)
{
	int fd = behave_cold_file(10000, 3);
	unsigned char *buf = behave_buf(PG);

	behave_ring(&ring, 8);
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 10000, NBREAD_SQE_CACHED).res, 0);
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 20000, NBREAD_SQE_CACHED).res, 0);
}
END_TEST

START_TEST(a_cached_read_of_a_file_for_workers_is_eagain)
{
	int fd = behave_slow_file(KB(64), 9);
	unsigned char *buf = behave_buf(PG);
	struct nbread_file_info info;

	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	ck_assert_uint_eq(info.flags & NBREAD_FILE_RESIDENT, 0);
	behave_hold();
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, -EAGAIN);
	ck_assert_int_eq(nbread_try(&ring, fd, buf, PG, 0, 0), -EAGAIN);
}
END_TEST

static const struct behave_differs noio = {
	.what = "NOIO: a miss starts no I/O",
	.module = "on every kernel",
	.threads =
		"before Linux 6.12 (from 5.9 on); else the read ends with -EOPNOTSUPP, and QUERY does not report NOIO",
};

START_TEST(a_noio_read_that_misses_starts_none)
{
	bool served = !behave_threads() || kernel_before(6, 12);
	int fd = behave_cold_file(KB(64), 3), warm = behave_warm_file(PG, 4);
	unsigned char *buf = behave_buf(PG);
	unsigned flags = NBREAD_SQE_CACHED | NBREAD_SQE_NOIO;

	behave_ring(&ring, 8);
	ck_assert_int_eq(!!(behave_query()->sqe_flags & NBREAD_SQE_NOIO), served);
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 0, flags).res,
			 served ? -EAGAIN : -EOPNOTSUPP);
	ck_assert_int_eq(nbread_try(&ring, fd, buf, PG, 0, NBREAD_SQE_NOIO),
			 served ? -EAGAIN : -EOPNOTSUPP);
	/* What was started before this one would be done by now. */
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, KB(32), 0).res, PG);
	ck_assert(!nbtest_page_resident(fd, 0));
	ck_assert_int_eq(behave_read(&ring, warm, buf, PG, 0, flags).res,
			 served ? (int)PG : -EOPNOTSUPP);
}
END_TEST

static const struct behave_differs marked = {
	.what = "A resident page that carries the readahead mark",
	.module = "is a hit",
	.threads =
		"is a hit since Linux 6.12; before, a CACHED read of it is -EAGAIN, and a READ goes to a thread",
};

START_TEST(a_page_with_the_readahead_mark)
{
	int fd = behave_cold_file(MB(1), 3), marks = 0;
	unsigned char *buf = behave_buf(PG);
	size_t off;

	/* The start of a sequential read: a window, and a mark in it. */
	ck_assert_int_eq(pread(fd, buf, PG, 0), PG);
	ck_assert(nbtest_wait_until(nbtest_page_resident(fd, PG), 30000));
	behave_ring(&ring, 8);
	for (off = 0; nbtest_page_resident(fd, off); off += PG)
		marks += behave_read(&ring, fd, buf, PG, off, NBREAD_SQE_CACHED).res != (int)PG;
	if (!behave_threads() || !kernel_before(6, 12))
		ck_assert_int_eq(marks, 0);
	else
		ck_assert_int_gt(marks, 0);
}
END_TEST

START_TEST(try_gives_what_is_resident)
{
	int fd = behave_warm_file(10000, 3), cold = behave_cold_file(10000, 4);
	unsigned char *buf = behave_buf(KB(16));
	ssize_t ret;

	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_try(&ring, fd, buf, PG, 100, 0), PG);
	behave_check(buf, PG, 100, 3);
	ck_assert_int_eq(nbread_try(&ring, fd, buf, KB(16), 0, 0), 10000);
	behave_check(buf, 10000, 0, 3);
	ck_assert_int_eq(nbread_try(&ring, fd, buf, KB(16), 10000, 0), 0);
	ret = nbread_try(&ring, cold, buf, PG, 0, 0);
	/* As above: readahead may be as fast. */
	if (!behave_threads() || ret != (ssize_t)PG)
		ck_assert_int_eq(ret, -EAGAIN);
	behave_none(&ring);
}
END_TEST

START_TEST(a_batch_of_tries_counts_complete_hits)
{
	enum { NR = 2000 }; /* more than one call takes */
	int warm = behave_warm_file(MB(1), 3), cold = behave_cold_file(PG, 4);
	unsigned char *buf = behave_buf(MB(1));
	struct nbread_try *reqs = calloc(NR, sizeof(*reqs));
	unsigned i;

	for (i = 0; i < NR; i++) {
		unsigned page = i % 256;

		reqs[i] = (struct nbread_try){ .fd = i % 10 == 3 ? cold :
						     i % 10 == 4 ? -1 :
								   warm,
					       .addr = (uintptr_t)(buf + page * PG),
					       .off = i % 10 == 3 ? 0 : page * PG,
					       .len = PG };
	}
	behave_ring(&ring, 8);
	/* One miss starts readahead, so hold that page out: its file is cold only at first. */
	ck_assert_int_ge(nbread_try_many(&ring, reqs, NR), NR - 2 * NR / 10);
	for (i = 0; i < NR; i++) {
		if (i % 10 == 4)
			ck_assert_int_eq(reqs[i].res, -EBADF);
		else if (i % 10 != 3)
			ck_assert_int_eq(reqs[i].res, PG);
	}
	/* As above: readahead may be as fast. */
	if (!behave_threads() || reqs[3].res != (int)PG) {
		ck_assert_int_eq(reqs[3].res, -EAGAIN);
		ck_assert_uint_eq(reqs[3].cqe_flags, 0);
	}
	ck_assert_uint_eq(reqs[0].cqe_flags, NBREAD_CQE_HIT);
}
END_TEST

static const struct {
	const char *name;
	struct nbread_try req;
	int want;
} bad_tries[] = {
	{ "a_try_with_a_reserved_member_is_einval", { .len = 8, .resv = 1 }, -EINVAL },
	{ "a_try_with_an_unknown_flag_is_einval", { .len = 8, .flags = 1 << 7 }, -EINVAL },
	{ "a_try_for_a_worker_is_einval", { .len = 8, .flags = NBREAD_SQE_ASYNC }, -EINVAL },
	{ "a_try_at_a_negative_offset_is_einval", { .len = 8, .off = -1ULL }, -EINVAL },
	{ "a_try_that_is_too_long_is_einval", { .len = 0x7ffff001 }, -EINVAL },
	{ "a_try_that_overflows_is_einval", { .len = 8, .off = INT64_MAX - 4 }, -EINVAL },
	{ "a_try_into_nowhere_is_efault", { .len = 8, .addr = 16 }, -EFAULT },
};

START_TEST(bad_try)
{
	struct nbread_try req = bad_tries[_i].req;
	char buf[8];

	nbtest_row(bad_tries[_i].name);
	req.fd = behave_warm_file(PG, 3);
	if (!req.addr)
		req.addr = (uintptr_t)buf;
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_try_many(&ring, &req, 1), 0);
	ck_assert_int_eq(req.res, bad_tries[_i].want);
}
END_TEST

Suite *check_cached_suite(void)
{
	Suite *s = behave_promise("cached", "2. A CACHED read never waits for I/O");

	behave_add(s, a_cached_read_of_what_is_resident_is_a_hit);
	behave_add(s, a_cached_read_that_misses_is_eagain);
	behave_add(s, a_cached_read_that_misses_starts_readahead);
	behave_add(s, a_cached_read_gives_the_leading_resident_bytes);
	behave_add(s, a_cached_read_at_the_end_is_zero);
	behave_add(s, a_cached_read_of_a_file_for_workers_is_eagain);
	behave_add_differs(s, a_noio_read_that_misses_starts_none, &noio);
	behave_add_differs(s, a_page_with_the_readahead_mark, &marked);
	behave_add(s, try_gives_what_is_resident);
	behave_add(s, a_batch_of_tries_counts_complete_hits);
	behave_add_table(s, bad_try, bad_tries);
	return s;
}
