// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for completions of the portable backend, and a completion queue that is full:
 * waits that end by something else, eventfds that run out, and places that are kept.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "thr.h"

/* The only thread stands with read 1. */
static void hold_one(unsigned entries)
{
	thr_start(entries, 1);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 1);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
}

static const struct {
	const char *name;
	int error;
} ends[] = {
	{ "a_wait_that_a_signal_ends_is_eintr_and_loses_nothing", -EINTR },
	{ "a_wait_that_the_kernel_refuses_is_told_and_loses_nothing", -ENOMEM },
};

START_TEST(wait_that_ends)
{
	struct nbread_cqe *at;

	hold_one(8);
	fake.wait_error = ends[_i].error;
	ck_assert_int_eq(nbread_wait_cqe(&thr_ring, &at), ends[_i].error);
	ck_assert_ptr_null(at);
	/* With something to submit, what was taken is told instead. */
	thr_async(PG, PG, 2);
	ck_assert_int_eq(nbread_submit_and_wait(&thr_ring, 1), 1);
	fake.wait_error = 0;
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_ends(2, PG);
	thr_settled(1);
	thr_end();
}
END_TEST

static void cancel_one(void)
{
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), 1);
}

START_TEST(a_completion_that_comes_with_the_signal_is_not_missed)
{
	struct nbread_cqe *at;

	hold_one(8);
	fake.during_wait = cancel_one;
	fake.wait_error = -EINTR;
	ck_assert_int_eq(nbread_submit_and_wait(&thr_ring, 1), 0);
	fake.wait_error = 0;
	thr_posted(1, -ECANCELED);
	/* Its wake-up is used up: the next wait is no shorter for it. */
	thr_async(PG, PG, 2);
	thr_submit(1);
	ck_assert_int_eq(nbread_wait_cqes_ns(&thr_ring, &at, 1, SEC, NULL), -ETIME);
	ck_assert_uint_eq(fake.now_ns, 6 * SEC);
	thr_end();
}
END_TEST

static void submit_a_nop(void)
{
	nbread_prep_nop(nbread_get_sqe(&thr_ring));
	ck_assert_int_eq(nbread_submit(&thr_ring), 1);
}

START_TEST(a_wait_in_time_keeps_what_has_come_when_it_is_too_little)
{
	struct nbread_cqe *at;

	hold_one(8);
	fake.during_wait = submit_a_nop;
	ck_assert_int_eq(nbread_wait_cqes_ns(&thr_ring, &at, 2, SEC, NULL), 0);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(fake.now_ns, 6 * SEC);
	thr_posted(0, 0);
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_end();
}
END_TEST

static int second = 1;

static void *wait_too(void *arg)
{
	struct nbread_cqe *at;

	second = nbread_wait_cqe(&thr_ring, &at);
	return arg;
}

/* While the first one waits, with the only eventfd that is at hand. */
static void second_waiter(void)
{
	pthread_t thread;

	fake.fail_eventfd = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_too, NULL), 0);
	pthread_join(thread, NULL);
	fake_let_go(FAKE_READ);
}

START_TEST(a_second_waiter_without_a_descriptor_is_emfile_and_the_first_gets_its_completion)
{
	hold_one(8);
	fake.during_wait = second_waiter;
	thr_ends(1, PG);
	ck_assert_int_eq(second, -EMFILE);
	/* The first one needs none even when none can be made. */
	fake.fail_eventfd = 1;
	fake_hold(FAKE_READ);
	thr_async(PG, PG, 2);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	fake_let_go(FAKE_READ);
	thr_ends(2, PG);
	ck_assert_uint_eq(fake.fail_eventfd, 1);
	thr_end();
}
END_TEST

static int taken = -1;

static void *take_one(void *arg)
{
	struct nbread_cqe cqe;

	taken = nbread_reap_cqes_ns(&thr_ring, &cqe, 1, 1, -1, NULL);
	/* If it was faster, the first one has too few now. */
	submit_a_nop();
	return arg;
}

static pthread_t taker;

/* While the first one waits for two, and is listed before. */
static void take_and_end_both(void)
{
	ck_assert_int_eq(pthread_create(&taker, NULL, take_one, NULL), 0);
	ck_assert(nbtest_wait_until(__atomic_load_n(&fake.waits, __ATOMIC_RELAXED) == 2, 10000));
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL), 2);
}

START_TEST(who_takes_fewer_than_he_waited_for_leaves_the_rest_to_one_who_waits)
{
	struct nbread_cqe cqe;

	hold_one(8);
	thr_async(PG, PG, 2);
	thr_submit(1);
	fake.during_wait = take_and_end_both;
	ck_assert_int_eq(nbread_reap_cqes_ns(&thr_ring, &cqe, 1, 2, -1, NULL), 1);
	pthread_join(taker, NULL);
	ck_assert_int_eq(taken, 1);
	ck_assert_int_eq(nbread_reap_cqes_ns(&thr_ring, &cqe, 1, 1, -1, NULL), 1);
	thr_none();
	thr_end();
}
END_TEST

START_TEST(a_wait_where_nothing_can_be_taken_says_that_nothing_has_come)
{
	struct nbread_setup p = { .sq_entries = 2, .cq_entries = 2, .max_workers = 1 };
	struct nbread_cqe *at;

	thr_start_params(&p);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 1);
	thr_async(PG, PG, 2);
	thr_submit(2);
	thr_async(PG, 2 * PG, 3);
	ck_assert_int_eq(nbread_submit_and_wait_ns(&thr_ring, &at, 0, -1, NULL), -EAGAIN);
	ck_assert_ptr_null(at);
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_submit(1);
	thr_ends(2, PG);
	thr_ends(3, PG);
	thr_end();
}
END_TEST

START_TEST(a_full_queue_takes_nothing_and_each_reaped_completion_lets_one_in)
{
	struct nbread_setup p = { .sq_entries = 4, .cq_entries = 4, .max_workers = 1 };
	unsigned i;

	thr_start_params(&p);
	/* One that is read, one that waits, and two that are answered. */
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 0);
	thr_async(PG, PG, 1);
	thr_submit(2);
	fake_wait_held(FAKE_READ, 1);
	thr_prep(PG, 2 * PG, 2);
	nbread_prep_nop(nbread_get_sqe(&thr_ring));
	thr_submit(2);
	for (i = 4; i < 8; i++)
		thr_async(PG, i * PG, i);
	thr_submit(0);
	thr_posted(2, PG);
	thr_submit(1);
	thr_posted(0, 0);
	thr_submit(1);
	thr_submit(0);
	ck_assert_uint_eq(nbread_sq_ready(&thr_ring), 2);
	fake_let_go(FAKE_READ);
	thr_ends(0, PG);
	thr_ends(1, PG);
	thr_submit(2);
	for (i = 4; i < 8; i++)
		thr_ends(i, PG);
	thr_settled(1);
	thr_right(3 * PG, 0);
	thr_right(4 * PG, 4 * PG);
	thr_end();
}
END_TEST

START_TEST(a_queue_full_of_failed_reads_has_room_again)
{
	struct nbread_setup p = { .sq_entries = 2, .cq_entries = 2, .max_workers = 1 };
	unsigned i;

	thr_start_params(&p);
	fake.thread_error = EAGAIN;
	for (i = 0; i < 10; i++) {
		thr_async(PG, 0, i);
		thr_async(PG, PG, 100 + i);
		thr_submit(2);
		nbread_prep_nop(nbread_get_sqe(&thr_ring));
		thr_submit(0);
		thr_posted(i, -ENOMEM);
		thr_posted(100 + i, -ENOMEM);
		thr_submit(1);
		thr_posted(0, 0);
	}
	thr_none();
	thr_end();
}
END_TEST

START_TEST(an_eventfd_counts_each_completion_of_a_thread_once)
{
	eventfd_t value;
	int event;
	unsigned i;

	event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	hold_one(8);
	ck_assert_int_eq(nbread_register_eventfd_async(&thr_ring, event), 0);
	/* Answered in the call: hits, and a read that is wrong. */
	thr_prep(PG, PG, 2);
	thr_prep(PG, 2 * PG, 3)->resv1 = 1;
	thr_submit(2);
	thr_posted(2, PG);
	thr_posted(3, -EINVAL);
	ck_assert_int_eq(eventfd_read(event, &value), -1);
	for (i = 4; i < 7; i++)
		thr_async(PG, i * PG, i);
	thr_submit(3);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 4, 0), 1);
	ck_assert_int_eq(eventfd_read(event, &value), 0);
	ck_assert_uint_eq(value, 1);
	fake_let_go(FAKE_READ);
	fake_wait_asleep(1);
	ck_assert_int_eq(eventfd_read(event, &value), 0);
	ck_assert_uint_eq(value, 3);
	thr_posted(4, -ECANCELED);
	thr_posted(1, PG);
	thr_posted(5, PG);
	thr_posted(6, PG);
	thr_end();
	close(event);
}
END_TEST

Suite *check_threads_wait_suite(void)
{
	Suite *s = suite_create("threads_wait");

	nbtest_add_table(s, wait_that_ends, ends);
	nbtest_add(s, a_completion_that_comes_with_the_signal_is_not_missed);
	nbtest_add(s, a_wait_in_time_keeps_what_has_come_when_it_is_too_little);
	nbtest_add(
		s,
		a_second_waiter_without_a_descriptor_is_emfile_and_the_first_gets_its_completion);
	nbtest_add(s, who_takes_fewer_than_he_waited_for_leaves_the_rest_to_one_who_waits);
	nbtest_add(s, a_wait_where_nothing_can_be_taken_says_that_nothing_has_come);
	nbtest_add(s, a_full_queue_takes_nothing_and_each_reaped_completion_lets_one_in);
	nbtest_add(s, a_queue_full_of_failed_reads_has_room_again);
	nbtest_add(s, an_eventfd_counts_each_completion_of_a_thread_once);
	return s;
}
