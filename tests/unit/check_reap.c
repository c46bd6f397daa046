// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reaping: peek, batches, for_each, advance, seen; and the index arithmetic,
 * with rings whose indices start just below 2^32.
 */
#include <errno.h>
#include <limits.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;
static struct nbread_cqe *cqe, *cqes[16], rubbish;

static void complete(unsigned entries, unsigned n)
{
	fake_ring(&ring, entries);
	fake_queue_nops(&ring, n, 0);
	ck_assert_int_eq(nbread_submit(&ring), (int)n);
	fake.enters = 0;
}

static void park(unsigned n)
{
	fake.park = true;
	complete(8, n);
}

START_TEST(peek_of_an_idle_ring_is_eagain_without_a_system_call)
{
	fake_ring(&ring, 4);
	cqe = &rubbish;
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	ck_assert_ptr_null(cqe);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(peek_does_not_reap)
{
	complete(4, 2);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), 0);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), 0);
	ck_assert_uint_eq(cqe->user_data, 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(peek_finishes_a_read_whose_data_came_in)
{
	park(2);
	fake_release(1);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), 0);
	ck_assert_uint_eq(cqe->user_data, 0);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.min_complete, 0);
}
END_TEST

START_TEST(peek_of_reads_that_still_wait_is_eagain)
{
	park(2);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	ck_assert_ptr_null(cqe);
}
END_TEST

START_TEST(peek_passes_an_error_of_the_device_on)
{
	park(1);
	fake.enter_error = -EPERM;
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EPERM);
}
END_TEST

START_TEST(peek_batch_takes_no_more_than_asked_and_no_more_than_there_are)
{
	complete(8, 5);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 3), 3);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 16), 5);
	ck_assert_uint_eq(cqes[4]->user_data, 4);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 0), 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 5);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(peek_batch_finishes_reads_whose_data_came_in)
{
	park(4);
	fake_release(3);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 16), 3);
	ck_assert_uint_eq(fake.enters, 1);
}
END_TEST

START_TEST(peek_batch_of_an_idle_ring_makes_no_system_call)
{
	complete(4, 1);
	nbread_cq_advance(&ring, 1);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 16), 0);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(get_events_finishes_what_came_in_for_loops_over_memory)
{
	unsigned head, n = 0;

	park(3);
	fake_release(2);
	ck_assert_int_eq(nbread_get_events(&ring), 0);
	nbread_for_each_cqe(&ring, head, cqe)
		ck_assert_uint_eq(cqe->user_data, n++);
	ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(for_each_of_nothing_runs_never)
{
	unsigned head;

	fake_ring(&ring, 4);
	nbread_for_each_cqe(&ring, head, cqe)
		ck_abort();
	ck_assert_ptr_null(cqe);
}
END_TEST

START_TEST(for_each_reaps_nothing_and_advance_reaps_all)
{
	unsigned head, n = 0;

	complete(8, 6);
	nbread_for_each_cqe(&ring, head, cqe)
		n++;
	ck_assert_uint_eq(n, 6);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 6);
	nbread_cq_advance(&ring, n);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 0);
}
END_TEST

START_TEST(seen_reaps_one_and_null_reaps_none)
{
	complete(8, 2);
	nbread_cqe_seen(&ring, NULL);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
	nbread_peek_cqe(&ring, &cqe);
	nbread_cqe_seen(&ring, cqe);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
	nbread_peek_cqe(&ring, &cqe);
	ck_assert_uint_eq(cqe->user_data, 1);
}
END_TEST

/* Queues of 4 and 8 whose indices pass 2^32 on the way, from each phase. */
START_TEST(the_queues_work_across_the_wrap_of_their_indices)
{
	__u64 given = 0, got = 0;
	unsigned round, head, n;

	fake.first_index = 0U - 20 + (unsigned)_i;
	fake_ring(&ring, 4);
	for (round = 0; round < 20; round++) {
		unsigned nr = 1 + round % 4;

		ck_assert_uint_eq(nbread_sq_space_left(&ring), 4);
		fake_queue_nops(&ring, nr, given);
		given += nr;
		ck_assert_uint_eq(nbread_sq_ready(&ring), nr);
		ck_assert_int_eq(nbread_submit_and_wait(&ring, nr), (int)nr);
		ck_assert_uint_eq(nbread_cq_ready(&ring), nr);
		ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 16), nr);
		ck_assert_uint_eq(cqes[nr - 1]->user_data, given - 1);
		n = 0;
		nbread_for_each_cqe(&ring, head, cqe) {
			ck_assert_uint_eq(cqe->user_data, got++);
			n++;
		}
		ck_assert_uint_eq(n, nr);
		nbread_cq_advance(&ring, n);
		ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	}
	ck_assert_uint_eq(got, given);
	ck_assert_uint_lt(*ring.cq.khead, 64); /* it did wrap */
}
END_TEST

START_TEST(a_full_queue_is_full_across_the_wrap)
{
	fake.first_index = 0U - 2;
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 4, 0);
	ck_assert_ptr_null(nbread_get_sqe(&ring));
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 0);
	ck_assert_int_eq(nbread_submit(&ring), 4);
	fake_queue_nops(&ring, 4, 4);
	ck_assert_int_eq(nbread_submit(&ring), 4);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 8);
	fake_queue_nops(&ring, 1, 8);
	ck_assert_int_eq(nbread_submit(&ring), 0);
}
END_TEST

START_TEST(reads_in_flight_across_the_wrap_are_still_seen_as_in_flight)
{
	fake.first_index = 0U - 1;
	park(3);
	fake_release(3);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), 0);
	nbread_cq_advance(&ring, 3);
	fake.enters = 0;
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

Suite *check_reap_suite(void)
{
	Suite *s = suite_create("reap");

	nbtest_add(s, peek_of_an_idle_ring_is_eagain_without_a_system_call);
	nbtest_add(s, peek_does_not_reap);
	nbtest_add(s, peek_finishes_a_read_whose_data_came_in);
	nbtest_add(s, peek_of_reads_that_still_wait_is_eagain);
	nbtest_add(s, peek_passes_an_error_of_the_device_on);
	nbtest_add(s, peek_batch_takes_no_more_than_asked_and_no_more_than_there_are);
	nbtest_add(s, peek_batch_finishes_reads_whose_data_came_in);
	nbtest_add(s, peek_batch_of_an_idle_ring_makes_no_system_call);
	nbtest_add(s, get_events_finishes_what_came_in_for_loops_over_memory);
	nbtest_add(s, for_each_of_nothing_runs_never);
	nbtest_add(s, for_each_reaps_nothing_and_advance_reaps_all);
	nbtest_add(s, seen_reaps_one_and_null_reaps_none);
	nbtest_add_loop(s, the_queues_work_across_the_wrap_of_their_indices, 8);
	nbtest_add(s, a_full_queue_is_full_across_the_wrap);
	nbtest_add(s, reads_in_flight_across_the_wrap_are_still_seen_as_in_flight);
	return s;
}
