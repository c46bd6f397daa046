// SPDX-License-Identifier: GPL-2.0-only
/* ENTER that waits: min_complete, time-outs, signals and the signal mask. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "abi.h"

Suite *check_wait_suite(void);

#define MS UINT64_C(1000000)

static int held;
static struct raw ring;
static uint8_t buf[8][4096] __attribute__((aligned(4096)));

/* A ring, and a device whose reads stay in flight. */
static void hold(void)
{
	held = abi_hold_begin();
	abi_ring(&ring, 8, 16);
	memset(buf, ABI_CANARY, sizeof(buf));
}

static void let_go(void)
{
	close(held);
	raw_close(&ring);
	abi_hold_release();
}

static void park(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		raw_prep_read(raw_sqe(&ring), held, buf[i], 4096, i * UINT64_C(1048576), i);
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter(&ring, n, 0), (int)n);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
}

START_TEST(enter_returns_at_once_when_enough_is_in_the_cq)
{
	for (unsigned int i = 0; i < 4; i++)
		raw_sqe(&ring)->user_data = i;
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter(&ring, 4, 4), 4);
	ck_assert_int_eq(raw_enter(&ring, 0, 4), 0);
	ck_assert_int_eq(raw_enter(&ring, 0, 1), 0);
	ck_assert_uint_eq(raw_cq_ready(&ring), 4);
}
END_TEST

START_TEST(a_wait_that_times_out_is_etime)
{
	uint64_t start;

	park(1);
	start = nbtest_now_ns();
	ck_assert_int_eq(raw_enter_ns(&ring, 0, 1, 50 * MS), -ETIME);
	ck_assert_uint_ge(nbtest_now_ns() - start, 50 * MS);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
}
END_TEST

START_TEST(a_timeout_of_0_only_looks)
{
	park(1);
	ck_assert_int_eq(raw_enter_ns(&ring, 0, 1, 0), -ETIME);
	raw_sqe(&ring)->user_data = 9;
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter_ns(&ring, 1, 1, 0), 1);
	ck_assert_uint_eq(abi_next(&ring).user_data, 9);
}
END_TEST

START_TEST(an_absolute_timeout_is_a_point_of_the_monotonic_clock)
{
	struct nbread_enter e = {
		.min_complete = 1,
		.flags = NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS,
	};

	park(1);
	/* Past: at once. */
	e.timeout_ns = 1;
	ck_assert_int_eq(raw_ioctl(ring.fd, NBREAD_IOC_ENTER, &e), -ETIME);
	e.timeout_ns = nbtest_now_ns() + 50 * MS;
	ck_assert_int_eq(raw_ioctl(ring.fd, NBREAD_IOC_ENTER, &e), -ETIME);
	ck_assert_uint_ge(nbtest_now_ns(), e.timeout_ns);
}
END_TEST

START_TEST(the_longest_timeout_does_not_overflow)
{
	raw_sqe(&ring)->user_data = 1;
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter_ns(&ring, 1, 1, UINT64_MAX), 1);
	abi_next(&ring);
	park(1);
	abi_hold_release();
	ck_assert_int_eq(raw_enter_ns(&ring, 0, 1, INT64_MAX), 0);
	ck_assert_int_eq(abi_next(&ring).res, 4096);
}
END_TEST

START_TEST(entries_that_were_taken_are_returned_even_if_the_wait_times_out)
{
	raw_prep_read(raw_sqe(&ring), held, buf[0], 4096, 0, 1);
	raw_prep_read(raw_sqe(&ring), held, buf[1], 4096, 1048576, 2);
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter_ns(&ring, 2, 1, 20 * MS), 2);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
	ck_assert_uint_eq(*ring.sq_head, 2);
}
END_TEST

START_TEST(parked_reads_finish_when_the_device_answers)
{
	struct nbread_cqe cqe;
	unsigned int seen = 0;

	park(4);
	abi_hold_release();
	ck_assert_int_eq(raw_enter(&ring, 0, 4), 0);
	while (raw_reap(&ring, &cqe)) {
		ck_assert_int_eq(cqe.res, 4096);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_WAITED, NBREAD_CQE_WAITED);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
		seen |= 1U << cqe.user_data;
	}
	ck_assert_uint_eq(seen, 0xf);
}
END_TEST

static volatile sig_atomic_t handled;

static void on_alarm(int sig)
{
	(void)sig;
	handled++;
}

static void arm_timer(unsigned int usec)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL,
				   &(struct itimerval){ .it_value.tv_usec = usec,
							.it_interval.tv_usec = usec },
				   NULL),
			 0);
}

START_TEST(a_signal_ends_the_wait_with_eintr_and_loses_nothing)
{
	park(1);
	arm_timer(20000);
	ck_assert_int_eq(raw_enter(&ring, 0, 1), -EINTR);
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	ck_assert_int_gt(handled, 0);
	abi_hold_release();
	ck_assert_int_eq(raw_enter(&ring, 0, 1), 0);
	ck_assert_int_eq(abi_next(&ring).res, 4096);
}
END_TEST

START_TEST(entries_that_were_taken_are_returned_even_if_a_signal_ends_the_wait)
{
	raw_prep_read(raw_sqe(&ring), held, buf[0], 4096, 0, 1);
	raw_publish(&ring);
	arm_timer(20000);
	ck_assert_int_eq(raw_enter(&ring, 1, 1), 1);
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	ck_assert_int_gt(handled, 0);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
}
END_TEST

START_TEST(the_sigmask_keeps_a_signal_away_during_the_wait)
{
	struct nbread_enter e = {
		.min_complete = 1,
		.flags = NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_SIGMASK,
		.timeout_ns = 100 * MS,
		.sigmask = UINT64_C(1) << (SIGALRM - 1),
	};

	park(1);
	arm_timer(20000);
	ck_assert_int_eq(raw_ioctl(ring.fd, NBREAD_IOC_ENTER, &e), -ETIME);
	/* Delivered once the old mask is back. */
	ck_assert(nbtest_wait_until(handled > 0, 10000));
}
END_TEST

START_TEST(the_sigmask_lets_a_blocked_signal_in_and_the_old_mask_comes_back)
{
	struct nbread_enter e = { .min_complete = 1, .flags = NBREAD_ENTER_SIGMASK };
	sigset_t set, now;

	park(1);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	arm_timer(20000);
	ck_assert_int_eq(raw_ioctl(ring.fd, NBREAD_IOC_ENTER, &e), -EINTR);
	ck_assert_int_gt(handled, 0);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &now), 0);
	ck_assert_int_eq(sigismember(&now, SIGALRM), 1);
}
END_TEST

static void *wait_for_one(void *arg)
{
	*(int *)arg = raw_enter(&ring, 0, 1);
	return NULL;
}

START_TEST(another_thread_may_submit_while_one_waits)
{
	pthread_t thread;
	int ret = -1;

	park(1);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_one, &ret), 0);
	abi_await(nbtest_fdinfo(ring.fd, "nbread-sleepers") == 1);
	raw_sqe(&ring)->user_data = 42;
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter(&ring, 1, 0), 1);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(abi_next(&ring).user_data, 42);
}
END_TEST

static int poll_now(int timeout_ms)
{
	struct pollfd p = { .fd = ring.fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 ? p.revents : 0;
}

START_TEST(the_device_polls_readable_only_when_something_is_there)
{
	ck_assert_int_eq(poll_now(0), 0);
	park(1);
	ck_assert_int_eq(poll_now(0), 0);
	abi_hold_release();
	ck_assert_int_eq(poll_now(60000) & POLLIN, POLLIN);
	ck_assert_int_eq(raw_enter(&ring, 0, 1), 0);
	ck_assert_int_eq(poll_now(0) & POLLIN, POLLIN);
	abi_next(&ring);
	ck_assert_int_eq(poll_now(0), 0);
}
END_TEST

START_TEST(a_device_without_rings_polls_as_an_error)
{
	int fd = raw_open_fd();
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert_int_eq(p.revents & POLLERR, POLLERR);
	close(fd);
}
END_TEST

#define held_test(s, fn) nbtest_add_fixture(s, fn, hold, let_go)

Suite *check_wait_suite(void)
{
	Suite *s = suite_create("wait");

	held_test(s, enter_returns_at_once_when_enough_is_in_the_cq);
	held_test(s, a_wait_that_times_out_is_etime);
	held_test(s, a_timeout_of_0_only_looks);
	held_test(s, an_absolute_timeout_is_a_point_of_the_monotonic_clock);
	held_test(s, the_longest_timeout_does_not_overflow);
	held_test(s, entries_that_were_taken_are_returned_even_if_the_wait_times_out);
	held_test(s, parked_reads_finish_when_the_device_answers);
	held_test(s, a_signal_ends_the_wait_with_eintr_and_loses_nothing);
	held_test(s, entries_that_were_taken_are_returned_even_if_a_signal_ends_the_wait);
	held_test(s, the_sigmask_keeps_a_signal_away_during_the_wait);
	held_test(s, the_sigmask_lets_a_blocked_signal_in_and_the_old_mask_comes_back);
	held_test(s, another_thread_may_submit_while_one_waits);
	held_test(s, the_device_polls_readable_only_when_something_is_there);
	nbtest_add(s, a_device_without_rings_polls_as_an_error);
	return s;
}
