// SPDX-License-Identifier: GPL-2.0-only
/* The calls: waiting, poll and epoll, an eventfd, threads. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "behave.h"

static struct nbread ring;

START_TEST(a_wait_ends_at_its_time)
{
	struct timespec ts = { .tv_nsec = 20000000 };
	uint64_t before = nbtest_now_ns();
	struct nbread_cqe *cqe;

	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &ts), -ETIME);
	ck_assert_ptr_null(cqe);
	ck_assert_uint_ge(nbtest_now_ns() - before, 20 * MS);
	ts.tv_nsec = 0;
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &ts), -ETIME);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), -EAGAIN);
}
END_TEST

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

static volatile int left;

static void *interrupt(void *target)
{
	while (!left) {
		pthread_kill(*(pthread_t *)target, SIGUSR1);
		nbtest_sleep_tick();
	}
	return NULL;
}

START_TEST(a_signal_ends_a_wait_also_one_that_only_the_wait_lets_in)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t self = pthread_self(), thread;
	struct nbread_cqe *cqe;
	sigset_t block, empty;

	behave_ring(&ring, 8);
	sigemptyset(&empty);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 1, NULL, &empty), -EINTR);
	ck_assert_int_eq(caught, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &block, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt, &self), 0);
	ck_assert_int_eq(nbread_wait_cqe(&ring, &cqe), -EINTR);
	left = 1;
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(submit_and_wait_waits_for_so_many)
{
	int fd = behave_cold_file(KB(64), 3), i;
	unsigned char *buf = behave_buf(KB(64));
	struct nbread_cqe *cqe, *all[8];
	unsigned head, n = 0;

	behave_ring(&ring, 8);
	for (i = 0; i < 8; i++)
		behave_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, i);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 8), 8);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 8);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, all, 8), 8);
	nbread_for_each_cqe(&ring, head, cqe)
		n += cqe->res == (int)PG;
	ck_assert_uint_eq(n, 8);
	nbread_cq_advance(&ring, 8);
	behave_none(&ring);
	behave_check(buf, 8 * PG, 0, 3);
}
END_TEST

START_TEST(no_call_touches_errno)
{
	int fd = behave_cold_file(PG, 3);
	unsigned char *buf = behave_buf(PG);
	struct nbread_cqe *cqe;

	errno = 4711;
	behave_ring(&ring, 8);
	nbread_prep_read(nbread_get_sqe(&ring), fd, buf, PG, 0);
	nbread_prep_read(nbread_get_sqe(&ring), -1, buf, PG, 0);
	nbread_submit_and_wait(&ring, 2);
	nbread_cq_advance(&ring, 2);
	nbread_peek_cqe(&ring, &cqe);
	nbread_cancel_fd(&ring, -1, 0);
	nbread_register_eventfd(&ring, -1);
	nbread_try(&ring, -1, buf, PG, 0, 0);
	nbread_queue_exit(&ring);
	ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(poll_is_readable_while_completions_are_there)
{
	int fd = behave_warm_file(PG, 3);
	unsigned char *buf = behave_buf(PG);

	behave_ring(&ring, 8);
	ck_assert(!behave_readable(&ring));
	behave_prep(&ring, fd, buf, PG, 0, 0, 1);
	behave_prep(&ring, fd, buf, PG, 0, 0, 2);
	behave_submit(&ring, 2);
	ck_assert(behave_readable(&ring));
	nbread_cq_advance(&ring, 1);
	ck_assert(behave_readable(&ring));
	nbread_cq_advance(&ring, 1);
	behave_none(&ring);
	ck_assert(!behave_readable(&ring));
}
END_TEST

static const struct behave_differs lit = {
	.what = "poll(2) after the last completion was reaped",
	.module = "is not readable",
	.threads =
		"is readable once more, until the next call that finds nothing (peek, wait, submit, get_events)",
	.module_value = 0,
	.threads_value = 1,
};

START_TEST(poll_right_after_the_last_completion_was_reaped)
{
	behave_ring(&ring, 8);
	nbread_prep_nop(nbread_get_sqe(&ring));
	behave_submit(&ring, 1);
	nbread_cq_advance(&ring, 1);
	ck_assert_int_eq(behave_readable(&ring), behave_value(&lit));
	behave_none(&ring);
	ck_assert(!behave_readable(&ring));
}
END_TEST

/* One completion after the other; so many are left in the CQ. */
static void check_edges(int left)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET }, got;
	unsigned char *buf = behave_buf(PG);
	int fd, ep = epoll_create1(EPOLL_CLOEXEC), i;

	fd = behave_slow_file(KB(64), 9);
	behave_ring(&ring, 8);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, nbread_ring_fd(&ring), &ev), 0);
	for (i = 0; i < 5; i++) {
		behave_prep(&ring, fd, buf, PG, i * PG, 0, i);
		behave_submit(&ring, 1);
		ck_assert_int_eq(epoll_wait(ep, &got, 1, 60000), 1);
		if (i >= left)
			ck_assert_uint_eq(behave_next(&ring).user_data, i - left);
	}
}

START_TEST(an_edge_triggered_epoll_hears_of_each_completion)
{
	check_edges(0);
}
END_TEST

/* The program may have seen the CQ empty, although its head does not tell that yet. */
START_TEST(an_edge_triggered_epoll_hears_of_one_that_came_while_others_were_reaped)
{
	check_edges(1);
}
END_TEST

static uint64_t count_of(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

START_TEST(an_eventfd_is_signalled_until_it_is_unregistered)
{
	int ev = eventfd(0, EFD_NONBLOCK), file = behave_warm_file(PG, 3);

	behave_need_register(NBREAD_REGISTER_EVENTFD);
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_unregister_eventfd(&ring), -ENXIO);
	ck_assert_int_eq(nbread_register_eventfd(&ring, -1), -EBADF);
	ck_assert_int_eq(nbread_register_eventfd(&ring, file), -EINVAL);
	ck_assert_int_eq(nbread_register_eventfd(&ring, ev), 0);
	ck_assert_int_eq(nbread_register_eventfd(&ring, ev), -EBUSY);
	nbread_prep_nop(nbread_get_sqe(&ring));
	behave_submit(&ring, 1);
	ck_assert_uint_ge(count_of(ev), 1);
	ck_assert_uint_eq(count_of(ev), 0);
	ck_assert_int_eq(nbread_unregister_eventfd(&ring), 0);
	nbread_prep_nop(nbread_get_sqe(&ring));
	behave_submit(&ring, 1);
	ck_assert_uint_eq(count_of(ev), 0);
}
END_TEST

static int shared_fd;

static void *submitter(void *arg)
{
	unsigned char *buf = arg;

	for (unsigned i = 0; i < 3000;) {
		struct nbread_sqe *sqe = nbread_get_sqe(&ring);

		if (!sqe) {
			nbread_submit(&ring);
			continue;
		}
		nbread_prep_read(sqe, shared_fd, buf + i % 64 * PG, PG, i % 64 * PG);
		nbread_sqe_set_flags(sqe, i % 5 ? 0 : NBREAD_SQE_ASYNC);
		nbread_sqe_set_data64(sqe, i++);
	}
	while (nbread_sq_ready(&ring))
		nbread_submit(&ring);
	return NULL;
}

START_TEST(one_thread_submits_and_another_reaps)
{
	static unsigned char seen[3000];
	unsigned char *buf = behave_buf(64 * PG);
	pthread_t thread;

	shared_fd = behave_warm_file(64 * PG, 3);
	behave_ring(&ring, 32);
	ck_assert_int_eq(pthread_create(&thread, NULL, submitter, buf), 0);
	for (unsigned i = 0; i < 3000; i++) {
		struct nbread_cqe cqe = behave_next(&ring);

		if (cqe.res != (int)PG || seen[cqe.user_data]++)
			nbtest_fatal("read %llu: %d", (unsigned long long)cqe.user_data, cqe.res);
	}
	pthread_join(thread, NULL);
	behave_none(&ring);
	behave_check(buf, 64 * PG, 0, 3);
}
END_TEST

static const struct behave_differs sqthread = {
	.what = "NBREAD_SETUP_SQTHREAD, ATTACH, SQ_AFF, REGISTER_CREDS",
	.module = "as QUERY reports",
	.threads =
		"-EOPNOTSUPP, and not reported: a polling thread would save no system call, since each read is one",
};

static const struct behave_differs sqwq = {
	.what = "NBREAD_SETUP_SQWQ",
	.module =
		"no miss is waited for in the call, not even by a file system that looks for its metadata, and a CACHED one starts no readahead",
	.threads =
		"is taken, and changes nothing: what RWF_NOWAIT does in the call it does here too, from Linux 6.12 on to start readahead",
};

START_TEST(a_ring_with_a_thread_that_polls)
{
	int ret = nbread_queue_init(8, &ring, NBREAD_SETUP_SQTHREAD);

	ck_assert_int_eq(ret,
			 behave_query()->setup_flags & NBREAD_SETUP_SQTHREAD ? 0 : -EOPNOTSUPP);
	if (behave_threads())
		ck_assert_int_eq(ret, -EOPNOTSUPP);
}
END_TEST

static const struct behave_differs descriptors = {
	.what = "Descriptors that a ring takes",
	.module = "1",
	.threads = "3, one more for each registered file, and for each further thread that waits",
	.module_value = 1,
	.threads_value = 3,
};

START_TEST(descriptors_of_a_ring)
{
	unsigned before = nbtest_open_fds();

	behave_ring(&ring, 8);
	ck_assert_int_eq(nbtest_open_fds() - before, behave_value(&descriptors));
	nbread_queue_exit(&ring);
	ck_assert_uint_eq(nbtest_open_fds(), before);
}
END_TEST

Suite *check_calls_suite(void)
{
	Suite *s = behave_promise("calls", "The calls: wait, poll, epoll, eventfd, threads");

	behave_add(s, a_wait_ends_at_its_time);
	behave_add(s, a_signal_ends_a_wait_also_one_that_only_the_wait_lets_in);
	behave_add(s, submit_and_wait_waits_for_so_many);
	behave_add(s, no_call_touches_errno);
	behave_add(s, poll_is_readable_while_completions_are_there);
	behave_add_differs(s, poll_right_after_the_last_completion_was_reaped, &lit);
	behave_add(s, an_edge_triggered_epoll_hears_of_each_completion);
	behave_add(s, an_edge_triggered_epoll_hears_of_one_that_came_while_others_were_reaped);
	behave_add(s, an_eventfd_is_signalled_until_it_is_unregistered);
	behave_add(s, one_thread_submits_and_another_reaps);
	behave_add_differs(s, a_ring_with_a_thread_that_polls, &sqthread);
	behave_untested(s, &sqwq, "the device tests hold the module to it");
	behave_add_differs(s, descriptors_of_a_ring, &descriptors);
	return s;
}
