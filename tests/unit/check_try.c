// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cached-only reads: one, many, more than a batch holds, and what is left of a
 * batch that fails.
 */
#include <errno.h>
#include <limits.h>
#include "nbtest.h"
#include "fake.h"

#define NR 20 /* in batches of 8: 8, 8, 4 */

static struct nbread ring;
static struct nbtest_file f;
static char bufs[NR][16];
static struct nbread_try reqs[NR];

static void setup(void)
{
	int i;

	fake_ring(&ring, 4);
	nbtest_file_new(&f, 1, 4096);
	for (i = 0; i < NR; i++)
		reqs[i] = (struct nbread_try){ .fd = f.fd,
					       .addr = (uintptr_t)bufs[i],
					       .len = 16,
					       .off = 64ULL * (unsigned)i,
					       .res = -12345 };
}

static void teardown(void)
{
	nbtest_file_free(&f);
}

START_TEST(try_reads_into_the_buffer_and_leaves_the_queues_alone)
{
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, 100, 0), 16);
	nbtest_check_bytes(bufs[0], 16, 100, 1, 1);
	ck_assert_uint_eq(fake.batch.nr, 1);
	ck_assert_uint_eq(fake.enters, 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 0);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 0);
}
END_TEST

START_TEST(try_at_end_of_file_is_zero)
{
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, 4096, 0), 0);
}
END_TEST

START_TEST(try_across_end_of_file_is_short)
{
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, 4090, NBREAD_SQE_NOIO), 6);
}
END_TEST

START_TEST(try_of_what_is_not_cached_is_eagain)
{
	fake.all_miss = true;
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, 0, 0), -EAGAIN);
}
END_TEST

START_TEST(try_passes_its_flags_on)
{
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, 0, NBREAD_SQE_NOIO), 16);
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, 0, NBREAD_SQE_ASYNC), -EINVAL);
}
END_TEST

START_TEST(try_of_a_bad_descriptor_is_its_error)
{
	ck_assert_int_eq(nbread_try(&ring, -1, bufs[0], 16, 0, 0), -EBADF);
}
END_TEST

START_TEST(try_of_a_negative_offset_is_einval)
{
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, -1, 0), -EINVAL);
}
END_TEST

START_TEST(try_that_fails_as_a_call_says_so)
{
	fake.call_error = -EFAULT;
	ck_assert_int_eq(nbread_try(&ring, f.fd, bufs[0], 16, 0, 0), -EFAULT);
}
END_TEST

static char large[8192];

START_TEST(try_longer_than_the_limit_is_cut_and_not_wrapped)
{
	struct nbread_query q = fake.query;

	nbread_queue_exit(&ring);
	fake.query.max_len = 100;
	fake_ring(&ring, 4);
	ck_assert_int_eq(nbread_try(&ring, f.fd, large, 101, 0, 0), 100);
	ck_assert_int_eq(nbread_try(&ring, f.fd, large, SIZE_MAX, 0, 0), 100);
	/* 2^32 + 1 must not become 1. */
	if (sizeof(size_t) > 4)
		ck_assert_int_eq(nbread_try(&ring, f.fd, large, ((size_t)1 << 16 << 16) + 1, 0, 0),
				 100);
	fake.query = q;
}
END_TEST

START_TEST(try_many_fills_every_request)
{
	int i;

	ck_assert_int_eq(nbread_try_many(&ring, reqs, 8), 8);
	ck_assert_uint_eq(fake.tries, 1);
	for (i = 0; i < 8; i++) {
		ck_assert_int_eq(reqs[i].res, 16);
		ck_assert_uint_eq(reqs[i].cqe_flags, NBREAD_CQE_HIT);
		nbtest_check_bytes(bufs[i], 16, reqs[i].off, 1, 1);
	}
	ck_assert_int_eq(reqs[8].res, -12345);
}
END_TEST

START_TEST(try_many_splits_what_one_batch_cannot_hold)
{
	int i;

	ck_assert_int_eq(nbread_try_many(&ring, reqs, NR), NR);
	ck_assert_uint_eq(fake.tries, 3);
	ck_assert_uint_eq(fake.batch.nr, 4);
	ck_assert_uint_eq(fake.batch.reqs, (uintptr_t)&reqs[16]);
	for (i = 0; i < NR; i++)
		nbtest_check_bytes(bufs[i], 16, reqs[i].off, 1, 1);
}
END_TEST

START_TEST(try_many_counts_hits_over_all_batches)
{
	reqs[1].fd = reqs[9].fd = reqs[19].fd = -1;
	ck_assert_int_eq(nbread_try_many(&ring, reqs, NR), NR - 3);
	ck_assert_int_eq(reqs[9].res, -EBADF);
}
END_TEST

START_TEST(try_many_of_none_makes_no_system_call)
{
	ck_assert_int_eq(nbread_try_many(&ring, NULL, 0), 0);
	ck_assert_uint_eq(fake.tries, 0);
}
END_TEST

START_TEST(try_many_of_more_than_it_can_count_is_einval)
{
	ck_assert_int_eq(nbread_try_many(&ring, reqs, INT_MAX + 1U), -EINVAL);
	ck_assert_uint_eq(fake.tries, 0);
}
END_TEST

START_TEST(try_many_stops_at_the_batch_that_fails)
{
	fake.call_error = -EINTR;
	fake.try_error_at = 1;
	ck_assert_int_eq(nbread_try_many(&ring, reqs, NR), -EINTR);
	ck_assert_uint_eq(fake.tries, 2);
	ck_assert_int_eq(reqs[7].res, 16);
	ck_assert_int_eq(reqs[8].res, -12345);
	ck_assert_int_eq(reqs[19].res, -12345);
}
END_TEST

Suite *check_try_suite(void)
{
	Suite *s = suite_create("try");

	nbtest_add_fixture(s, try_reads_into_the_buffer_and_leaves_the_queues_alone, setup,
			   teardown);
	nbtest_add_fixture(s, try_at_end_of_file_is_zero, setup, teardown);
	nbtest_add_fixture(s, try_across_end_of_file_is_short, setup, teardown);
	nbtest_add_fixture(s, try_of_what_is_not_cached_is_eagain, setup, teardown);
	nbtest_add_fixture(s, try_passes_its_flags_on, setup, teardown);
	nbtest_add_fixture(s, try_of_a_bad_descriptor_is_its_error, setup, teardown);
	nbtest_add_fixture(s, try_of_a_negative_offset_is_einval, setup, teardown);
	nbtest_add_fixture(s, try_that_fails_as_a_call_says_so, setup, teardown);
	nbtest_add_fixture(s, try_longer_than_the_limit_is_cut_and_not_wrapped, setup, teardown);
	nbtest_add_fixture(s, try_many_fills_every_request, setup, teardown);
	nbtest_add_fixture(s, try_many_splits_what_one_batch_cannot_hold, setup, teardown);
	nbtest_add_fixture(s, try_many_counts_hits_over_all_batches, setup, teardown);
	nbtest_add_fixture(s, try_many_of_none_makes_no_system_call, setup, teardown);
	nbtest_add_fixture(s, try_many_of_more_than_it_can_count_is_einval, setup, teardown);
	nbtest_add_fixture(s, try_many_stops_at_the_batch_that_fails, setup, teardown);
	return s;
}
