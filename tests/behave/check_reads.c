// SPDX-License-Identifier: GPL-2.0-only
/* Promise 1: what a READ ends with, and how often. */
#include "behave.h"

static struct nbread ring;

START_TEST(a_resident_read_is_finished_when_submit_returns)
{
	int fd = behave_warm_file(KB(64), 3);
	unsigned char *buf = behave_buf(KB(64));

	behave_ring(&ring, 8);
	behave_prep(&ring, fd, buf, KB(64), 0, 0, 7);
	behave_submit(&ring, 1);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
	ck_assert_int_eq(behave_next(&ring).res, KB(64));
	behave_check(buf, KB(64), 0, 3);
}
END_TEST

START_TEST(a_resident_read_is_a_hit)
{
	int fd = behave_warm_file(KB(8), 3);
	unsigned char *buf = behave_buf(KB(8));
	struct nbread_cqe cqe;

	behave_ring(&ring, 8);
	cqe = behave_read(&ring, fd, buf, KB(8), 0, 0);
	ck_assert_int_eq(cqe.res, KB(8));
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
}
END_TEST

START_TEST(a_read_of_any_alignment_has_the_right_bytes)
{
	static const struct {
		size_t off, len;
	} at[] = { { 0, 1 }, { 1, 4095 }, { 4095, 2 }, { 12345, 20001 }, { 65535, 1 } };
	int fd = behave_warm_file(KB(64), 3);
	unsigned char *buf = behave_buf(KB(32));

	behave_ring(&ring, 8);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(at); i++) {
		memset(buf, POISON, KB(32));
		ck_assert_int_eq(behave_read(&ring, fd, buf, at[i].len, at[i].off, 0).res,
				 at[i].len);
		behave_check(buf, at[i].len, at[i].off, 3);
		behave_untouched(buf + at[i].len, KB(32) - at[i].len);
	}
}
END_TEST

START_TEST(a_cold_read_ends_with_its_whole_length)
{
	int fd = behave_cold_file(MB(1), 4);
	unsigned char *buf = behave_buf(MB(1));

	behave_ring(&ring, 8);
	ck_assert_int_eq(behave_read(&ring, fd, buf, MB(1), 0, 0).res, MB(1));
	behave_check(buf, MB(1), 0, 4);
}
END_TEST

START_TEST(a_cold_read_of_many_vectors_has_the_right_bytes)
{
	int fd = behave_cold_file(MB(2), 4);
	unsigned char *buf = behave_buf(MB(2));
	struct iovec iov[300];
	struct nbread_sqe *sqe;
	size_t at = 0;

	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(iov); i++) {
		iov[i].iov_base = buf + at;
		iov[i].iov_len = i % 7 ? 100 * i % 7919 : 0;
		at += iov[i].iov_len;
	}
	ck_assert_uint_le(at + 5, MB(2));
	behave_ring(&ring, 8);
	sqe = nbread_get_sqe(&ring);
	nbread_prep_readv(sqe, fd, iov, NBTEST_ARRAY_SIZE(iov), 5);
	behave_submit(&ring, 1);
	/* The array is the program's again. */
	memset(iov, 0xff, sizeof(iov));
	ck_assert_int_eq(behave_next(&ring).res, at);
	behave_check(buf, at, 5, 4);
	behave_untouched(buf + at, MB(2) - at);
}
END_TEST

START_TEST(a_resident_read_of_vectors_is_a_hit)
{
	int fd = behave_warm_file(KB(16), 4);
	unsigned char *buf = behave_buf(KB(16));
	struct iovec iov[2] = { { buf, 100 }, { buf + 100, 9000 } };
	struct nbread_cqe cqe;

	behave_ring(&ring, 8);
	nbread_prep_readv(nbread_get_sqe(&ring), fd, iov, 2, 0);
	behave_submit(&ring, 1);
	cqe = behave_next(&ring);
	ck_assert_int_eq(cqe.res, 9100);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	behave_check(buf, 9100, 0, 4);
}
END_TEST

static const struct {
	const char *name;
	size_t off, len;
	int want;
} ends[] = {
	{ "a_read_over_the_end_is_short", 9000, 5000, 1000 },
	{ "a_read_at_the_end_is_zero", 10000, 100, 0 },
	{ "a_read_behind_the_end_is_zero", 1 << 20, 100, 0 },
	{ "a_read_of_no_bytes_is_zero", 100, 0, 0 },
	{ "a_read_behind_what_a_file_system_can_hold_is_zero", INT64_MAX - 100, 100, 0 },
};

START_TEST(end_of_file)
{
	unsigned char *buf = behave_buf(KB(8));

	nbtest_row(ends[_i].name);
	behave_ring(&ring, 8);
	for (int cold = 0; cold < 2; cold++) {
		int fd = cold ? behave_cold_file(10000, 5) : behave_warm_file(10000, 5);

		memset(buf, POISON, KB(8));
		ck_assert_int_eq(behave_read(&ring, fd, buf, ends[_i].len, ends[_i].off, 0).res,
				 ends[_i].want);
		behave_check(buf, (size_t)ends[_i].want, ends[_i].off, 5);
		behave_untouched(buf + ends[_i].want, KB(8) - (size_t)ends[_i].want);
	}
}
END_TEST

START_TEST(a_resident_read_over_the_end_is_a_hit)
{
	int fd = behave_warm_file(10000, 5);
	unsigned char *buf = behave_buf(KB(8));

	behave_ring(&ring, 8);
	ck_assert_uint_eq(behave_read(&ring, fd, buf, KB(8), 8192, 0).flags, NBREAD_CQE_HIT);
}
END_TEST

START_TEST(many_cold_reads_end_once_each)
{
	enum { NR = 256 };
	int fd = behave_cold_file(NR * PG, 6);
	unsigned char *buf = behave_buf(NR * PG), seen[NR] = { 0 };
	unsigned i = 0, left = NR;

	behave_ring(&ring, 64);
	while (left) {
		struct nbread_cqe cqe;

		for (; i < NR && nbread_sq_space_left(&ring); i++) {
			unsigned page = i * 101 % NR;

			behave_prep(&ring, fd, buf + page * PG, PG, page * PG, 0, page);
		}
		ck_assert_int_ge(nbread_submit(&ring), 0);
		cqe = behave_next(&ring);
		ck_assert_int_eq(cqe.res, PG);
		ck_assert_uint_eq(seen[cqe.user_data]++, 0);
		left--;
	}
	behave_none(&ring);
	behave_check(buf, NR * PG, 0, 6);
}
END_TEST

START_TEST(a_read_that_asks_for_a_worker_gets_one)
{
	int fd = behave_warm_file(KB(8), 3);
	unsigned char *buf = behave_buf(KB(8));
	struct nbread_cqe cqe;

	behave_need_sqe(NBREAD_SQE_ASYNC);
	behave_ring(&ring, 8);
	cqe = behave_read(&ring, fd, buf, KB(8), 0, NBREAD_SQE_ASYNC);
	ck_assert_int_eq(cqe.res, KB(8));
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	behave_check(buf, KB(8), 0, 3);
}
END_TEST

START_TEST(a_file_that_a_worker_alone_can_read_is_read_whole)
{
	int fd = behave_slow_file(KB(600), 9);
	unsigned char *buf = behave_buf(KB(600));
	struct nbread_cqe cqe;

	behave_ring(&ring, 8);
	cqe = behave_read(&ring, fd, buf, KB(600), 0, 0);
	ck_assert_int_eq(cqe.res, KB(600));
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	behave_check(buf, KB(600), 0, 9);
}
END_TEST

START_TEST(a_buffer_that_cannot_be_written_is_efault)
{
	struct iovec iov = { (void *)16, 4096 };
	int warm = behave_warm_file(KB(8), 3), cold = behave_cold_file(KB(8), 3);

	behave_ring(&ring, 8);
	ck_assert_int_eq(behave_read(&ring, warm, (void *)16, PG, 0, 0).res, -EFAULT);
	ck_assert_int_eq(behave_read(&ring, cold, (void *)16, PG, 0, 0).res, -EFAULT);
	ck_assert_int_eq(behave_read(&ring, warm, (void *)16, PG, 0, NBREAD_SQE_ASYNC).res,
			 -EFAULT);
	nbread_prep_readv(nbread_get_sqe(&ring), cold, &iov, 1, PG);
	behave_submit(&ring, 1);
	ck_assert_int_eq(behave_next(&ring).res, -EFAULT);
}
END_TEST

START_TEST(a_buffer_of_which_a_part_can_be_written_gets_that)
{
	int warm = behave_warm_file(KB(8), 3);
	unsigned char *buf = behave_buf(PG);
	struct iovec iov[2] = { { buf, PG }, { (void *)16, PG } };

	behave_ring(&ring, 8);
	nbread_prep_readv(nbread_get_sqe(&ring), warm, iov, 2, 0);
	behave_submit(&ring, 1);
	ck_assert_int_eq(behave_next(&ring).res, PG);
	behave_check(buf, PG, 0, 3);
}
END_TEST

START_TEST(the_file_offset_does_not_move)
{
	int warm = behave_warm_file(KB(8), 3), cold = behave_cold_file(KB(8), 3);
	unsigned char *buf = behave_buf(KB(8));

	behave_ring(&ring, 8);
	ck_assert_int_eq(lseek(warm, 1234, SEEK_SET), 1234);
	ck_assert_int_eq(lseek(cold, 1234, SEEK_SET), 1234);
	ck_assert_int_eq(behave_read(&ring, warm, buf, KB(8), 0, 0).res, KB(8));
	ck_assert_int_eq(behave_read(&ring, cold, buf, KB(8), 0, 0).res, KB(8));
	ck_assert_int_eq(lseek(warm, 0, SEEK_CUR), 1234);
	ck_assert_int_eq(lseek(cold, 0, SEEK_CUR), 1234);
}
END_TEST

static const struct behave_differs closed = {
	.what = "The program closes its descriptor while a read of it waits",
	.module = "the read goes on",
	.threads =
		"the read ends with -EBADF, also when the number is another file by then; a registered file stays open for its reads",
	.module_value = PG,
	.threads_value = -EBADF,
};

START_TEST(a_read_whose_descriptor_is_closed)
{
	unsigned char *first = behave_buf(PG), *buf = behave_buf(PG);
	int slow = behave_busy_ring(&ring, first), fd = behave_warm_file(KB(8), 3);
	struct nbread_cqe cqe;

	behave_prep(&ring, fd, buf, PG, 0, NBREAD_SQE_ASYNC, 2);
	behave_submit(&ring, 1);
	/* And its number becomes another file. */
	ck_assert_int_eq(dup2(slow, fd), fd);
	behave_let_go();
	ck_assert_int_eq(behave_next(&ring).res, PG);
	cqe = behave_next(&ring);
	ck_assert_int_eq(cqe.res, behave_value(&closed));
	if (cqe.res > 0)
		behave_check(buf, PG, 0, 3);
	else
		behave_untouched(buf, PG);
}
END_TEST

static const struct behave_differs by_callback = {
	.what = "What a miss costs, and how its completion says so",
	.module =
		"no thread, where the file parks (`NBREAD_FILE_PARKS`): WAITED; else a kernel worker: PUNTED",
	.threads =
		"a thread of the program for as long as it takes, at most `max_workers` at a time: PUNTED, never WAITED. Where RWF_NOWAIT reads ahead (NOIO is not reported) what a fast disk brings meanwhile is told as a HIT",
};

START_TEST(a_cold_read_says_how_it_waited)
{
	int fd = behave_cold_file(KB(64), 4);
	unsigned char *buf = behave_buf(KB(64));
	struct nbread_file_info info;
	unsigned threads = nbtest_threads();
	struct nbread_cqe cqe;

	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	cqe = behave_read(&ring, fd, buf, KB(64), 0, 0);
	ck_assert_int_eq(cqe.res, KB(64));
	if (behave_threads()) {
		if (cqe.flags == NBREAD_CQE_HIT && !(behave_query()->sqe_flags & NBREAD_SQE_NOIO))
			return;
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
		ck_assert_uint_eq(nbtest_threads(), threads + 1);
	} else {
		ck_assert_uint_eq(nbtest_threads(), threads);
		if (info.flags & NBREAD_FILE_PARKS)
			ck_assert_uint_eq(cqe.flags & NBREAD_CQE_PUNTED, 0);
	}
	ck_assert_uint_eq(info.flags & NBREAD_FILE_PARKS && behave_threads(), 0);
}
END_TEST

static const struct behave_differs atomic_reads = {
	.what = "A read that misses is one read to others that write (xfs)",
	.module = "always",
	.threads = "up to 256 KiB; a larger one is read in pieces of that size",
};

Suite *check_reads_suite(void)
{
	Suite *s = behave_promise(
		"reads", "1. A read ends once: whole, to the end of file, or with an error");

	behave_add(s, a_resident_read_is_finished_when_submit_returns);
	behave_add(s, a_resident_read_is_a_hit);
	behave_add(s, a_read_of_any_alignment_has_the_right_bytes);
	behave_add(s, a_cold_read_ends_with_its_whole_length);
	behave_add(s, a_cold_read_of_many_vectors_has_the_right_bytes);
	behave_add(s, a_resident_read_of_vectors_is_a_hit);
	behave_add_table(s, end_of_file, ends);
	behave_add(s, a_resident_read_over_the_end_is_a_hit);
	behave_add(s, many_cold_reads_end_once_each);
	behave_add(s, a_read_that_asks_for_a_worker_gets_one);
	behave_add(s, a_file_that_a_worker_alone_can_read_is_read_whole);
	behave_add(s, a_buffer_that_cannot_be_written_is_efault);
	behave_add(s, a_buffer_of_which_a_part_can_be_written_gets_that);
	behave_add(s, the_file_offset_does_not_move);
	behave_add_differs(s, a_read_whose_descriptor_is_closed, &closed);
	behave_add_differs(s, a_cold_read_says_how_it_waited, &by_callback);
	behave_untested(s, &atomic_reads, "the mix of the stress tests holds the module to it");
	return s;
}
