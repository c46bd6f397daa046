// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring's descriptor is readable when there is a completion or a call would
 * make one (data of a parked read came in), and not before; by poll(2) and by
 * epoll(7), level and edge triggered.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include "device.h"

struct held {
	const struct dev_fs *fs;
	struct nbread ring;
	unsigned char *buf;
	int fd;
};

static void hold(struct held *h, int reads)
{
	h->fs = dev_fs(DEV_EXT4);
	h->fd = dev_cold_file(h->fs, MB(1), 12);
	h->buf = dev_buf(MB(1));
	ck_assert_int_eq(posix_fadvise(h->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&h->ring, 8);
	dev_hold(h->fs);
	for (int i = 0; i < reads; i++)
		dev_prep(&h->ring, h->fd, h->buf + i * PG, PG, i * PG, 0, i);
	dev_submit(&h->ring, reads);
}

static int epoll_of(struct nbread *ring, unsigned int events)
{
	struct epoll_event ev = { .events = events, .data.u64 = 77 };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, nbread_ring_fd(ring), &ev), 0);
	return ep;
}

static int events_of(int ep, int timeout_ms)
{
	struct epoll_event ev;
	int n = epoll_wait(ep, &ev, 1, timeout_ms);

	ck_assert_int_ge(n, 0);
	if (n) {
		ck_assert_uint_eq(ev.data.u64, 77);
		ck_assert_uint_eq(ev.events & (EPOLLIN | EPOLLERR | EPOLLHUP), EPOLLIN);
	}
	return n;
}

static void submit_nop(struct nbread *ring)
{
	nbread_prep_nop(nbread_get_sqe(ring));
	dev_submit(ring, 1);
}

START_TEST(a_ring_is_readable_while_a_completion_is_there)
{
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert(!dev_readable(&ring));
	nbread_prep_nop(nbread_get_sqe(&ring));
	ck_assert(!dev_readable(&ring));
	dev_submit(&ring, 1);
	ck_assert(dev_readable(&ring));
	ck_assert(dev_readable(&ring));
	submit_nop(&ring);
	dev_next(&ring);
	ck_assert(dev_readable(&ring));
	dev_next(&ring);
	ck_assert(!dev_readable(&ring));
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_ring_is_readable_when_the_data_of_a_parked_read_came_in)
{
	struct nbread_cqe cqe;
	struct held h;

	hold(&h, 1);
	ck_assert(!dev_readable(&h.ring));
	dev_check_none(&h.ring);
	ck_assert(!dev_readable(&h.ring));
	dev_release(h.fs);
	dev_await(dev_readable(&h.ring));
	/* It takes a call to copy it. */
	ck_assert_uint_eq(nbread_cq_ready(&h.ring), 0);
	dev_check_same(h.buf, PG, 0xa5);
	ck_assert_int_eq(nbread_get_events(&h.ring), 0);
	ck_assert_uint_eq(nbread_cq_ready(&h.ring), 1);
	ck_assert(dev_readable(&h.ring));
	cqe = dev_next(&h.ring);
	ck_assert_int_eq(cqe.res, PG);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_WAITED);
	ck_assert(!dev_readable(&h.ring));
	nbread_queue_exit(&h.ring);
}
END_TEST

static _Atomic pid_t poller;

static void *poll_for_ever(void *arg)
{
	struct pollfd p = { .fd = nbread_ring_fd(arg), .events = POLLIN };

	poller = gettid();
	return (void *)(intptr_t)(poll(&p, 1, 100000) == 1 && p.revents == POLLIN);
}

START_TEST(a_poll_that_sleeps_is_woken_by_the_data)
{
	pthread_t thread;
	struct held h;
	void *ok;

	hold(&h, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_for_ever, &h.ring), 0);
	dev_await(dev_polls(poller));
	dev_release(h.fs);
	ck_assert_int_eq(pthread_join(thread, &ok), 0);
	ck_assert_ptr_nonnull(ok);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	nbread_queue_exit(&h.ring);
}
END_TEST

START_TEST(a_poll_that_sleeps_is_woken_by_a_cancel)
{
	pthread_t thread;
	struct held h;
	void *ok;

	hold(&h, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_for_ever, &h.ring), 0);
	dev_await(dev_polls(poller));
	ck_assert_int_eq(nbread_cancel64(&h.ring, 0, NBREAD_CANCEL_ANY), 1);
	ck_assert_int_eq(pthread_join(thread, &ok), 0);
	ck_assert_ptr_nonnull(ok);
	ck_assert_int_eq(dev_next(&h.ring).res, -ECANCELED);
	ck_assert(!dev_readable(&h.ring));
	dev_release(h.fs);
	nbread_queue_exit(&h.ring);
}
END_TEST

START_TEST(level_triggered_epoll_tells_until_all_is_reaped)
{
	struct held h;
	int ep;

	hold(&h, 2);
	ep = epoll_of(&h.ring, EPOLLIN);
	ck_assert_int_eq(events_of(ep, 0), 0);
	dev_release(h.fs);
	ck_assert_int_eq(events_of(ep, 60000), 1);
	ck_assert_int_eq(events_of(ep, 0), 1);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	ck_assert_int_eq(events_of(ep, 60000), 1);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	ck_assert_int_eq(events_of(ep, 0), 0);
	submit_nop(&h.ring);
	ck_assert_int_eq(events_of(ep, 0), 1);
	nbread_queue_exit(&h.ring);
}
END_TEST

START_TEST(edge_triggered_epoll_tells_once_for_each_arrival)
{
	struct held h;
	int ep;

	hold(&h, 1);
	ep = epoll_of(&h.ring, EPOLLIN | EPOLLET);
	ck_assert_int_eq(events_of(ep, 0), 0);
	dev_release(h.fs);
	ck_assert_int_eq(events_of(ep, 60000), 1);
	/* Nothing new came, though it is still readable. */
	ck_assert_int_eq(events_of(ep, 0), 0);
	ck_assert(dev_readable(&h.ring));
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	/* Whatever the running of it told, from here on all is quiet. */
	events_of(ep, 0);
	ck_assert_int_eq(events_of(ep, 0), 0);

	/* And again, so that no edge is missed after the first. */
	nbtest_evict(h.fd);
	dev_hold(h.fs);
	dev_prep(&h.ring, h.fd, h.buf, PG, 0, 0, 1);
	dev_submit(&h.ring, 1);
	ck_assert_int_eq(events_of(ep, 0), 0);
	dev_release(h.fs);
	ck_assert_int_eq(events_of(ep, 60000), 1);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	nbread_queue_exit(&h.ring);
}
END_TEST

START_TEST(an_event_loop_with_edges_finishes_every_read)
{
	int fd = dev_cold_file(dev_fs(DEV_EXT4), MB(8), 12), ep;
	unsigned char *buf = dev_buf(64 * PG);
	struct nbread ring;
	unsigned int done = 0, put = 0;

	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&ring, 64);
	ep = epoll_of(&ring, EPOLLIN | EPOLLET);
	while (done < 2048) {
		struct nbread_cqe *cqe;
		unsigned int head, n = 0;

		for (; put < 2048 && put - done < 64; put++)
			dev_prep(&ring, fd, buf + put % 64 * PG, PG,
				 (uint64_t)put * 2654435761U % 2048 * PG, 0, put);
		ck_assert_int_ge(nbread_submit(&ring), 0);
		/* The rule for edges: go on until there is nothing more. */
		while (!nbread_cq_ready(&ring)) {
			ck_assert_int_eq(nbread_get_events(&ring), 0);
			if (!nbread_cq_ready(&ring))
				ck_assert_msg(events_of(ep, 60000) == 1, "an edge was lost");
		}
		nbread_for_each_cqe(&ring, head, cqe) {
			ck_assert_int_eq(cqe->res, PG);
			n++;
		}
		nbread_cq_advance(&ring, n);
		done += n;
	}
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_poll_suite(void)
{
	Suite *s = suite_create("poll");

	nbtest_add(s, a_ring_is_readable_while_a_completion_is_there);
	nbtest_add(s, a_ring_is_readable_when_the_data_of_a_parked_read_came_in);
	nbtest_add(s, a_poll_that_sleeps_is_woken_by_the_data);
	nbtest_add(s, a_poll_that_sleeps_is_woken_by_a_cancel);
	nbtest_add(s, level_triggered_epoll_tells_until_all_is_reaped);
	nbtest_add(s, edge_triggered_epoll_tells_once_for_each_arrival);
	nbtest_add(s, an_event_loop_with_edges_finishes_every_read);
	return s;
}
