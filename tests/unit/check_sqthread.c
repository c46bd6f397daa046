// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring with a thread: no system call while the thread is awake, the one that
 * wakes it when it sleeps, and never one too few.
 */
#include <errno.h>
#include <time.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;
static struct nbread_cqe *cqe, *cqes[8];
static const struct timespec ms = { .tv_nsec = 1000000 };

/* A ring whose thread is awake; nothing was submitted yet. */
static void awake(void)
{
	fake_thread_ring(&ring, 8);
	fake_queue_nops(&ring, 1, 0);
	ck_assert_int_eq(nbread_submit(&ring), 1);
	nbread_cq_advance(&ring, 1);
	fake.enters = 0;
}

static void asleep(void)
{
	fake_thread_ring(&ring, 8);
}

START_TEST(submit_to_a_thread_that_is_awake_makes_no_system_call)
{
	awake();
	fake_queue_nops(&ring, 3, 10);
	ck_assert_int_eq(nbread_submit(&ring), 3);
	ck_assert_uint_eq(fake.enters, 0);
	fake_thread_run();
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 8), 3);
	ck_assert_uint_eq(cqes[2]->user_data, 12);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(submit_to_a_thread_that_sleeps_wakes_it_in_one_call)
{
	asleep();
	fake_queue_nops(&ring, 2, 0);
	ck_assert_int_eq(nbread_submit(&ring), 2);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAKEUP);
	ck_assert_uint_eq(fake.enter.to_submit, 2);
	ck_assert_uint_eq(fake.enter.min_complete, 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
}
END_TEST

START_TEST(submit_of_nothing_lets_the_thread_sleep)
{
	asleep();
	ck_assert_int_eq(nbread_submit(&ring), 0);
	ck_assert_int_eq(nbread_get_events(&ring), 0);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(submit_counts_what_it_published_and_not_what_was_there_before)
{
	awake();
	fake_queue_nops(&ring, 3, 0);
	ck_assert_int_eq(nbread_submit(&ring), 3);
	fake_queue_nops(&ring, 2, 3);
	ck_assert_int_eq(nbread_submit(&ring), 2);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 5);
	ck_assert_int_eq(nbread_submit(&ring), 0);
}
END_TEST

START_TEST(submit_and_wait_waits_in_the_call_that_wakes)
{
	asleep();
	fake_queue_nops(&ring, 2, 0);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 2), 2);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAKEUP);
	ck_assert_uint_eq(fake.enter.min_complete, 2);
}
END_TEST

START_TEST(submit_and_wait_with_enough_completions_makes_no_system_call)
{
	awake();
	fake_queue_nops(&ring, 2, 0);
	nbread_submit(&ring);
	fake_thread_run();
	fake_queue_nops(&ring, 1, 2);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 2), 1);
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 2, &ms, NULL), 0);
	fake_queue_nops(&ring, 1, 3);
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, 2, &ms, NULL), 1);
	ck_assert_uint_eq(cqe->user_data, 0);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(a_wait_for_more_than_the_queue_holds_submits_nothing)
{
	unsigned more;

	awake();
	more = ring.cq.ring_entries + 1;
	fake_queue_nops(&ring, 3, 10);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, more), -EINVAL);
	ck_assert_int_eq(nbread_submit_and_wait_timeout(&ring, &cqe, more, &ms, NULL), -EINVAL);
	fake_thread_run();
	ck_assert_uint_eq(nbread_cq_ready(&ring), 0);
	ck_assert_int_eq(nbread_submit(&ring), 3);
	fake_thread_run();
	ck_assert_uint_eq(nbread_cq_ready(&ring), 3);
}
END_TEST

static void thread_runs_meanwhile(void)
{
	fake.during_enter = NULL;
	fake_thread_run();
}

START_TEST(a_wait_enters_for_a_thread_that_is_busy_without_waking_it)
{
	awake();
	fake_queue_nops(&ring, 1, 7);
	ck_assert_int_eq(nbread_submit(&ring), 1);
	fake.wait_error = -EINTR; /* the fake cannot wait: its thread runs when it has ended */
	fake.during_enter = thread_runs_meanwhile;
	ck_assert_int_eq(nbread_wait_cqe(&ring, &cqe), 0);
	ck_assert_uint_eq(cqe->user_data, 7);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.flags, 0);
	ck_assert_uint_eq(fake.enter.min_complete, 1);
}
END_TEST

/* As it went to sleep just after the submit had looked, which then had to see the entry. */
START_TEST(a_wait_wakes_a_thread_that_sleeps_on_entries)
{
	awake();
	fake_queue_nops(&ring, 1, 7);
	ck_assert_int_eq(nbread_submit(&ring), 1);
	fake_thread_sleep();
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &ms), 0);
	ck_assert_uint_eq(cqe->user_data, 7);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAKEUP | NBREAD_ENTER_TIMEOUT);
}
END_TEST

START_TEST(a_wait_with_nothing_to_take_lets_the_thread_sleep)
{
	asleep();
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &ms), -ETIME);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_TIMEOUT);
}
END_TEST

START_TEST(entries_that_are_only_prepared_wake_nobody)
{
	asleep();
	fake_queue_nops(&ring, 2, 0);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	ck_assert_uint_eq(fake.enters, 0);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 2);
}
END_TEST

START_TEST(peek_and_get_events_leave_parked_reads_to_the_thread)
{
	awake();
	fake.park = true;
	fake_queue_nops(&ring, 2, 0);
	nbread_submit(&ring);
	fake_thread_run();
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 8), 0);
	ck_assert_int_eq(nbread_get_events(&ring), 0);
	fake_thread_sleep();
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

static int peek(void)
{
	return nbread_peek_cqe(&ring, &cqe);
}

static int peek_batch(void)
{
	return nbread_peek_batch_cqe(&ring, cqes, 8) == 2 ? 0 : -1;
}

static int get_events(void)
{
	return nbread_get_events(&ring);
}

static int submit_nothing(void)
{
	return nbread_submit(&ring);
}

static const struct {
	const char *name;
	int (*call)(void);
} wakers[] = {
	{ "peek_wakes_a_thread_that_an_error_left_asleep", peek },
	{ "peek_batch_wakes_a_thread_that_an_error_left_asleep", peek_batch },
	{ "get_events_wakes_a_thread_that_an_error_left_asleep", get_events },
	{ "the_next_submit_wakes_a_thread_that_an_error_left_asleep", submit_nothing },
};

START_TEST(waker)
{
	asleep();
	fake_queue_nops(&ring, 2, 0);
	fake.enter_error = -EINTR;
	ck_assert_int_eq(nbread_submit(&ring), -EINTR);
	ck_assert_int_eq(wakers[_i].call(), 0);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAKEUP);
	ck_assert_uint_eq(fake.enters, 2);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
}
END_TEST

START_TEST(reaping_a_full_queue_wakes_the_thread_that_it_stopped)
{
	awake();
	fake_queue_nops(&ring, 8, 0);
	nbread_submit(&ring);
	fake_thread_run();
	fake_queue_nops(&ring, 8, 8);
	nbread_submit(&ring);
	fake_thread_run();
	fake_queue_nops(&ring, 3, 16);
	ck_assert_int_eq(nbread_submit(&ring), 3);
	fake_thread_run();
	ck_assert_uint_eq(nbread_cq_ready(&ring), 16);
	fake_thread_sleep();
	ck_assert_uint_eq(fake.enters, 0);
	nbread_cq_advance(&ring, 2);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAKEUP);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 16);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 1);
}
END_TEST

START_TEST(reaping_lets_a_thread_sleep_that_has_nothing_to_take)
{
	awake();
	fake_queue_nops(&ring, 2, 0);
	nbread_submit(&ring);
	fake_thread_run();
	fake_thread_sleep();
	nbread_cq_advance(&ring, 2);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(sqring_wait_waits_until_the_thread_made_room)
{
	awake();
	fake_queue_nops(&ring, 8, 0);
	nbread_submit(&ring);
	ck_assert_ptr_null(nbread_get_sqe(&ring));
	ck_assert_int_eq(nbread_sqring_wait(&ring), 8);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAIT);
	ck_assert_uint_eq(fake.enter.to_submit, 0);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_ptr_nonnull(nbread_get_sqe(&ring));
}
END_TEST

START_TEST(sqring_wait_wakes_a_thread_that_sleeps)
{
	asleep();
	fake_queue_nops(&ring, 8, 0);
	fake.enter_error = -EINTR;
	nbread_submit(&ring);
	ck_assert_int_eq(nbread_sqring_wait(&ring), 8);
	ck_assert_uint_eq(fake.enter.flags, NBREAD_ENTER_SQ_WAIT | NBREAD_ENTER_SQ_WAKEUP);
}
END_TEST

START_TEST(sqring_wait_says_what_ended_it)
{
	awake();
	fake_queue_nops(&ring, 8, 0);
	nbread_submit(&ring);
	fake.enter_error = -EINTR;
	ck_assert_int_eq(nbread_sqring_wait(&ring), -EINTR);
}
END_TEST

START_TEST(sqring_wait_with_room_makes_no_system_call)
{
	awake();
	fake_queue_nops(&ring, 7, 0);
	nbread_submit(&ring);
	ck_assert_int_eq(nbread_sqring_wait(&ring), 1);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(sqring_wait_without_a_thread_makes_no_system_call)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 4, 0);
	ck_assert_int_eq(nbread_sqring_wait(&ring), 0);
	ck_assert_uint_eq(fake.enters, 0);
	nbread_submit(&ring);
	ck_assert_int_eq(nbread_sqring_wait(&ring), 4);
}
END_TEST

static const struct {
	const char *name;
	bool forked;
	int error;
	unsigned munmaps, closes;
} exits[] = {
	{ "exit_by_the_owner_unmaps_and_closes", false, 0, 1, 1 },
	{ "exit_by_the_owner_unmaps_whatever_its_descriptor_is", false, -EBADF, 1, 1 },
	{ "exit_in_a_child_that_is_told_to_be_the_owner_unmaps", true, 0, 1, 1 },
	{ "exit_in_a_child_leaves_the_parents_place_alone", true, -EPERM, 0, 1 },
	{ "exit_in_a_child_that_closed_the_descriptor_does_nothing", true, -EBADF, 0, 0 },
	{ "exit_in_a_child_that_has_another_file_there_does_nothing", true, -ENOTTY, 0, 0 },
};

START_TEST(exit_of_a_ring_with_a_thread)
{
	asleep();
	fake.forked = exits[_i].forked;
	fake.enter_error = exits[_i].error;
	fake.closes = 0;
	nbread_queue_exit(&ring);
	ck_assert_uint_eq(fake.munmaps, exits[_i].munmaps);
	ck_assert_uint_eq(fake.closes, exits[_i].closes);
}
END_TEST

START_TEST(the_parameters_of_the_thread_reach_the_device)
{
	struct nbread_setup p = { .flags = NBREAD_SETUP_SQTHREAD | NBREAD_SETUP_SQ_AFF,
				  .sq_thread_cpu = 3,
				  .sq_thread_idle_ms = NBREAD_SQ_IDLE_NONE,
				  .timeout_ns = 5,
				  .max_workers = 2 };

	fake.query.setup_flags = p.flags;
	ck_assert_int_eq(nbread_queue_init_params(8, &ring, &p), 0);
	ck_assert_uint_eq(fake.setup.sq_thread_cpu, 3);
	ck_assert_uint_eq(fake.setup.sq_thread_idle_ms, NBREAD_SQ_IDLE_NONE);
	ck_assert_uint_eq(fake.setup.timeout_ns, 5);
	ck_assert_uint_eq(fake.setup.max_workers, 2);
}
END_TEST

Suite *check_sqthread_suite(void)
{
	Suite *s = suite_create("sqthread");

	nbtest_add(s, submit_to_a_thread_that_is_awake_makes_no_system_call);
	nbtest_add(s, submit_to_a_thread_that_sleeps_wakes_it_in_one_call);
	nbtest_add(s, submit_of_nothing_lets_the_thread_sleep);
	nbtest_add(s, submit_counts_what_it_published_and_not_what_was_there_before);
	nbtest_add(s, submit_and_wait_waits_in_the_call_that_wakes);
	nbtest_add(s, submit_and_wait_with_enough_completions_makes_no_system_call);
	nbtest_add(s, a_wait_for_more_than_the_queue_holds_submits_nothing);
	nbtest_add(s, a_wait_enters_for_a_thread_that_is_busy_without_waking_it);
	nbtest_add(s, a_wait_wakes_a_thread_that_sleeps_on_entries);
	nbtest_add(s, a_wait_with_nothing_to_take_lets_the_thread_sleep);
	nbtest_add(s, entries_that_are_only_prepared_wake_nobody);
	nbtest_add(s, peek_and_get_events_leave_parked_reads_to_the_thread);
	nbtest_add_table(s, waker, wakers);
	nbtest_add(s, reaping_a_full_queue_wakes_the_thread_that_it_stopped);
	nbtest_add(s, reaping_lets_a_thread_sleep_that_has_nothing_to_take);
	nbtest_add(s, sqring_wait_waits_until_the_thread_made_room);
	nbtest_add(s, sqring_wait_wakes_a_thread_that_sleeps);
	nbtest_add(s, sqring_wait_says_what_ended_it);
	nbtest_add(s, sqring_wait_with_room_makes_no_system_call);
	nbtest_add(s, sqring_wait_without_a_thread_makes_no_system_call);
	nbtest_add_table(s, exit_of_a_ring_with_a_thread, exits);
	nbtest_add(s, the_parameters_of_the_thread_reach_the_device);
	return s;
}
