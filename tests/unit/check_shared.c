// SPDX-License-Identifier: GPL-2.0-only
/*
 * One ring for many threads: what is handed over and what is kept, and that under
 * a crowd each entry ends in exactly one completion that exactly one thread gets.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;
static struct nbread_sqe sqes[64];
static struct nbread_cqe out[64];

static void setup(void)
{
	unsigned i;

	for (i = 0; i < NBTEST_ARRAY_SIZE(sqes); i++)
		nbread_sqe_set_data64(&sqes[i], i);
	fake_ring(&ring, 4);
}

/* The next 'n' completions are those of the entries from 'first' on. */
static void assert_reaped(unsigned first, unsigned n)
{
	unsigned i;

	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, n, n, -1, NULL), (int)n);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(out[i].user_data, first + i);
}

START_TEST(entries_are_copied_and_submitted)
{
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 3), 3);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.to_submit, 3);
	assert_reaped(0, 3);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 0);
	ck_assert_uint_eq(fake.enters, 1);
}
END_TEST

START_TEST(more_entries_than_the_queue_holds_go_in_pieces)
{
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 7), 7);
	ck_assert_uint_eq(fake.enters, 2);
	assert_reaped(0, 7);
}
END_TEST

START_TEST(what_a_full_completion_queue_keeps_out_stays_with_the_caller)
{
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 64), 8);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 0);
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes + 8, 2), 0);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 0);
	assert_reaped(0, 8);
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes + 8, 2), 2);
	assert_reaped(8, 2);
}
END_TEST

START_TEST(entries_in_the_middle_that_are_not_taken_stay_with_the_caller)
{
	fake.take_max = 1;
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 3), 1);
	fake.take_max = ~0U;
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes + 10, 1), 1);
	assert_reaped(0, 1);
	assert_reaped(10, 1);
}
END_TEST

START_TEST(a_submit_that_fails_leaves_nothing_in_the_queue)
{
	fake.enter_error = -EINTR;
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 2), -EINTR);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 0);
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes + 5, 1), 1);
	assert_reaped(5, 1);
}
END_TEST

static unsigned failing_enters;

static void fail_the_next_enter(void)
{
	failing_enters++;
	fake.enter_error = -ENOMEM;
	fake.during_enter = NULL;
}

START_TEST(an_error_after_a_piece_was_taken_does_not_hide_it)
{
	fake.during_enter = fail_the_next_enter;
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 6), 4);
	ck_assert_uint_eq(failing_enters, 1);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 0);
	assert_reaped(0, 4);
}
END_TEST

START_TEST(nothing_to_submit_makes_no_system_call)
{
	ck_assert_int_eq(nbread_submit_sqes(&ring, NULL, 0), 0);
	ck_assert_int_eq(nbread_submit_sqes(&ring, NULL, 1U << 31), -EINVAL);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(entries_for_a_thread_stay_submitted_when_it_cannot_be_woken)
{
	nbread_queue_exit(&ring);
	fake_thread_ring(&ring, 4);
	fake.enter_error = -EINTR;
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 2), 2);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 2);
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes + 2, 1), 1);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAKEUP);
	assert_reaped(0, 3);
}
END_TEST

START_TEST(a_full_queue_of_a_busy_thread_takes_what_has_room)
{
	nbread_queue_exit(&ring);
	fake_thread_ring(&ring, 4);
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes, 1), 1);
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes + 1, 9), 4);
	ck_assert_int_eq(nbread_submit_sqes(&ring, sqes + 5, 1), 0);
	fake_thread_run();
	assert_reaped(0, 5);
}
END_TEST

START_TEST(reap_takes_as_many_as_there_are)
{
	nbread_submit_sqes(&ring, sqes, 3);
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, 64, 1, -1, NULL), 3);
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, 64, 0, -1, NULL), 0);
	ck_assert_uint_eq(fake.enters, 1);
}
END_TEST

START_TEST(reap_leaves_what_does_not_fit)
{
	nbread_submit_sqes(&ring, sqes, 4);
	assert_reaped(0, 3);
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, NULL, 0, 1, -1, NULL), 0);
	assert_reaped(3, 1);
}
END_TEST

START_TEST(reap_without_a_wait_finishes_what_came_in)
{
	fake.park = true;
	nbread_submit_sqes(&ring, sqes, 2);
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, 8, 0, -1, NULL), 0);
	fake_release(1);
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, 8, 0, -1, NULL), 1);
	ck_assert_uint_eq(fake.enter.min_complete, 0);
}
END_TEST

START_TEST(reap_waits_until_the_wanted_number_is_there)
{
	fake.park = true;
	nbread_submit_sqes(&ring, sqes, 4);
	fake_release(1);
	nbread_get_events(&ring);
	fake_release(2);
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, 8, 3, -1, NULL), 3);
	ck_assert_uint_eq(fake.enter.min_complete, 3);
	ck_assert_uint_eq(fake.enter.flags, 0);
}
END_TEST

START_TEST(a_reap_whose_time_is_over_takes_what_is_there)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	sigset_t set;

	sigfillset(&set);
	fake.park = true;
	nbread_submit_sqes(&ring, sqes, 2);
	ck_assert_int_eq(nbread_reap_cqes(&ring, out, 8, 2, &ms, &set), -ETIME);
	ck_assert_uint_eq(fake.enter.flags,
			  NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK);
	ck_assert_uint_eq(fake.enter.timeout_ns, fake.now_ns + 1000000);
	fake_release(1);
	ck_assert_int_eq(nbread_reap_cqes(&ring, out, 8, 2, &ms, NULL), 1);
}
END_TEST

static const struct {
	const char *name;
	unsigned n, wait_nr;
	__s64 timeout;
	int want;
} wrong[] = {
	{ "a_reap_that_waits_for_more_than_the_queue_holds_is_einval", 8, 9, -1, -EINVAL },
	{ "a_reap_with_a_negative_time_is_einval", 8, 1, -2, -EINVAL },
	{ "a_reap_of_more_than_an_int_holds_is_einval", 1U << 31, 1, -1, -EINVAL },
};

START_TEST(wrong_reap)
{
	setup();
	nbread_submit_sqes(&ring, sqes, 1);
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, wrong[_i].n, wrong[_i].wait_nr,
					     wrong[_i].timeout, NULL),
			 wrong[_i].want);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
}
END_TEST

static void another_thread_reaps(void)
{
	fake.during_enter = NULL;
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, 1, 0, -1, NULL), 1);
	fake_release(1);
}

START_TEST(a_reaper_that_comes_too_late_waits_on_until_its_one_end)
{
	fake.park = true;
	nbread_submit_sqes(&ring, sqes, 2);
	fake_release(1);
	fake.enters = 0;
	fake.during_enter = another_thread_reaps;
	ck_assert_int_eq(nbread_reap_cqes_ns(&ring, out, 8, 1, 1000, NULL), 1);
	ck_assert_uint_eq(out[0].user_data, 1);
	ck_assert_uint_eq(fake.enters, 2);
	ck_assert_uint_eq(fake.enter.timeout_ns, fake.now_ns + 1000);
}
END_TEST

/*
 * The crowd: each thread submits its own numbers and reaps whatever comes.
 */
#define CROWD 8
#define EACH 20000

static __u8 seen[CROWD * EACH];
static unsigned reaped, failed;

static void note(const struct nbread_cqe *cqe)
{
	if (cqe->res || cqe->user_data >= CROWD * EACH ||
	    __atomic_exchange_n(&seen[cqe->user_data], 1, __ATOMIC_RELAXED))
		__atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&reaped, 1, __ATOMIC_RELAXED);
}

static int reap_some(unsigned wait_nr)
{
	struct nbread_cqe mine[5];
	int i, got = nbread_reap_cqes_ns(&ring, mine, 5, wait_nr, -1, NULL);

	for (i = 0; i < got; i++)
		note(&mine[i]);
	return got;
}

static void *member(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg, next = 0;
	struct nbread_sqe mine[3] = { 0 };
	int ret;

	while (next < EACH) {
		unsigned n = EACH - next < 3 ? EACH - next : 1 + next % 3, i;

		for (i = 0; i < n; i++) {
			nbread_prep_nop(&mine[i]);
			nbread_sqe_set_data64(&mine[i], number * EACH + next + i);
		}
		ret = nbread_submit_sqes(&ring, mine, n);
		if (ret < 0)
			nbtest_fatal("submit: %d", ret);
		next += (unsigned)ret;
		/* No room, or now and then: somebody has to reap. */
		if (!ret || next % 7 == 0)
			ret = reap_some(0);
		if (ret < 0)
			nbtest_fatal("reap: %d", ret);
	}
	return NULL;
}

/* Waits for completions until it gets one that no member submitted. */
static void *waiter(void *arg)
{
	struct nbread_cqe one;

	(void)arg;
	for (;;) {
		if (nbread_reap_cqes_ns(&ring, &one, 1, 1, -1, NULL) != 1)
			nbtest_fatal("a wait that nothing ends has ended");
		if (one.user_data == UINT64_MAX)
			return NULL;
		note(&one);
	}
}

START_TEST(in_a_crowd_each_entry_ends_once_with_one_thread)
{
	struct nbread_sqe last[2] = { 0 };
	pthread_t members[CROWD], waiters[2];
	uintptr_t i;
	int ret;

	fake.shared = true;
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&waiters[i], NULL, waiter, NULL), 0);
	for (i = 0; i < CROWD; i++)
		ck_assert_int_eq(pthread_create(&members[i], NULL, member, (void *)i), 0);
	for (i = 0; i < CROWD; i++)
		pthread_join(members[i], NULL);
	for (i = 0; i < 2; i++)
		nbread_sqe_set_data64(&last[i], UINT64_MAX);
	for (i = 0; i < 2; i += (unsigned)ret) {
		ret = nbread_submit_sqes(&ring, last + i, 2 - (unsigned)i);
		ck_assert_int_ge(ret, 0);
	}
	for (i = 0; i < 2; i++)
		pthread_join(waiters[i], NULL);
	ck_assert_uint_eq(reaped, CROWD * EACH);
	ck_assert_uint_eq(failed, 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 0);
}
END_TEST

Suite *check_shared_suite(void)
{
	Suite *s = suite_create("shared");

#define ADD(fn) nbtest_add_fixture(s, fn, setup, NULL)
	ADD(entries_are_copied_and_submitted);
	ADD(more_entries_than_the_queue_holds_go_in_pieces);
	ADD(what_a_full_completion_queue_keeps_out_stays_with_the_caller);
	ADD(entries_in_the_middle_that_are_not_taken_stay_with_the_caller);
	ADD(a_submit_that_fails_leaves_nothing_in_the_queue);
	ADD(an_error_after_a_piece_was_taken_does_not_hide_it);
	ADD(nothing_to_submit_makes_no_system_call);
	ADD(entries_for_a_thread_stay_submitted_when_it_cannot_be_woken);
	ADD(a_full_queue_of_a_busy_thread_takes_what_has_room);
	ADD(reap_takes_as_many_as_there_are);
	ADD(reap_leaves_what_does_not_fit);
	ADD(reap_without_a_wait_finishes_what_came_in);
	ADD(reap_waits_until_the_wanted_number_is_there);
	ADD(a_reap_whose_time_is_over_takes_what_is_there);
	nbtest_add_table(s, wrong_reap, wrong);
	ADD(a_reaper_that_comes_too_late_waits_on_until_its_one_end);
	ADD(in_a_crowd_each_entry_ends_once_with_one_thread);
	return s;
}
