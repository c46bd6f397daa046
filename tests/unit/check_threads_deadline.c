// SPDX-License-Identifier: GPL-2.0-only
/*
 * The portable backend's deadlines, by a clock that the test moves: in each state of a
 * read, against each other, against cancel, and where nobody can watch them.
 */
#include <sys/eventfd.h>
#include <unistd.h>
#include "thr.h"

#define IDLE (6 * SEC) /* longer than a thread stays without work */

static struct nbread_sqe *read_until(size_t len, unsigned at, __u64 in_ns)
{
	struct nbread_sqe *sqe = thr_async(len, at * PG, at);

	sqe->deadline_ns = fake.now_ns + in_ns;
	return sqe;
}

/* The only thread stands with read 0, which has no deadline. */
static void busy_ring(unsigned entries)
{
	thr_start(entries, 1);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 0);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
}

START_TEST(a_begun_read_and_one_that_waits_end_at_their_deadline_once)
{
	thr_start(8, 1);
	fake_hold(FAKE_READ);
	read_until(PG, 1, SEC);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	read_until(PG, 2, SEC);
	read_until(PG, 3, 2 * SEC);
	thr_submit(2);
	fake_wait_asleep(1);
	fake_advance(SEC - 1);
	fake_wait_asleep(1);
	ck_assert_uint_eq(nbread_cq_ready(&thr_ring), 0);
	fake_advance(1);
	thr_ends(1, -ETIME);
	thr_ends(2, -ETIME);
	fake_wait_asleep(1);
	thr_none();
	fake_let_go(FAKE_READ);
	thr_ends(3, PG);
	/* The timer's time was for a read that has ended. */
	fake_advance(2 * SEC);
	thr_settled(2);
	thr_untouched(2 * PG, PG);
	thr_end();
}
END_TEST

START_TEST(a_miss_whose_time_is_over_already_is_not_begun)
{
	struct nbread_cqe cqe;

	thr_start(8, 1);
	fake.nowait_error = -EAGAIN;
	fake_hold(FAKE_READ);
	thr_prep(PG, 0, 1)->deadline_ns = fake.now_ns;
	read_until(PG, 2, 0);
	read_until(PG, 3, 1);
	thr_submit(3);
	ck_assert_uint_ge(nbread_cq_ready(&thr_ring), 2);
	cqe = thr_next();
	ck_assert_uint_eq(cqe.user_data, 1);
	ck_assert_int_eq(cqe.res, -ETIME);
	ck_assert_uint_eq(cqe.flags, 0);
	thr_posted(2, -ETIME);
	fake_let_go(FAKE_READ);
	thr_ends(3, PG);
	ck_assert_uint_eq(fake.blocking_reads, 1);
	thr_untouched(3 * PG, 0);
	thr_end();
}
END_TEST

static const struct {
	const char *name;
	size_t len;
	int res;
} copying[] = {
	{ "a_read_whose_last_bytes_are_copied_at_its_deadline_ends_with_them", PG, PG },
	{ "a_read_of_which_a_piece_is_copied_at_its_deadline_is_etime", THR_CHUNK + PG, -ETIME },
};

START_TEST(deadline_while_bytes_are_copied)
{
	thr_start(8, 1);
	fake_hold(FAKE_COPY);
	read_until(copying[_i].len, 1, SEC);
	thr_submit(1);
	fake_wait_held(FAKE_COPY, 1);
	fake_wait_asleep(1);
	fake_advance(SEC);
	fake_wait_asleep(1);
	ck_assert_uint_eq(nbread_cq_ready(&thr_ring), 0);
	/* The first mark holds. */
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), -EALREADY);
	fake_let_go(FAKE_COPY);
	thr_ends(1, copying[_i].res);
	thr_settled(2);
	thr_end();
}
END_TEST

START_TEST(a_deadline_after_a_cancel_during_a_copy_changes_nothing)
{
	thr_start(8, 1);
	fake_hold(FAKE_COPY);
	read_until(THR_CHUNK + PG, 1, SEC);
	thr_submit(1);
	fake_wait_held(FAKE_COPY, 1);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), -EALREADY);
	fake_wait_asleep(1);
	fake_advance(SEC);
	fake_wait_asleep(1);
	fake_let_go(FAKE_COPY);
	thr_ends(1, -ECANCELED);
	thr_settled(2);
	thr_end();
}
END_TEST

START_TEST(a_cancelled_read_has_no_deadline_any_more)
{
	busy_ring(8);
	read_until(PG, 1, SEC);
	read_until(PG, 2, SEC);
	thr_submit(2);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), 1);
	thr_posted(1, -ECANCELED);
	fake_wait_asleep(1);
	fake_advance(SEC);
	thr_ends(2, -ETIME);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 2, 0), -ENOENT);
	fake_let_go(FAKE_READ);
	thr_ends(0, PG);
	thr_settled(2);
	thr_end();
}
END_TEST

START_TEST(a_deadline_that_has_passed_ends_a_read_that_has_to_wait)
{
	busy_ring(8);
	read_until(PG, 1, 0);
	thr_submit(1);
	thr_ends(1, -ETIME);
	thr_prep(PG, 2 * PG, 2)->deadline_ns = 1;
	fake.nowait_error = -EAGAIN;
	thr_submit(1);
	thr_ends(2, -ETIME);
	thr_untouched(2 * PG, PG);
	thr_end();
}
END_TEST

START_TEST(an_earlier_deadline_that_comes_later_is_not_late)
{
	busy_ring(8);
	read_until(PG, 1, 10 * SEC);
	thr_submit(1);
	fake_wait_asleep(1);
	read_until(PG, 2, SEC);
	thr_submit(1);
	fake_advance(SEC);
	thr_ends(2, -ETIME);
	fake_wait_asleep(1);
	thr_none();
	fake_advance(9 * SEC);
	thr_ends(1, -ETIME);
	thr_end();
}
END_TEST

#define MANY 200U

/*
 * A permutation: far from sorted, and those that are cancelled are so in an order in which
 * what takes the place of one in the heap may have to go up from there as well as down.
 */
static unsigned nth(unsigned i, unsigned step)
{
	return i * step % MANY;
}

START_TEST(many_deadlines_end_their_reads_in_order_whoever_was_cancelled)
{
	bool cancelled[MANY] = { false };
	unsigned i, user_data;

	busy_ring(256);
	for (i = 0; i < MANY; i++) {
		user_data = nth(i, 73);
		thr_async(PG, PG, user_data)->deadline_ns = fake.now_ns + (user_data + 1) * SEC;
	}
	thr_submit(MANY);
	for (i = 1; i < MANY; i += 3) {
		user_data = nth(i, 9);
		ck_assert_int_eq(nbread_cancel64(&thr_ring, user_data, 0), 1);
		thr_posted(user_data, -ECANCELED);
		cancelled[user_data] = true;
	}
	fake_wait_asleep(1);
	for (i = 0; i < MANY; i++) {
		fake_advance(SEC);
		fake_wait_asleep(1);
		if (!cancelled[i])
			thr_posted(i, -ETIME);
		ck_assert_uint_eq(nbread_cq_ready(&thr_ring), 0);
	}
	fake_let_go(FAKE_READ);
	thr_ends(0, PG);
	thr_end();
}
END_TEST

START_TEST(the_time_of_a_ring_counts_from_the_submission)
{
	struct nbread_setup p = { .sq_entries = 8, .max_workers = 1, .timeout_ns = 3 * SEC };

	thr_start_params(&p);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 0)->deadline_ns = INT64_MAX;
	thr_async(PG, PG, 1);
	thr_async(PG, 2 * PG, 2)->deadline_ns = fake.now_ns + SEC;
	thr_submit(3);
	fake_wait_held(FAKE_READ, 1);
	fake_wait_asleep(1);
	fake_advance(SEC);
	thr_ends(2, -ETIME);
	thr_async(PG, 3 * PG, 3);
	thr_submit(1);
	fake_wait_asleep(1);
	fake_advance(2 * SEC);
	thr_ends(1, -ETIME);
	fake_wait_asleep(1);
	thr_none();
	fake_advance(SEC);
	thr_ends(3, -ETIME);
	fake_let_go(FAKE_READ);
	thr_ends(0, PG);
	thr_end();
}
END_TEST

START_TEST(a_time_of_a_ring_without_end_has_none)
{
	struct nbread_setup p = { .sq_entries = 8, .max_workers = 1, .timeout_ns = UINT64_MAX };

	thr_start_params(&p);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 1);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	fake_wait_asleep(1);
	fake_advance(1000000 * SEC);
	ck_assert_uint_eq(nbread_cq_ready(&thr_ring), 0);
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_end();
}
END_TEST

START_TEST(the_thread_of_deadlines_is_no_thread_of_the_pool_and_goes_after_a_while)
{
	thr_start(8, 1);
	read_until(PG, 1, SEC);
	thr_submit(1);
	thr_ends(1, PG);
	/* One that reads, one that watches. */
	thr_settled(2);
	ck_assert_uint_eq(fake_threads_tried(), 2);
	/* It wakes for the deadline first, and finds nothing to watch. */
	fake_advance(SEC);
	fake_wait_asleep(2);
	fake_advance(IDLE);
	fake_wait_threads(0);
	fake_hold(FAKE_READ);
	read_until(PG, 2, SEC);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	fake_wait_asleep(1);
	fake_advance(SEC);
	thr_ends(2, -ETIME);
	ck_assert_uint_eq(fake_threads_tried(), 4);
	thr_end();
}
END_TEST

static void no_thread(void)
{
	fake.thread_steps[fake_threads_tried()] = EAGAIN;
}

static void no_heap(void)
{
	/* The job, and then the heap. */
	fake_fail_alloc(2);
}

static const struct {
	const char *name;
	void (*lack)(void);
} lacks[] = {
	{ "a_deadline_for_which_no_thread_can_be_made_is_enomem", no_thread },
	{ "a_deadline_for_which_there_is_no_memory_is_enomem", no_heap },
};

START_TEST(deadline_that_nobody_watches)
{
	eventfd_t value;
	struct nbread_cqe cqe;
	int event;

	event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	busy_ring(8);
	ck_assert_int_eq(nbread_register_eventfd_async(&thr_ring, event), 0);
	read_until(PG, 1, SEC);
	lacks[_i].lack();
	thr_submit(1);
	cqe = thr_next();
	ck_assert_uint_eq(cqe.user_data, 1);
	ck_assert_int_eq(cqe.res, -ENOMEM);
	ck_assert_uint_eq(cqe.flags, 0);
	/* It was answered in the call, and told so. */
	ck_assert_int_eq(eventfd_read(event, &value), -1);
	thr_none();
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), -ENOENT);
	/* The next one is watched. */
	read_until(PG, 2, SEC);
	thr_submit(1);
	fake_wait_asleep(1);
	fake_advance(SEC);
	thr_ends(2, -ETIME);
	ck_assert_int_eq(eventfd_read(event, &value), 0);
	ck_assert_uint_eq(value, 1);
	fake_let_go(FAKE_READ);
	thr_ends(0, PG);
	thr_settled(2);
	ck_assert_uint_eq(fake.blocking_reads, 1);
	thr_untouched(2 * PG, PG);
	thr_end();
	close(event);
}
END_TEST

Suite *check_threads_deadline_suite(void)
{
	Suite *s = suite_create("threads_deadline");

	nbtest_add(s, a_miss_whose_time_is_over_already_is_not_begun);
	nbtest_add(s, a_begun_read_and_one_that_waits_end_at_their_deadline_once);
	nbtest_add_table(s, deadline_while_bytes_are_copied, copying);
	nbtest_add(s, a_deadline_after_a_cancel_during_a_copy_changes_nothing);
	nbtest_add(s, a_cancelled_read_has_no_deadline_any_more);
	nbtest_add(s, a_deadline_that_has_passed_ends_a_read_that_has_to_wait);
	nbtest_add(s, an_earlier_deadline_that_comes_later_is_not_late);
	nbtest_add(s, many_deadlines_end_their_reads_in_order_whoever_was_cancelled);
	nbtest_add(s, the_time_of_a_ring_counts_from_the_submission);
	nbtest_add(s, a_time_of_a_ring_without_end_has_none);
	nbtest_add(s, the_thread_of_deadlines_is_no_thread_of_the_pool_and_goes_after_a_while);
	nbtest_add_table(s, deadline_that_nobody_watches, lacks);
	return s;
}
