// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting: what ENTER is asked for, and that neither a completion nor a signal
 * nor a time-out is lost on the way to the caller.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;
static struct nbread_cqe *cqe, rubbish;
static const struct timespec ms = { .tv_nsec = 1000000 };

static void park(unsigned n)
{
	fake_ring(&ring, 8);
	fake.park = true;
	fake_queue_nops(&ring, n, 100);
	ck_assert_int_eq(nbread_submit(&ring), (int)n);
	fake.enters = 0;
	cqe = &rubbish;
}

static void reap_one_as_another_thread(void)
{
	fake.during_enter = NULL;
	nbread_cq_advance(&ring, 1);
}

START_TEST(wait_returns_a_completion_that_is_there_without_a_system_call)
{
	fake_ring(&ring, 8);
	fake_queue_nops(&ring, 1, 5);
	nbread_submit(&ring);
	fake.enters = 0;
	ck_assert_int_eq(nbread_wait_cqe(&ring, &cqe), 0);
	ck_assert_uint_eq(cqe->user_data, 5);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(wait_enters_once_for_one_completion)
{
	park(2);
	fake_release(1);
	ck_assert_int_eq(nbread_wait_cqe(&ring, &cqe), 0);
	ck_assert_uint_eq(cqe->user_data, 100);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.to_submit, 0);
	ck_assert_uint_eq(fake.enter.min_complete, 1);
	ck_assert_uint_eq(fake.enter.flags, 0);
}
END_TEST

START_TEST(wait_submits_nothing)
{
	park(1);
	fake_release(1);
	fake_queue_nops(&ring, 3, 0);
	ck_assert_int_eq(nbread_wait_cqe(&ring, &cqe), 0);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 3);
}
END_TEST

static const struct {
	const char *name;
	int error;
} wait_errors[] = {
	{ "a_signal_during_the_wait_is_eintr_and_no_completion", -EINTR },
	{ "eperm_of_a_foreign_process_is_passed_on", -EPERM },
};

START_TEST(wait_error)
{
	park(1);
	fake.wait_error = wait_errors[_i].error;
	ck_assert_int_eq(nbread_wait_cqe(&ring, &cqe), wait_errors[_i].error);
	ck_assert_ptr_null(cqe);
	ck_assert_uint_eq(fake.enters, 1);
}
END_TEST

START_TEST(wait_cqes_waits_for_as_many_as_asked)
{
	park(4);
	fake_release(3);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 3, NULL, NULL), 0);
	ck_assert_uint_eq(fake.enter.min_complete, 3);
	ck_assert_uint_eq(cqe->user_data, 100);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 3);
}
END_TEST

START_TEST(wait_cqes_enters_when_too_few_are_there)
{
	park(2);
	fake_release(1);
	nbread_wait_cqe(&ring, &cqe);
	fake_release(1);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 2, NULL, NULL), 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
}
END_TEST

START_TEST(wait_cqes_for_more_than_the_queue_holds_is_einval_even_with_some_there)
{
	park(1);
	fake_release(1);
	nbread_get_events(&ring);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 17, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(cqe);
}
END_TEST

START_TEST(a_timeout_is_etime)
{
	park(1);
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &ms), -ETIME);
	ck_assert_ptr_null(cqe);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_TIMEOUT);
	ck_assert_uint_eq(fake.enter.timeout_ns, 1000000);
}
END_TEST

START_TEST(a_timeout_with_some_completions_hands_them_over)
{
	park(3);
	fake_release(2);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 3, &ms, NULL), 0);
	ck_assert_uint_eq(cqe->user_data, 100);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
}
END_TEST

START_TEST(a_signal_with_some_completions_hands_them_over)
{
	park(3);
	fake_release(1);
	fake.wait_error = -EINTR;
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 3, NULL, NULL), 0);
	ck_assert_uint_eq(cqe->user_data, 100);
}
END_TEST

START_TEST(a_null_timespec_waits_without_end)
{
	park(1);
	fake_release(1);
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, NULL), 0);
	ck_assert_uint_eq(fake.enter.flags, 0);
}
END_TEST

static const struct {
	const char *name;
	struct timespec ts;
	int want;
	__u64 ns;
} spans[] = {
	{ "a_timeout_of_zero_is_still_a_timeout", { 0, 0 }, -ETIME, 0 },
	{ "seconds_and_nanoseconds_add_up", { 3, 7 }, -ETIME, 3000000007ULL },
	{ "the_last_nanosecond_of_a_second_is_valid", { 0, 999999999 }, -ETIME, 999999999 },
	{ "a_timeout_beyond_all_time_is_the_longest_one", { INT64_MAX, 0 }, -ETIME, INT64_MAX },
	{ "a_timeout_with_a_whole_second_of_nanoseconds_is_einval", { 0, 1000000000 }, -EINVAL, 0 },
	{ "a_timeout_with_negative_nanoseconds_is_einval", { 0, -1 }, -EINVAL, 0 },
	{ "a_timeout_with_negative_seconds_is_einval", { -1, 0 }, -EINVAL, 0 },
};

START_TEST(span)
{
	park(1);
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &spans[_i].ts), spans[_i].want);
	ck_assert_uint_eq(fake.enters, spans[_i].want == -ETIME);
	if (fake.enters)
		ck_assert_uint_eq(fake.enter.timeout_ns, spans[_i].ns);
}
END_TEST

START_TEST(a_signal_mask_is_passed_in_the_kernels_form)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, 64);
	park(1);
	fake_release(1);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 1, NULL, &set), 0);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SIGMASK);
	ck_assert_uint_eq(fake.enter.sigmask,
			  1ULL << (SIGHUP - 1) | 1ULL << (SIGTERM - 1) | 1ULL << 63);
}
END_TEST

START_TEST(an_empty_signal_mask_is_still_a_mask)
{
	sigset_t set;

	sigemptyset(&set);
	park(1);
	fake_release(1);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 1, NULL, &set), 0);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SIGMASK);
	ck_assert_uint_eq(fake.enter.sigmask, 0);
}
END_TEST

START_TEST(a_completion_that_another_thread_reaped_is_waited_for_again)
{
	park(2);
	fake_release(2);
	fake.during_enter = reap_one_as_another_thread;
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 1, NULL, NULL), 0);
	ck_assert_uint_eq(cqe->user_data, 101);

	nbread_cq_advance(&ring, 1);
	fake_queue_nops(&ring, 2, 200);
	nbread_submit(&ring);
	fake.enters = 0;
	fake_release(2);
	fake.during_enter = reap_one_as_another_thread;
	fake.wait_error = -EINTR;
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 2, NULL, NULL), 0);
	ck_assert_uint_eq(fake.enters, 2);
}
END_TEST

START_TEST(a_completion_that_another_thread_reaped_ends_a_timed_wait)
{
	park(1);
	fake_release(1);
	fake.during_enter = reap_one_as_another_thread;
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &ms), -ETIME);
	ck_assert_uint_eq(fake.enters, 1);
}
END_TEST

START_TEST(submit_and_wait_timeout_does_all_in_one_call)
{
	sigset_t set;

	sigfillset(&set);
	fake_ring(&ring, 8);
	fake_queue_nops(&ring, 3, 7);
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 2, &ms, &set), 3);
	ck_assert_uint_eq(cqe->user_data, 7);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.to_submit, 3);
	ck_assert_uint_eq(fake.enter.min_complete, 2);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_SIGMASK);
}
END_TEST

START_TEST(submit_and_wait_timeout_counts_what_was_taken_before_the_timeout)
{
	fake_ring(&ring, 8);
	fake.park = true;
	fake_queue_nops(&ring, 2, 0);
	cqe = &rubbish;
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 1, &ms, NULL), 2);
	ck_assert_ptr_null(cqe);
	ck_assert_uint_eq(fake.enters, 1);
}
END_TEST

START_TEST(submit_and_wait_timeout_with_nothing_to_submit_just_waits)
{
	park(1);
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 1, &ms, NULL), -ETIME);
	ck_assert_ptr_null(cqe);
	fake_release(1);
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 1, &ms, NULL), 0);
	ck_assert_uint_eq(cqe->user_data, 100);
	/* Like a wait, it makes no system call for what is there. */
	fake.enters = 0;
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 1, &ms, NULL), 0);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(submit_and_wait_timeout_keeps_the_entries_when_it_fails)
{
	fake_ring(&ring, 8);
	fake_queue_nops(&ring, 2, 0);
	fake.enter_error = -ENOMEM;
	cqe = &rubbish;
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 1, &ms, NULL), -ENOMEM);
	ck_assert_ptr_null(cqe);
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 2, &ms, NULL), 2);
}
END_TEST

START_TEST(submit_and_wait_timeout_that_could_take_nothing_hands_over_what_is_there)
{
	fake_ring(&ring, 8);
	fake_queue_nops(&ring, 1, 42);
	nbread_submit(&ring);
	fake_queue_nops(&ring, 1, 43);
	fake.take_max = 0;
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 2, &ms, NULL), 0);
	ck_assert_uint_eq(cqe->user_data, 42);
}
END_TEST

Suite *check_wait_suite(void)
{
	Suite *s = suite_create("wait");

	nbtest_add(s, wait_returns_a_completion_that_is_there_without_a_system_call);
	nbtest_add(s, wait_enters_once_for_one_completion);
	nbtest_add(s, wait_submits_nothing);
	nbtest_add_table(s, wait_error, wait_errors);
	nbtest_add(s, wait_cqes_waits_for_as_many_as_asked);
	nbtest_add(s, wait_cqes_enters_when_too_few_are_there);
	nbtest_add(s, wait_cqes_for_more_than_the_queue_holds_is_einval_even_with_some_there);
	nbtest_add(s, a_timeout_is_etime);
	nbtest_add(s, a_timeout_with_some_completions_hands_them_over);
	nbtest_add(s, a_signal_with_some_completions_hands_them_over);
	nbtest_add(s, a_null_timespec_waits_without_end);
	nbtest_add_table(s, span, spans);
	nbtest_add(s, a_signal_mask_is_passed_in_the_kernels_form);
	nbtest_add(s, an_empty_signal_mask_is_still_a_mask);
	nbtest_add(s, a_completion_that_another_thread_reaped_is_waited_for_again);
	nbtest_add(s, a_completion_that_another_thread_reaped_ends_a_timed_wait);
	nbtest_add(s, submit_and_wait_timeout_does_all_in_one_call);
	nbtest_add(s, submit_and_wait_timeout_counts_what_was_taken_before_the_timeout);
	nbtest_add(s, submit_and_wait_timeout_with_nothing_to_submit_just_waits);
	nbtest_add(s, submit_and_wait_timeout_keeps_the_entries_when_it_fails);
	nbtest_add(s, submit_and_wait_timeout_that_could_take_nothing_hands_over_what_is_there);
	return s;
}
