// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many who wait, for the data of one parked read: more than a wake callback looks at, so that a
 * work has to tell them.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <linux/nbread.h>
#include "device.h"

#define MANY 100

struct parked {
	const struct dev_fs *fs;
	struct nbread ring;
	unsigned char *buf;
	int fd;
};

static void park(struct parked *p)
{
	p->fs = dev_fs(DEV_EXT4);
	p->fd = dev_cold_file(p->fs, MB(1), 23);
	p->buf = dev_buf(PG);
	ck_assert_int_eq(posix_fadvise(p->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&p->ring, 64);
	dev_hold(p->fs);
	dev_prep(&p->ring, p->fd, p->buf, PG, 0, 0, 1);
	dev_submit(&p->ring, 1);
	dev_check_none(&p->ring);
}

static void reap(struct parked *p)
{
	struct nbread_cqe cqe = dev_next(&p->ring);

	ck_assert_uint_eq(cqe.user_data, 1);
	ck_assert_int_eq(cqe.res, PG);
	dev_check(p->buf, PG, 0, 23);
	nbread_queue_exit(&p->ring);
	close(p->fd);
}

struct sleeper {
	pthread_t thread;
	int ring_fd;
	unsigned int want;
};

static void *enter(void *arg)
{
	struct sleeper *s = arg;
	struct nbread_enter e = { .min_complete = s->want };

	return (void *)(intptr_t)ioctl(s->ring_fd, NBREAD_IOC_ENTER, &e);
}

/* The first of the queue wait for more than there will be. */
START_TEST(a_task_in_enter_behind_many_that_want_more_is_told)
{
	static struct sleeper s[MANY];
	struct parked p;
	void *ret;

	park(&p);
	for (int i = 0; i < MANY; i++) {
		s[i].ring_fd = nbread_ring_fd(&p.ring);
		s[i].want = i < MANY - 1 ? 2 : 1;
		ck_assert_int_eq(pthread_create(&s[i].thread, NULL, enter, &s[i]), 0);
		dev_await(dev_fdinfo(&p.ring, "nbread-sleepers") == (unsigned long)i + 1);
	}
	dev_release(p.fs);
	ck_assert_int_eq(pthread_join(s[MANY - 1].thread, &ret), 0);
	ck_assert_ptr_null(ret);
	ck_assert_uint_eq(nbread_cq_ready(&p.ring), 1);
	/* One completion wakes one. */
	for (int i = 0; i < MANY - 1; i++) {
		nbread_prep_nop(nbread_get_sqe(&p.ring));
		dev_submit(&p.ring, 1);
	}
	for (int i = 0; i < MANY - 1; i++) {
		ck_assert_int_eq(pthread_join(s[i].thread, &ret), 0);
		ck_assert_ptr_null(ret);
	}
	reap(&p);
}
END_TEST

static _Atomic pid_t poller;

static void *poll_many(void *arg)
{
	struct pollfd fds[MANY];

	for (int i = 0; i < MANY; i++)
		fds[i] = (struct pollfd){ .fd = nbread_ring_fd(arg), .events = POLLIN };
	poller = gettid();
	return (void *)(intptr_t)poll(fds, MANY, -1);
}

START_TEST(a_poll_of_many_entries_is_told)
{
	pthread_t thread;
	struct parked p;
	void *ret;

	park(&p);
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_many, &p.ring), 0);
	dev_await(dev_polls(poller));
	dev_release(p.fs);
	ck_assert_int_eq(pthread_join(thread, &ret), 0);
	ck_assert_int_eq((intptr_t)ret, MANY);
	reap(&p);
}
END_TEST

START_TEST(an_eventfd_for_which_many_wait_is_told)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ep[MANY];
	struct parked p;
	uint64_t n = 0;

	park(&p);
	ck_assert_int_eq(nbread_register_eventfd(&p.ring, efd), 0);
	for (int i = 0; i < MANY; i++) {
		ep[i] = epoll_create1(EPOLL_CLOEXEC);
		ck_assert_int_eq(epoll_ctl(ep[i], EPOLL_CTL_ADD, efd, &ev), 0);
	}
	dev_release(p.fs);
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(epoll_wait(ep[i], &ev, 1, 60000), 1);
		close(ep[i]);
	}
	ck_assert_int_eq(read(efd, &n, sizeof(n)), sizeof(n));
	ck_assert_uint_eq(n, 1);
	reap(&p);
	close(efd);
}
END_TEST

/* By a work that has more to do: the eventfd, after the poll. */
START_TEST(a_ring_closed_while_the_work_tells_is_given_back)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ep[MANY];
	long refs = dev_module_idle();
	pthread_t thread;
	struct parked p;
	void *ret;

	for (int i = 0; i < MANY; i++) {
		ep[i] = epoll_create1(EPOLL_CLOEXEC);
		ck_assert_int_eq(epoll_ctl(ep[i], EPOLL_CTL_ADD, efd, &ev), 0);
	}
	for (int n = 0; n < 20; n++) {
		park(&p);
		ck_assert_int_eq(nbread_register_eventfd(&p.ring, efd), 0);
		poller = 0;
		ck_assert_int_eq(pthread_create(&thread, NULL, poll_many, &p.ring), 0);
		dev_await(dev_polls(poller));
		dev_release(p.fs);
		ck_assert_int_eq(pthread_join(thread, &ret), 0);
		ck_assert_int_eq((intptr_t)ret, MANY);
		nbread_queue_exit(&p.ring);
		close(p.fd);
		dev_await(dev_module_refs() == refs);
	}
	for (int i = 0; i < MANY; i++)
		close(ep[i]);
	close(efd);
}
END_TEST

Suite *check_many_suite(void)
{
	Suite *s = suite_create("many");

	nbtest_add(s, a_task_in_enter_behind_many_that_want_more_is_told);
	nbtest_add(s, a_poll_of_many_entries_is_told);
	nbtest_add(s, an_eventfd_for_which_many_wait_is_told);
	nbtest_add(s, a_ring_closed_while_the_work_tells_is_given_back);
	return s;
}
