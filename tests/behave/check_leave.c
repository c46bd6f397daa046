// SPDX-License-Identifier: GPL-2.0-only
/* Promises 5 and 6: leaving waits for no device, and a ring belongs to one process. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include "behave.h"

static struct nbread ring;

START_TEST(giving_up_a_ring_waits_for_no_read)
{
	unsigned char *buf = behave_buf(3 * PG);
	int fd = behave_busy_ring(&ring, buf);

	behave_prep(&ring, fd, buf + PG, PG, PG, 0, 2);
	behave_submit(&ring, 1);
	nbread_queue_exit(&ring);
	behave_let_go();
	/* Another ring works, and what waited never came. */
	behave_ring(&ring, 4);
	ck_assert_int_eq(behave_read(&ring, fd, buf + 2 * PG, PG, 0, 0).res, PG);
	behave_untouched(buf + PG, PG);
}
END_TEST

static const struct behave_differs begun = {
	.what = "The buffer of a read that a worker has begun, after nbread_queue_exit()",
	.module = "may be written until that read ends",
	.threads = "is not written any more",
};

START_TEST(a_begun_read_and_its_buffer_after_exit)
{
	unsigned char *buf = behave_buf(PG);
	unsigned threads = nbtest_threads();

	behave_busy_ring(&ring, buf);
	nbread_queue_exit(&ring);
	behave_let_go();
	if (!behave_threads())
		return;
	ck_assert(nbtest_wait_until(nbtest_threads() == threads, 30000));
	behave_untouched(buf, PG);
}
END_TEST

static void *let_go(void *arg)
{
	behave_held(1);
	behave_let_go();
	return arg;
}

START_TEST(a_drained_ring_leaves_no_read_behind)
{
	unsigned char *buf = behave_buf(3 * PG);
	int fd = behave_busy_ring(&ring, buf);
	pthread_t thread;

	behave_prep(&ring, fd, buf + PG, PG, PG, 0, 2);
	behave_prep(&ring, fd, buf + 2 * PG, PG, 2 * PG, 0, 3);
	behave_submit(&ring, 2);
	/* One that is at work and two that wait for the worker. */
	ck_assert_int_eq(nbread_queue_exit_drain_ns(&ring, 1), -ETIME);
	ck_assert_int_eq(pthread_create(&thread, NULL, let_go, NULL), 0);
	ck_assert_int_eq(nbread_queue_exit_drain_ns(&ring, -1), 0);
	pthread_join(thread, NULL);
	behave_check(buf, 3 * PG, 0, 9);
}
END_TEST

static const struct behave_differs killed = {
	.what = "The exit of a process of which a read hangs where the kernel lets no signal in (a FUSE server that has the request, NFS mounted hard)",
	.module = "does not wait: the worker is the kernel's",
	.threads =
		"waits for it: the thread is the process's. Reads of the page cache that hang on a disk can be killed",
};

static int in_child(void *arg)
{
	int refused = 0;
	struct nbread_cqe *cqe;
	char byte;

	(void)arg;
	refused += nbread_get_events(&ring) == -EPERM;
	refused += nbread_wait_cqe(&ring, &cqe) == -EPERM;
	nbread_prep_nop(nbread_get_sqe(&ring));
	refused += nbread_submit(&ring) == -EPERM;
	refused += nbread_cancel64(&ring, 1, 0) == -EPERM;
	/* TRY needs no ring. */
	refused += nbread_try(&ring, *(int *)arg, &byte, 1, 0, 0) == 1;
	/* But what was registered is its parent's. */
	refused += nbread_try(&ring, 0, &byte, 1, 0, NBREAD_SQE_FIXED_FILE) == -EPERM;
	nbread_queue_exit(&ring);
	return refused;
}

START_TEST(a_child_may_not_use_the_ring)
{
	int fd = behave_warm_file(PG, 3);
	unsigned char *buf = behave_buf(PG);

	behave_need_register(NBREAD_REGISTER_FILES);
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_register_files(&ring, &fd, 1), 0);
	ck_assert_int_eq(nbtest_in_child(in_child, &fd), 6);
	/* What the child did is no matter to its parent. */
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 0, 0).res, PG);
}
END_TEST

static int gives_up(void *arg)
{
	(void)arg;
	nbread_queue_exit(&ring);
	return 0;
}

/* Who waits for work in the parent is not in the child, and not to be waited for. */
START_TEST(a_child_gives_up_a_ring_that_has_read)
{
	int fd = behave_slow_file(PG, 3);
	unsigned char *buf = behave_buf(PG);

	behave_ring(&ring, 8);
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 0, NBREAD_SQE_ASYNC).res, PG);
	ck_assert_int_eq(nbtest_in_child(gives_up, NULL), 0);
	ck_assert_int_eq(behave_read(&ring, fd, buf, PG, 0, 0).res, PG);
}
END_TEST

Suite *check_leave_suite(void)
{
	Suite *s = behave_promise(
		"leave", "5, 6. Leaving waits for no device; a ring belongs to one process");

	behave_add(s, giving_up_a_ring_waits_for_no_read);
	behave_add_differs(s, a_begun_read_and_its_buffer_after_exit, &begun);
	behave_add(s, a_drained_ring_leaves_no_read_behind);
	behave_untested(s, &killed, "a process that hangs ends the run");
	behave_add(s, a_child_may_not_use_the_ring);
	behave_add(s, a_child_gives_up_a_ring_that_has_read);
	return s;
}
