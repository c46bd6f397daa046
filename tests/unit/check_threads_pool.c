// SPDX-License-Identifier: GPL-2.0-only
/*
 * The portable backend's pool: how many threads there are and when they go, the order of
 * what waits for them, and what becomes of reads when none can be made.
 */
#include "thr.h"

#define IDLE (6 * SEC) /* longer than a thread stays without work */

/* Reads of PG bytes with user_data first, first + 1, …, each at PG times that. */
static void submit_reads(unsigned nr, unsigned first)
{
	unsigned i;

	for (i = 0; i < nr; i++)
		thr_async(PG, (first + i) * PG, first + i);
	thr_submit(nr);
}

/* All of them come, in any order, once each, with their bytes. */
static void reap_reads(unsigned nr, unsigned first)
{
	bool seen[256] = { false };
	unsigned i;

	for (i = 0; i < nr; i++) {
		struct nbread_cqe cqe = thr_next();

		ck_assert_int_eq(cqe.res, PG);
		ck_assert_uint_ge(cqe.user_data, first);
		ck_assert_uint_lt(cqe.user_data, first + nr);
		ck_assert_msg(!seen[cqe.user_data], "read %u came twice", (unsigned)cqe.user_data);
		seen[cqe.user_data] = true;
	}
	thr_none();
	thr_right(nr * PG, first * PG);
}

static const struct {
	const char *name;
	unsigned max, want;
} bounds[] = {
	{ "a_ring_of_one_thread_has_one", 1, 1 },
	{ "a_ring_of_three_threads_has_three", 3, 3 },
	{ "a_ring_has_as_many_threads_as_it_tells_when_none_was_asked_for", 0, THR_WORKERS },
};

START_TEST(bound_of_the_pool)
{
	unsigned want = bounds[_i].want;

	thr_start(64, bounds[_i].max);
	fake_hold(FAKE_READ);
	submit_reads(want + 10, 0);
	fake_wait_held(FAKE_READ, want);
	ck_assert_uint_eq(fake_threads_tried(), want);
	/* Another submission makes no more, nor does one that goes on. */
	submit_reads(5, want + 10);
	fake_let_some_go(FAKE_READ, 1);
	thr_next();
	fake_wait_held(FAKE_READ, want);
	ck_assert_uint_eq(fake_held(FAKE_READ), want);
	fake_let_go(FAKE_READ);
	for (unsigned i = 1; i < want + 15; i++)
		ck_assert_int_eq(thr_next().res, PG);
	thr_settled(want);
	ck_assert_uint_eq(fake_threads_tried(), want);
	ck_assert_uint_eq(fake.blocking_reads, want + 15);
	thr_end();
}
END_TEST

START_TEST(reads_wait_in_the_order_of_their_submission)
{
	unsigned i;

	thr_start(64, 1);
	fake_hold(FAKE_READ);
	submit_reads(1, 0);
	fake_wait_held(FAKE_READ, 1);
	submit_reads(20, 1);
	submit_reads(20, 21);
	/* One from the middle and the last one leave no gap. */
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 7, 0), 1);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 40, 0), 1);
	thr_posted(7, -ECANCELED);
	thr_posted(40, -ECANCELED);
	submit_reads(1, 41);
	fake_let_go(FAKE_READ);
	for (i = 0; i < 42; i++)
		if (i != 7 && i != 40)
			thr_ends(i, PG);
	thr_settled(1);
	for (i = 1; i < 40; i++)
		ck_assert_uint_gt(fake.blocking_offs[i], fake.blocking_offs[i - 1]);
	thr_untouched(PG, 7 * PG);
	thr_untouched(PG, 40 * PG);
	thr_end();
}
END_TEST

START_TEST(a_thread_without_work_is_used_again)
{
	unsigned i;

	thr_start(8, 4);
	for (i = 0; i < 10; i++) {
		submit_reads(1, i);
		reap_reads(1, i);
		fake_wait_asleep(1);
	}
	ck_assert_uint_eq(fake_threads_tried(), 1);
	thr_end();
}
END_TEST

START_TEST(a_read_more_than_threads_without_work_makes_one_more)
{
	thr_start(8, 4);
	fake_hold(FAKE_READ);
	submit_reads(2, 0);
	fake_wait_held(FAKE_READ, 2);
	fake_let_go(FAKE_READ);
	reap_reads(2, 0);
	fake_wait_asleep(2);
	fake_hold(FAKE_READ);
	submit_reads(3, 2);
	fake_wait_held(FAKE_READ, 3);
	ck_assert_uint_eq(fake_threads_tried(), 3);
	fake_let_go(FAKE_READ);
	reap_reads(3, 2);
	thr_end();
}
END_TEST

/* Three threads, each of which has read once and waits for more. */
static void start_with_three_idle(void)
{
	thr_start(8, 3);
	fake_hold(FAKE_READ);
	submit_reads(3, 0);
	fake_wait_held(FAKE_READ, 3);
	fake_let_go(FAKE_READ);
	reap_reads(3, 0);
	fake_wait_asleep(3);
}

START_TEST(threads_without_work_go_after_a_while_and_give_their_memory_back)
{
	start_with_three_idle();
	/* Not at once. */
	fake_advance(SEC);
	fake_wait_asleep(3);
	ck_assert_uint_eq(fake.forgotten, 0);
	fake_advance(IDLE);
	fake_wait_threads(0);
	ck_assert_uint_eq(fake.forgotten, 3);
	submit_reads(3, 3);
	reap_reads(3, 3);
	thr_end();
}
END_TEST

START_TEST(a_read_that_comes_while_the_only_thread_is_about_to_go_is_served)
{
	thr_start(8, 1);
	submit_reads(1, 0);
	reap_reads(1, 0);
	fake_wait_asleep(1);
	fake_hold(FAKE_FORGET);
	fake_advance(IDLE);
	fake_wait_held(FAKE_FORGET, 1);
	submit_reads(2, 1);
	fake_let_go(FAKE_FORGET);
	reap_reads(2, 1);
	ck_assert_uint_eq(fake_threads_tried(), 1);
	thr_settled(1);
	thr_end();
}
END_TEST

START_TEST(a_read_for_which_no_thread_can_be_made_is_enomem)
{
	unsigned i;

	thr_start(8, 4);
	fake.thread_error = EAGAIN;
	submit_reads(3, 0);
	for (i = 0; i < 3; i++)
		thr_posted(i, -ENOMEM);
	thr_none();
	ck_assert_int_eq(nbread_queue_drain_ns(&thr_ring, -1), 0);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 0, NBREAD_CANCEL_ANY), -ENOENT);
	/* It is no fault of the ring. */
	fake.thread_error = 0;
	submit_reads(1, 3);
	reap_reads(1, 3);
	thr_untouched(3 * PG, 0);
	thr_end();
}
END_TEST

START_TEST(reads_that_are_tried_first_need_no_thread)
{
	thr_start(8, 4);
	fake.thread_error = EAGAIN;
	fake.nowait_steps[1] = -EAGAIN;
	thr_prep(PG, 0, 1);
	thr_prep(PG, PG, 2);
	thr_prep(PG, 2 * PG, 3);
	thr_submit(3);
	/* Which of them is posted first is not said. */
	for (unsigned i = 0; i < 3; i++) {
		struct nbread_cqe cqe = thr_next();

		ck_assert_int_eq(cqe.res, cqe.user_data == 2 ? -ENOMEM : (int)PG);
	}
	thr_none();
	thr_end();
}
END_TEST

START_TEST(when_no_more_threads_can_be_made_those_there_are_do_it_all)
{
	thr_start(16, 4);
	fake.thread_steps[1] = EAGAIN;
	fake.thread_steps[2] = EAGAIN;
	fake_hold(FAKE_READ);
	submit_reads(1, 0);
	fake_wait_held(FAKE_READ, 1);
	submit_reads(2, 1);
	ck_assert_uint_eq(fake_threads_tried(), 3);
	ck_assert_uint_eq(fake_threads_made(), 1);
	fake_let_go(FAKE_READ);
	reap_reads(3, 0);
	thr_settled(1);
	/* And are more again as soon as they can be. */
	fake_hold(FAKE_READ);
	submit_reads(2, 3);
	fake_wait_held(FAKE_READ, 2);
	fake_let_go(FAKE_READ);
	reap_reads(2, 3);
	thr_settled(2);
	thr_end();
}
END_TEST

START_TEST(a_small_stack_that_is_refused_is_asked_for_as_large_as_usual)
{
	thr_start(8, 2);
	fake.thread_steps[0] = EINVAL;
	submit_reads(1, 0);
	reap_reads(1, 0);
	ck_assert_uint_eq(fake_threads_tried(), 2);
	ck_assert_uint_eq(fake_threads_made(), 1);
	ck_assert_uint_lt(fake.stacks[0], fake.stacks[1]);
	thr_end();
}
END_TEST

START_TEST(fewer_threads_are_told_and_those_too_many_go)
{
	thr_start(16, 3);
	fake_hold(FAKE_READ);
	submit_reads(8, 0);
	fake_wait_held(FAKE_READ, 3);
	ck_assert_int_eq(nbread_register_workers(&thr_ring, 1), 0);
	fake_let_some_go(FAKE_READ, 3);
	fake_wait_threads(1);
	fake_wait_held(FAKE_READ, 1);
	fake_let_go(FAKE_READ);
	reap_reads(8, 0);
	thr_settled(1);
	ck_assert_uint_eq(fake_threads_tried(), 3);
	thr_end();
}
END_TEST

START_TEST(threads_without_work_that_are_too_many_go_at_once)
{
	start_with_three_idle();
	ck_assert_int_eq(nbread_register_workers(&thr_ring, 1), 0);
	fake_wait_threads(1);
	submit_reads(3, 3);
	reap_reads(3, 3);
	thr_settled(1);
	thr_end();
}
END_TEST

START_TEST(more_threads_are_for_what_waits_already)
{
	thr_start(16, 1);
	fake_hold(FAKE_READ);
	submit_reads(4, 0);
	fake_wait_held(FAKE_READ, 1);
	/* The one thread hangs: only more of them can help those that wait. */
	ck_assert_int_eq(nbread_register_workers(&thr_ring, 3), 0);
	fake_wait_held(FAKE_READ, 3);
	ck_assert_uint_eq(fake_threads_tried(), 3);
	fake_let_go(FAKE_READ);
	reap_reads(4, 0);
	thr_settled(3);
	thr_end();
}
END_TEST

Suite *check_threads_pool_suite(void)
{
	Suite *s = suite_create("threads_pool");

	nbtest_add_table(s, bound_of_the_pool, bounds);
	nbtest_add(s, reads_wait_in_the_order_of_their_submission);
	nbtest_add(s, a_thread_without_work_is_used_again);
	nbtest_add(s, a_read_more_than_threads_without_work_makes_one_more);
	nbtest_add(s, threads_without_work_go_after_a_while_and_give_their_memory_back);
	nbtest_add(s, a_read_that_comes_while_the_only_thread_is_about_to_go_is_served);
	nbtest_add(s, a_read_for_which_no_thread_can_be_made_is_enomem);
	nbtest_add(s, reads_that_are_tried_first_need_no_thread);
	nbtest_add(s, when_no_more_threads_can_be_made_those_there_are_do_it_all);
	nbtest_add(s, a_small_stack_that_is_refused_is_asked_for_as_large_as_usual);
	nbtest_add(s, fewer_threads_are_told_and_those_too_many_go);
	nbtest_add(s, threads_without_work_that_are_too_many_go_at_once);
	nbtest_add(s, more_threads_are_for_what_waits_already);
	return s;
}
