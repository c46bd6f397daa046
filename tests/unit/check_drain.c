// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for all that is in flight, before the ring is given up.
 */
#include <errno.h>
#include <time.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;
static const struct timespec ms = { .tv_nsec = 1000000 };

static void park(unsigned n)
{
	fake_ring(&ring, 8);
	fake.park = true;
	fake_queue_nops(&ring, n, 100);
	ck_assert_int_eq(nbread_submit(&ring), (int)n);
	fake.enters = 0;
}

START_TEST(drain_of_an_idle_ring_makes_no_system_call)
{
	fake_ring(&ring, 8);
	ck_assert_int_eq(nbread_queue_drain(&ring, NULL), 0);
	fake_queue_nops(&ring, 2, 0);
	nbread_submit(&ring);
	fake.enters = 0;
	ck_assert_int_eq(nbread_queue_drain(&ring, &ms), 0);
	ck_assert_uint_eq(fake.enters, 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
}
END_TEST

START_TEST(drain_waits_for_all_in_one_call_and_keeps_the_completions)
{
	park(5);
	fake_release(2);
	nbread_get_events(&ring);
	nbread_cq_advance(&ring, 1);
	fake_release(3);
	fake.enters = 0;
	ck_assert_int_eq(nbread_queue_drain_ns(&ring, -1), 0);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.min_complete, 4);
	ck_assert_uint_eq(fake.enter.to_submit, 0);
	ck_assert_uint_eq(fake.enter.flags, 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 4);
}
END_TEST

START_TEST(drain_with_indices_that_wrap_waits_for_all)
{
	fake.first_index = UINT32_MAX - 2;
	park(5);
	fake_release(5);
	ck_assert_int_eq(nbread_queue_drain_ns(&ring, -1), 0);
	ck_assert_uint_eq(fake.enter.min_complete, 5);
}
END_TEST

START_TEST(drain_submits_nothing)
{
	park(1);
	fake_release(1);
	fake_queue_nops(&ring, 3, 0);
	ck_assert_int_eq(nbread_queue_drain_ns(&ring, -1), 0);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 3);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
}
END_TEST

START_TEST(the_time_of_a_drain_ends_at_one_point)
{
	park(1);
	ck_assert_int_eq(nbread_queue_drain(&ring, &ms), -ETIME);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS);
	ck_assert_uint_eq(fake.enter.timeout_ns, fake.now_ns + 1000000);
	ck_assert_int_eq(nbread_queue_drain_ns(&ring, INT64_MAX), -ETIME);
	ck_assert_uint_eq(fake.enter.timeout_ns, INT64_MAX);
	fake_release(1);
	ck_assert_int_eq(nbread_queue_drain(&ring, &ms), 0);
}
END_TEST

static const struct {
	const char *name;
	__s64 timeout;
	int want;
} ends[] = {
	{ "a_drain_that_a_signal_interrupts_leaves_the_ring", -1, -EINTR },
	{ "a_drain_with_a_negative_time_is_einval", -2, -EINVAL },
};

START_TEST(end)
{
	park(1);
	fake.wait_error = -EINTR;
	ck_assert_int_eq(nbread_queue_exit_drain_ns(&ring, ends[_i].timeout), ends[_i].want);
	ck_assert_uint_eq(fake.closes, 0);
	fake_release(1);
	ck_assert_int_eq(nbread_queue_exit_drain_ns(&ring, -1), 0);
	ck_assert_uint_eq(fake.closes, 1);
}
END_TEST

START_TEST(exit_drain_gives_up_the_ring_when_all_has_ended)
{
	park(3);
	fake_release(3);
	ck_assert_int_eq(nbread_queue_exit_drain(&ring, &ms), 0);
	ck_assert_uint_eq(fake_parked(), 0);
	ck_assert_uint_eq(fake.closes, 1);
	ck_assert_uint_eq(fake.munmaps, 1);
	ck_assert_int_eq(nbread_queue_exit_drain(&ring, NULL), 0);
	ck_assert_uint_eq(fake.closes, 1);
}
END_TEST

START_TEST(drain_wakes_a_thread_that_sleeps_over_entries)
{
	fake_thread_ring(&ring, 8);
	fake_queue_nops(&ring, 2, 0);
	fake.enter_error = -EINTR;
	nbread_submit(&ring);
	ck_assert_int_eq(nbread_queue_drain_ns(&ring, -1), 0);
	ck_assert_uint_eq(fake.enter.min_complete, 2);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAKEUP);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
}
END_TEST

START_TEST(drain_does_not_wait_for_what_a_full_queue_keeps_from_the_thread)
{
	fake_thread_ring(&ring, 2);
	fake_queue_nops(&ring, 2, 0);
	nbread_submit(&ring);
	fake_queue_nops(&ring, 2, 2);
	nbread_submit(&ring);
	fake_thread_run();
	fake_queue_nops(&ring, 1, 4);
	nbread_submit(&ring);
	ck_assert_int_eq(nbread_queue_drain_ns(&ring, -1), 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 4);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 1);
}
END_TEST

Suite *check_drain_suite(void)
{
	Suite *s = suite_create("drain");

	nbtest_add(s, drain_of_an_idle_ring_makes_no_system_call);
	nbtest_add(s, drain_waits_for_all_in_one_call_and_keeps_the_completions);
	nbtest_add(s, drain_with_indices_that_wrap_waits_for_all);
	nbtest_add(s, drain_submits_nothing);
	nbtest_add(s, the_time_of_a_drain_ends_at_one_point);
	nbtest_add_table(s, end, ends);
	nbtest_add(s, exit_drain_gives_up_the_ring_when_all_has_ended);
	nbtest_add(s, drain_wakes_a_thread_that_sleeps_over_entries);
	nbtest_add(s, drain_does_not_wait_for_what_a_full_queue_keeps_from_the_thread);
	return s;
}
