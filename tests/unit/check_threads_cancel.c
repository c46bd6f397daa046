// SPDX-License-Identifier: GPL-2.0-only
/*
 * The portable backend's cancel, in each state that a read can be in: it waits for a
 * thread, a thread reads, or its bytes are just being copied to the program. However it
 * goes, one completion, and its place in the queue comes back once.
 */
#include "thr.h"

/* The only thread stands with read 1, whose bytes it has. */
static void hold_one(size_t len)
{
	fake_hold(FAKE_READ);
	thr_async(len, 0, 1);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
}

/* Or it is about to copy them. */
static void hold_one_copy(size_t len)
{
	fake_hold(FAKE_COPY);
	thr_async(len, 0, 1);
	thr_submit(1);
	fake_wait_held(FAKE_COPY, 1);
}

START_TEST(a_begun_read_that_is_cancelled_ends_once_and_its_bytes_go_nowhere)
{
	thr_start(8, 1);
	hold_one(PG);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), 1);
	thr_posted(1, -ECANCELED);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), -ENOENT);
	fake_let_go(FAKE_READ);
	thr_settled(1);
	ck_assert_uint_eq(fake.copies, 0);
	thr_untouched(PG, 0);
	thr_end();
}
END_TEST

START_TEST(the_thread_of_a_cancelled_read_is_not_free_before_its_file_lets_go)
{
	thr_start(8, 1);
	hold_one(PG);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), 1);
	thr_posted(1, -ECANCELED);
	thr_async(PG, PG, 2);
	thr_submit(1);
	ck_assert_uint_eq(fake_threads_tried(), 1);
	ck_assert_uint_eq(fake.blocking_reads, 1);
	fake_let_go(FAKE_READ);
	thr_ends(2, PG);
	thr_settled(1);
	thr_untouched(PG, 0);
	thr_right(PG, PG);
	thr_end();
}
END_TEST

static const struct {
	const char *name;
	size_t len;
	int res;
} copying[] = {
	{ "a_read_whose_last_bytes_are_copied_ends_with_them", PG, PG },
	{ "a_read_of_which_a_piece_is_copied_is_cancelled_after_it", THR_CHUNK + PG, -ECANCELED },
};

START_TEST(cancel_while_bytes_are_copied)
{
	thr_start(8, 1);
	hold_one_copy(copying[_i].len);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), -EALREADY);
	/* Any number of times. */
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, NBREAD_CANCEL_ALL), -EALREADY);
	ck_assert_uint_eq(nbread_cq_ready(&thr_ring), 0);
	fake_let_go(FAKE_COPY);
	thr_ends(1, copying[_i].res);
	thr_settled(1);
	/* What is cancelled is not read on. */
	ck_assert_uint_eq(fake.blocking_reads, 1);
	thr_end();
}
END_TEST

START_TEST(a_copy_that_fails_after_a_cancel_tells_why)
{
	thr_start(8, 1);
	fake.copy_steps[0] = -EFAULT;
	hold_one_copy(THR_CHUNK + PG);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), -EALREADY);
	fake_let_go(FAKE_COPY);
	thr_ends(1, -EFAULT);
	thr_settled(1);
	thr_end();
}
END_TEST

/* One read of each state, submitted in the order: copied, read, waits. */
static void one_of_each(void)
{
	thr_start(8, 2);
	hold_one_copy(PG);
	fake_hold(FAKE_READ);
	thr_async(PG, PG, 2);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	thr_async(PG, 2 * PG, 3);
	thr_submit(1);
}

START_TEST(cancel_of_one_takes_who_waits_then_who_is_read_then_says_ealready)
{
	one_of_each();
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 0, NBREAD_CANCEL_ANY), 1);
	thr_posted(3, -ECANCELED);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 0, NBREAD_CANCEL_ANY), 1);
	thr_posted(2, -ECANCELED);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 0, NBREAD_CANCEL_ANY), -EALREADY);
	fake_let_go(FAKE_READ);
	fake_let_go(FAKE_COPY);
	thr_ends(1, PG);
	thr_settled(2);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 0, NBREAD_CANCEL_ANY), -ENOENT);
	thr_untouched(2 * PG, PG);
	thr_end();
}
END_TEST

START_TEST(cancel_of_all_ends_what_can_be_ended_and_counts_it)
{
	one_of_each();
	ck_assert_int_eq(nbread_cancel_fd(&thr_ring, thr_file.fd, NBREAD_CANCEL_ALL), 2);
	ck_assert_uint_eq(nbread_cq_ready(&thr_ring), 2);
	thr_posted(2, -ECANCELED);
	thr_posted(3, -ECANCELED);
	fake_let_go(FAKE_READ);
	fake_let_go(FAKE_COPY);
	thr_ends(1, PG);
	thr_settled(2);
	thr_untouched(2 * PG, PG);
	thr_end();
}
END_TEST

START_TEST(places_of_cancelled_reads_come_back_once)
{
	struct nbread_setup p = { .sq_entries = 2, .cq_entries = 2, .max_workers = 2 };
	unsigned i;

	thr_start_params(&p);
	for (i = 0; i < 20; i++) {
		fake_hold(FAKE_READ);
		thr_async(PG, 0, 2 * i);
		thr_async(PG, PG, 2 * i + 1);
		thr_submit(2);
		fake_wait_held(FAKE_READ, 2);
		/* Full: nothing is taken, neither now nor when a place holds a completion. */
		nbread_prep_nop(nbread_get_sqe(&thr_ring));
		thr_submit(0);
		ck_assert_int_eq(nbread_cancel64(&thr_ring, 2 * i, 0), 1);
		thr_submit(0);
		thr_posted(2 * i, -ECANCELED);
		/* One is free: the read that was given up does not keep it. */
		thr_submit(1);
		thr_posted(0, 0);
		fake_let_go(FAKE_READ);
		thr_ends(2 * i + 1, PG);
		thr_settled(2);
	}
	thr_end();
}
END_TEST

static void let_go_of_reads(void)
{
	fake_let_go(FAKE_READ);
}

START_TEST(a_cancelled_read_counts_for_who_waits_for_completions)
{
	struct nbread_cqe *at;

	thr_start(8, 1);
	hold_one(PG);
	thr_async(PG, PG, 2);
	thr_submit(1);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), 1);
	fake.during_wait = let_go_of_reads;
	ck_assert_int_eq(nbread_wait_cqes_ns(&thr_ring, &at, 2, -1, NULL), 0);
	ck_assert_uint_eq(fake.waits, 1);
	thr_posted(1, -ECANCELED);
	thr_posted(2, PG);
	thr_settled(1);
	thr_end();
}
END_TEST

Suite *check_threads_cancel_suite(void)
{
	Suite *s = suite_create("threads_cancel");

	nbtest_add(s, a_begun_read_that_is_cancelled_ends_once_and_its_bytes_go_nowhere);
	nbtest_add(s, the_thread_of_a_cancelled_read_is_not_free_before_its_file_lets_go);
	nbtest_add_table(s, cancel_while_bytes_are_copied, copying);
	nbtest_add(s, a_copy_that_fails_after_a_cancel_tells_why);
	nbtest_add(s, cancel_of_one_takes_who_waits_then_who_is_read_then_says_ealready);
	nbtest_add(s, cancel_of_all_ends_what_can_be_ended_and_counts_it);
	nbtest_add(s, places_of_cancelled_reads_come_back_once);
	nbtest_add(s, a_cancelled_read_counts_for_who_waits_for_completions);
	return s;
}
