// SPDX-License-Identifier: GPL-2.0-only
/*
 * errno belongs to the caller: no call of the library changes it, neither when
 * it succeeds nor when it fails. (That the system calls below do not is for
 * check_sys.c.)
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include "nbtest.h"
#include "fake.h"

#define MARK 4711

static void call_everything(struct nbread *ring)
{
	const struct timespec ts = { .tv_nsec = 1 };
	struct nbread_file_info info;
	struct nbread_cqe *cqe;
	struct nbread_query q;
	struct nbread other;
	struct iovec iov = { NULL, 0 };
	struct nbread_sqe sqe = { .opcode = NBREAD_OP_NOP };
	struct nbread_cqe out;
	sigset_t set;
	char c;
	int fd = 0;

	sigfillset(&set);
	errno = MARK;
	nbread_get_sqe(ring);
	nbread_submit(ring);
	nbread_get_sqe(ring);
	nbread_submit_and_wait(ring, 1);
	nbread_submit_and_wait_timeout(ring, &cqe, 3, &ts, &set);
	nbread_wait_cqes(ring, &cqe, 3, &ts, &set);
	nbread_wait_cqe_timeout(ring, &cqe, &ts);
	nbread_peek_batch_cqe(ring, &cqe, 1);
	nbread_get_events(ring);
	nbread_sqe_set_timeout(&sqe, &ts);
	nbread_submit_sqes(ring, &sqe, 1);
	nbread_reap_cqes(ring, &out, 1, 2, &ts, &set);
	nbread_queue_drain(ring, &ts);
	nbread_peek_cqe(ring, &cqe);
	nbread_cqe_seen(ring, cqe);
	nbread_try(ring, 0, &c, 0, 0, 0);
	nbread_cancel64(ring, 0, 0);
	nbread_cancel_fd(ring, 0, 0);
	nbread_cancel_file_index(ring, 0, 0);
	nbread_register_files(ring, &fd, 1);
	nbread_register_files_sparse(ring, 1);
	nbread_register_files_update(ring, 0, &fd, 1);
	nbread_unregister_files(ring);
	nbread_register_buffers(ring, &iov, 1);
	nbread_register_buffers_sparse(ring, 1);
	nbread_register_buffers_update(ring, 0, &iov, 1);
	nbread_unregister_buffers(ring);
	nbread_register_eventfd(ring, 0);
	nbread_register_eventfd_async(ring, 0);
	nbread_unregister_eventfd(ring);
	nbread_register_creds(ring);
	nbread_register_workers(ring, 1);
	nbread_sqring_wait(ring);
	nbread_file_info(ring, 0, &info);
	nbread_query(ring, &q);
	nbread_query(NULL, &q);
	nbread_queue_init(1, &other, ~0U);
	nbread_queue_exit_drain(&other, &ts);
	ck_assert_int_eq(errno, MARK);
}

START_TEST(calls_that_succeed_leave_errno_alone)
{
	struct nbread ring;

	fake_ring(&ring, 8);
	call_everything(&ring);
	nbread_queue_exit(&ring);
	ck_assert_int_eq(errno, MARK);
}
END_TEST

START_TEST(calls_that_fail_leave_errno_alone)
{
	struct nbread ring;

	fake_ring(&ring, 8);
	fake.enter_error = fake.wait_error = fake.call_error = fake.query_error = -EPERM;
	fake.park = true;
	call_everything(&ring);
}
END_TEST

Suite *check_errno_suite(void)
{
	Suite *s = suite_create("errno");

	nbtest_add(s, calls_that_succeed_leave_errno_alone);
	nbtest_add(s, calls_that_fail_leave_errno_alone);
	return s;
}
