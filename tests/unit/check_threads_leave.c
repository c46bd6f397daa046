// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving up a ring of the portable backend while its threads are anywhere: it waits for copies
 * and for nothing else, nobody writes to the program's memory afterwards, and the last thread
 * takes everything along. And what its threads, its locks and its files do in ends of other kinds:
 * no memory, a thread that is cancelled, a close that hangs, a child.
 */
#include <pthread.h>
#include <unistd.h>
#include "thr.h"

static bool gave_up;

static void *unregister_and_end(void *arg)
{
	pthread_cancel(pthread_self());
	/* Closes a descriptor, which else is where a thread that is cancelled ends. */
	gave_up = nbread_unregister_files(&thr_ring) == 0;
	pthread_testcancel();
	return arg;
}

START_TEST(a_thread_that_is_cancelled_leaves_no_lock_behind)
{
	pthread_t thread;

	thr_start(8, 1);
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_file.fd, 1), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, unregister_and_end, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert(gave_up);
	thr_async(PG, 0, 1);
	thr_submit(1);
	thr_ends(1, PG);
	thr_end();
}
END_TEST

/* A thread stands with a read of the registered file 0. */
static void hold_registered(uint64_t user_data)
{
	struct nbread_sqe *sqe;

	fake_hold(FAKE_READ);
	sqe = thr_async(PG, 0, user_data);
	sqe->flags |= NBREAD_SQE_FIXED_FILE;
	sqe->fd = 0;
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
}

static void *unregister(void *arg)
{
	*(int *)arg = nbread_unregister_files(&thr_ring);
	return arg;
}

START_TEST(a_close_that_hangs_holds_up_its_caller_alone)
{
	pthread_t thread;
	int ret = 1;

	thr_start(8, 2);
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_file.fd, 1), 0);
	fake_hold(FAKE_CLOSE);
	ck_assert_int_eq(pthread_create(&thread, NULL, unregister, &ret), 0);
	fake_wait_held(FAKE_CLOSE, 1);
	/* In the call, by a thread, cancelled; and the table is free. */
	thr_prep(PG, 0, 1);
	thr_submit(1);
	thr_posted(1, PG);
	thr_async(PG, PG, 2);
	thr_submit(1);
	thr_ends(2, PG);
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_file.fd, 1), 0);
	hold_registered(3);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 3, 0), 1);
	thr_posted(3, -ECANCELED);
	fake_let_go(FAKE_READ);
	fake_let_go(FAKE_CLOSE);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, 0);
	thr_end();
}
END_TEST

static int give_up_and_count(void *arg)
{
	nbread_queue_exit(&thr_ring);
	return (int)nbtest_open_fds() - *(int *)arg;
}

/* The read that ends has the last reference of a file whose close(2) waits for its server. */
START_TEST(a_close_that_hangs_holds_up_no_deadline)
{
	struct nbread_sqe *sqe;

	thr_start(8, 1);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 0);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_other.fd, 1), 0);
	sqe = thr_async(PG, PG, 1);
	sqe->flags |= NBREAD_SQE_FIXED_FILE;
	sqe->fd = 0;
	sqe->deadline_ns = fake.now_ns + SEC;
	thr_async(PG, 2 * PG, 2)->deadline_ns = fake.now_ns + 2 * SEC;
	thr_submit(2);
	ck_assert_int_eq(nbread_unregister_files(&thr_ring), 0);
	fake_hold(FAKE_CLOSE);
	fake_wait_asleep(1);
	fake_advance(SEC);
	thr_ends(1, -ETIME);
	fake_wait_held(FAKE_CLOSE, 1);
	fake_wait_asleep(1);
	fake_advance(SEC);
	thr_ends(2, -ETIME);
	fake_let_go(FAKE_CLOSE);
	fake_let_go(FAKE_READ);
	thr_ends(0, PG);
	thr_settled(2);
	thr_end();
}
END_TEST

static void unregister_meanwhile(void)
{
	fake.during_nowait = NULL;
	ck_assert_int_eq(nbread_unregister_files(&thr_ring), 0);
}

static void *submit_two(void *arg)
{
	ck_assert_int_eq(nbread_submit(&thr_ring), 2);
	return arg;
}

/* The call that submits is the last that has the file, with another one behind it in the batch. */
START_TEST(a_submit_tells_what_it_answered_before_it_closes_a_file)
{
	struct nbread_sqe *sqe;
	pthread_t thread;

	thr_start(8, 1);
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_other.fd, 1), 0);
	sqe = thr_prep(PG, 0, 1);
	sqe->flags |= NBREAD_SQE_FIXED_FILE;
	sqe->fd = 0;
	thr_prep(PG, PG, 2);
	fake.during_nowait = unregister_meanwhile;
	fake_hold(FAKE_CLOSE);
	ck_assert_int_eq(pthread_create(&thread, NULL, submit_two, NULL), 0);
	fake_wait_held(FAKE_CLOSE, 1);
	ck_assert_uint_eq(nbread_cq_ready(&thr_ring), 2);
	thr_posted(1, PG);
	thr_posted(2, PG);
	/* Nor does it keep others from submitting. */
	thr_prep(PG, 2 * PG, 3);
	thr_submit(1);
	thr_posted(3, PG);
	fake_let_go(FAKE_CLOSE);
	pthread_join(thread, NULL);
	thr_end();
}
END_TEST

START_TEST(a_child_closes_a_registered_file_that_a_read_of_its_parent_holds)
{
	/* The two files of this test are all that it keeps. */
	int want = (int)nbtest_open_fds() + 2;

	thr_start(8, 1);
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_file.fd, 1), 0);
	hold_registered(1);
	ck_assert_int_eq(nbtest_in_child(give_up_and_count, &want), 0);
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_end();
}
END_TEST

START_TEST(a_read_is_enomem_whichever_allocation_fails)
{
	static struct iovec iov[20];
	struct nbread_sqe *sqe;
	unsigned i, nth, failed = 0;

	thr_start(8, 1);
	for (i = 0; i < 20; i++)
		iov[i] = (struct iovec){ thr_buf + i * 100, 100 };
	for (nth = 1; nth == failed + 1; nth++) {
		/* More vectors, and fewer, than fit without an allocation of their own. */
		sqe = nbread_get_sqe(&thr_ring);
		nbread_prep_readv(sqe, thr_file.fd, iov, nth % 2 ? 20 : 3, 0);
		sqe->flags = NBREAD_SQE_ASYNC;
		fake_fail_alloc((nth + 1) / 2);
		nbread_submit(&thr_ring);
		failed += fake_alloc_failed();
		thr_ends(0, nth == failed ? -ENOMEM : nth % 2 ? 2000 : 300);
	}
	/* The vectors and the job, of either. */
	ck_assert_uint_eq(failed, 4);
	thr_right(nth % 2 ? 300 : 2000, 0);
	thr_settled(1);
	thr_end();
}
END_TEST

START_TEST(exit_leaves_a_thread_with_its_read_and_the_thread_takes_all_along)
{
	struct nbread_sqe *sqe;
	unsigned fds;

	thr_start(8, 2);
	fds = nbtest_open_fds();
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_file.fd, 1), 0);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 1);
	sqe = thr_async(PG, PG, 2);
	sqe->flags |= NBREAD_SQE_FIXED_FILE;
	sqe->fd = 0;
	thr_async(PG, 2 * PG, 3);
	thr_submit(3);
	fake_wait_held(FAKE_READ, 2);
	nbread_queue_exit(&thr_ring);
	/* The arena and the page of the owner stay, and what the reads need. */
	ck_assert_uint_eq(fake.portable_maps, 2);
	fake_let_go(FAKE_READ);
	fake_wait_threads(0);
	ck_assert_uint_eq(fake.portable_maps, 0);
	ck_assert_uint_lt(nbtest_open_fds(), fds);
	ck_assert_uint_eq(fake.blocking_reads, 2);
	ck_assert_uint_eq(fake.copies, 0);
	thr_untouched(3 * PG, 0);
	thr_end();
}
END_TEST

static bool exited;

static void *leave(void *arg)
{
	nbread_queue_exit(&thr_ring);
	__atomic_store_n(&exited, true, __ATOMIC_SEQ_CST);
	/* Whoever would write to it now writes to memory of somebody else. */
	memset(thr_buf, THR_POISON, sizeof(thr_buf));
	return arg;
}

static const struct {
	const char *name;
	unsigned reads;
	size_t len;
} copying[] = {
	{ "exit_waits_for_a_copy_to_the_programs_memory", 1, PG },
	{ "exit_waits_for_a_copy_of_a_piece_and_for_no_more_of_them", 1, 2 * THR_CHUNK },
	{ "exit_waits_for_all_copies", 3, PG },
};

START_TEST(exit_during_copies)
{
	pthread_t thread;
	unsigned i;

	thr_start(8, 3);
	fake_hold(FAKE_COPY);
	for (i = 0; i < copying[_i].reads; i++)
		thr_async(copying[_i].len, i * PG, i)->deadline_ns = fake.now_ns + SEC;
	thr_submit(copying[_i].reads);
	fake_wait_held(FAKE_COPY, copying[_i].reads);
	ck_assert_int_eq(pthread_create(&thread, NULL, leave, NULL), 0);
	fake_wait_blocked(1);
	for (i = 0; i < copying[_i].reads; i++) {
		ck_assert(!__atomic_load_n(&exited, __ATOMIC_SEQ_CST));
		fake_let_some_go(FAKE_COPY, 1);
	}
	pthread_join(thread, NULL);
	fake_wait_threads(0);
	ck_assert_uint_eq(fake.portable_maps, 0);
	ck_assert_uint_eq(fake.copies, copying[_i].reads);
	thr_untouched(sizeof(thr_buf), 0);
	thr_end();
}
END_TEST

START_TEST(exit_sends_threads_without_work_and_the_watch_home)
{
	thr_start(8, 2);
	thr_async(PG, 0, 1)->deadline_ns = fake.now_ns + SEC;
	thr_submit(1);
	thr_ends(1, PG);
	fake_wait_asleep(2);
	/* thr_end() waits until they are gone; their clock stands still. */
	thr_end();
}
END_TEST

START_TEST(exit_drops_what_waits_and_its_deadlines)
{
	unsigned i;

	fake.kernel = 6 << 8 | 1;
	thr_start(32, 1);
	fake_hold(FAKE_READ);
	for (i = 0; i < 20; i++)
		thr_async(PG, i * PG, i)->deadline_ns = fake.now_ns + i % 3 * SEC + SEC;
	thr_submit(20);
	fake_wait_held(FAKE_READ, 1);
	/* Readahead has no place in the queue, but waits as well. */
	fake.nowait_error = -EAGAIN;
	thr_prep(PG, 0, 20)->flags = NBREAD_SQE_CACHED;
	thr_submit(1);
	fake_wait_asleep(1);
	nbread_queue_exit(&thr_ring);
	fake_advance(2 * SEC);
	fake_let_go(FAKE_READ);
	fake_wait_threads(0);
	ck_assert_uint_eq(fake.blocking_reads, 1);
	ck_assert_uint_eq(fake.readaheads, 0);
	thr_untouched(20 * PG, 0);
	thr_end();
}
END_TEST

static void let_go_of_reads(void)
{
	fake_let_go(FAKE_READ);
}

START_TEST(a_drain_waits_for_held_reads_and_ends_in_time)
{
	thr_start(8, 1);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 1);
	thr_async(PG, PG, 2);
	thr_submit(2);
	fake_wait_held(FAKE_READ, 1);
	ck_assert_int_eq(nbread_queue_drain_ns(&thr_ring, SEC), -ETIME);
	ck_assert_uint_eq(fake.now_ns, 6 * SEC);
	/* A ring that is not drained is not given up. */
	ck_assert_int_eq(nbread_queue_exit_drain_ns(&thr_ring, SEC), -ETIME);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 1, 0), 1);
	fake.during_wait = let_go_of_reads;
	ck_assert_int_eq(nbread_queue_drain_ns(&thr_ring, -1), 0);
	thr_posted(1, -ECANCELED);
	thr_posted(2, PG);
	thr_settled(1);
	/* What a thread still has of a read that ended is not waited for. */
	fake_hold(FAKE_READ);
	thr_async(PG, 2 * PG, 3);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 3, 0), 1);
	ck_assert_int_eq(nbread_queue_exit_drain_ns(&thr_ring, -1), 0);
	fake_let_go(FAKE_READ);
	fake_wait_threads(0);
	thr_untouched(PG, 2 * PG);
	thr_end();
}
END_TEST

Suite *check_threads_leave_suite(void)
{
	Suite *s = suite_create("threads_leave");

	nbtest_add(s, a_thread_that_is_cancelled_leaves_no_lock_behind);
	nbtest_add(s, a_close_that_hangs_holds_up_its_caller_alone);
	nbtest_add(s, a_close_that_hangs_holds_up_no_deadline);
	nbtest_add(s, a_submit_tells_what_it_answered_before_it_closes_a_file);
	nbtest_add(s, a_child_closes_a_registered_file_that_a_read_of_its_parent_holds);
	nbtest_add(s, a_read_is_enomem_whichever_allocation_fails);
	nbtest_add(s, exit_leaves_a_thread_with_its_read_and_the_thread_takes_all_along);
	nbtest_add_table(s, exit_during_copies, copying);
	nbtest_add(s, exit_sends_threads_without_work_and_the_watch_home);
	nbtest_add(s, exit_drops_what_waits_and_its_deadlines);
	nbtest_add(s, a_drain_waits_for_held_reads_and_ends_in_time);
	return s;
}
