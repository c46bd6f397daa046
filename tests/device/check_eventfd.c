// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registered eventfd: it counts when completions were posted, and when a call would
 * make one; with ASYNC only for what was not answered as it was submitted. A loop that
 * waits for nothing else misses nothing.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "device.h"

struct held {
	const struct dev_fs *fs;
	struct nbread ring;
	unsigned char *buf;
	int fd;
	int efd;
};

static void begin(struct held *h, bool async)
{
	int ret;

	h->fs = dev_fs(DEV_EXT4);
	h->fd = dev_cold_file(h->fs, MB(1), 81);
	h->buf = dev_buf(MB(1));
	ck_assert_int_eq(posix_fadvise(h->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&h->ring, 64);
	h->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(h->efd, 0);
	ret = async ? nbread_register_eventfd_async(&h->ring, h->efd) :
		      nbread_register_eventfd(&h->ring, h->efd);
	ck_assert_int_eq(ret, 0);
}

static void park(struct held *h, int reads)
{
	dev_hold(h->fs);
	for (int i = 0; i < reads; i++)
		dev_prep(&h->ring, h->fd, h->buf + i * 2 * PG, PG, i * 2 * PG, 0, i);
	dev_submit(&h->ring, reads);
}

static void end(struct held *h)
{
	nbread_queue_exit(&h->ring);
	close(h->fd);
	close(h->efd);
}

/* What it counted since the last time. */
static uint64_t counted(const struct held *h)
{
	uint64_t n = 0;
	ssize_t ret = read(h->efd, &n, sizeof(n));

	if (ret != (ssize_t)sizeof(n))
		dev_must(ret < 0 && errno == EAGAIN, "read of the eventfd: %m");
	return n;
}

static void submit_nops(struct nbread *ring, int nr)
{
	for (int i = 0; i < nr; i++)
		nbread_prep_nop(nbread_get_sqe(ring));
	dev_submit(ring, nr);
}

START_TEST(completions_are_counted_once_for_each_batch)
{
	struct held h;

	begin(&h, false);
	ck_assert_uint_eq(counted(&h), 0);
	submit_nops(&h.ring, 1);
	ck_assert_uint_eq(counted(&h), 1);
	ck_assert_uint_eq(counted(&h), 0);
	submit_nops(&h.ring, 20);
	ck_assert_uint_eq(counted(&h), 1);
	/* What posts nothing says nothing. */
	for (int i = 0; i < 21; i++)
		dev_next(&h.ring);
	dev_check_none(&h.ring);
	ck_assert_uint_eq(counted(&h), 0);
	nbtest_warm(h.fd);
	ck_assert_int_eq(dev_read(&h.ring, h.fd, h.buf, PG, 0, 0).res, PG);
	ck_assert_uint_eq(counted(&h), 1);
	ck_assert_int_eq(dev_read(&h.ring, h.fd, h.buf, PG, 0, NBREAD_SQE_ASYNC).res, PG);
	dev_await(counted(&h) == 1);
	ck_assert_uint_eq(counted(&h), 0);
	end(&h);
}
END_TEST

START_TEST(with_async_what_was_answered_at_once_is_not_counted)
{
	struct held h;

	begin(&h, true);
	submit_nops(&h.ring, 50);
	for (int i = 0; i < 50; i++)
		dev_next(&h.ring);
	nbtest_warm(h.fd);
	ck_assert_int_eq(dev_read(&h.ring, h.fd, h.buf, PG, 0, 0).res, PG);
	ck_assert_int_eq(dev_read(&h.ring, -1, h.buf, PG, 0, 0).res, -EBADF);
	ck_assert_uint_eq(counted(&h), 0);
	ck_assert_int_eq(dev_read(&h.ring, h.fd, h.buf, PG, 0, NBREAD_SQE_ASYNC).res, PG);
	dev_await(counted(&h) == 1);
	end(&h);
}
END_TEST

/* _i: with ASYNC */
START_TEST(a_parked_read_is_told_when_it_can_go_on)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct held h;

	begin(&h, _i);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, h.efd, &ev), 0);
	park(&h, 1);
	dev_check_none(&h.ring);
	ck_assert_int_eq(epoll_wait(ep, &ev, 1, 0), 0);
	dev_release(h.fs);
	ck_assert_int_eq(epoll_wait(ep, &ev, 1, 60000), 1);
	ck_assert_uint_eq(nbread_cq_ready(&h.ring), 0);
	ck_assert_uint_eq(counted(&h), 1);
	ck_assert_int_eq(nbread_get_events(&h.ring), 0);
	/* And once more for its completion. */
	ck_assert_uint_eq(nbread_cq_ready(&h.ring), 1);
	ck_assert_uint_eq(counted(&h), 1);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	dev_check(h.buf, PG, 0, 81);
	close(ep);
	end(&h);
}
END_TEST

START_TEST(many_reads_that_become_ready_are_told_as_one_until_they_are_run)
{
	struct held h;

	begin(&h, false);
	park(&h, 32);
	ck_assert_uint_eq(counted(&h), 0);
	dev_release(h.fs);
	/* Nobody runs them, so the list is empty before the first alone. */
	for (int i = 0; i < 32; i++)
		dev_await(nbtest_page_resident(h.fd, (uint64_t)i * 2 * PG));
	dev_await(dev_readable(&h.ring));
	ck_assert_uint_eq(counted(&h), 1);
	for (int i = 0; i < 32; i++)
		ck_assert_int_eq(dev_next(&h.ring).res, PG);
	ck_assert_uint_ge(counted(&h), 1);
	end(&h);
}
END_TEST

START_TEST(an_eventfd_registered_while_a_read_is_ready_is_told_at_once)
{
	struct held h;

	begin(&h, false);
	ck_assert_int_eq(nbread_unregister_eventfd(&h.ring), 0);
	park(&h, 1);
	dev_release(h.fs);
	dev_await(dev_readable(&h.ring));
	ck_assert_uint_eq(counted(&h), 0);
	ck_assert_int_eq(nbread_register_eventfd_async(&h.ring, h.efd), 0);
	ck_assert_uint_eq(counted(&h), 1);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	end(&h);
}
END_TEST

START_TEST(a_cancel_is_told)
{
	struct held h;

	begin(&h, true);
	park(&h, 4);
	ck_assert_uint_eq(counted(&h), 0);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 2, 0), 1);
	ck_assert_uint_eq(counted(&h), 1);
	ck_assert_int_eq(dev_next(&h.ring).res, -ECANCELED);
	dev_release(h.fs);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(dev_next(&h.ring).res, PG);
	end(&h);
}
END_TEST

/* CANCEL takes the list of ready reads away for a moment, in which a loop may have looked. */
START_TEST(what_a_cancel_puts_back_is_told_again)
{
	struct held h;

	begin(&h, false);
	park(&h, 4);
	dev_release(h.fs);
	for (int i = 0; i < 4; i++)
		dev_await(nbtest_page_resident(h.fd, (uint64_t)i * 2 * PG));
	dev_await(dev_readable(&h.ring));
	ck_assert_uint_eq(counted(&h), 1);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 1, 0), 1);
	ck_assert_uint_eq(counted(&h), 2);
	for (int i = 0; i < 4; i++)
		dev_next(&h.ring);
	end(&h);
}
END_TEST

START_TEST(after_the_unregistration_nothing_is_told)
{
	struct held h;

	begin(&h, false);
	ck_assert_uint_eq(dev_fdinfo(&h.ring, "nbread-eventfd"), 1);
	ck_assert_int_eq(nbread_unregister_eventfd(&h.ring), 0);
	ck_assert_uint_eq(dev_fdinfo(&h.ring, "nbread-eventfd"), 0);
	submit_nops(&h.ring, 2);
	for (int i = 0; i < 2; i++)
		dev_next(&h.ring);
	ck_assert_int_eq(dev_read(&h.ring, h.fd, h.buf, PG, 0, 0).res, PG);
	ck_assert_uint_eq(counted(&h), 0);
	ck_assert_int_eq(nbread_unregister_eventfd(&h.ring), -ENXIO);
	end(&h);
}
END_TEST

START_TEST(a_ring_closed_with_its_eventfd_lets_go_of_all)
{
	long refs = dev_module_idle();
	struct held h;

	begin(&h, false);
	close(h.efd);
	h.efd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(nbread_register_eventfd(&h.ring, h.efd), -EBUSY);
	park(&h, 4);
	nbread_queue_exit(&h.ring);
	dev_release(h.fs);
	dev_await(dev_module_refs() == refs);
	close(h.fd);
	close(h.efd);
}
END_TEST

#define ROUNDS 1000

static void *evict_often(void *arg)
{
	const struct held *h = arg;

	while (!__atomic_load_n(&h->buf[0], __ATOMIC_ACQUIRE))
		posix_fadvise(h->fd, 0, 0, POSIX_FADV_DONTNEED);
	return NULL;
}

/* Cold, resident and by a worker, in any order: a loop that sleeps on the eventfd alone. */
START_TEST(a_loop_that_waits_for_its_eventfd_alone_never_sleeps_for_ever)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), waits = 0;
	unsigned int put = 0, done = 0;
	struct nbread_cqe *cqe;
	pthread_t thread;
	struct held h;

	begin(&h, false);
	h.buf[0] = 0;
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, h.efd, &ev), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, evict_often, &h), 0);
	while (done < ROUNDS) {
		for (; put < ROUNDS && put - done < 16; put++)
			dev_prep(&h.ring, h.fd, h.buf + (1 + put % 64) * PG, PG,
				 (put * 37 % 256) * PG, put % 7 ? 0 : NBREAD_SQE_ASYNC, put);
		dev_must(nbread_submit(&h.ring) >= 0, "submit");
		while (nbread_peek_cqe(&h.ring, &cqe) == 0) {
			dev_must(cqe->res == (int)PG, "%llu: %d",
				 (unsigned long long)cqe->user_data, cqe->res);
			nbread_cqe_seen(&h.ring, cqe);
			done++;
		}
		if (done == put)
			continue;
		dev_must(epoll_wait(ep, &ev, 1, 60000) == 1, "%u of %u, and nothing was told", done,
			 put);
		counted(&h);
		dev_must(nbread_get_events(&h.ring) == 0, "get_events");
		waits++;
	}
	__atomic_store_n(&h.buf[0], 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	ck_assert_int_gt(waits, 0);
	close(ep);
	end(&h);
}
END_TEST

Suite *check_eventfd_suite(void);

Suite *check_eventfd_suite(void)
{
	Suite *s = suite_create("eventfd");

	nbtest_add(s, completions_are_counted_once_for_each_batch);
	nbtest_add(s, with_async_what_was_answered_at_once_is_not_counted);
	nbtest_add_loop(s, a_parked_read_is_told_when_it_can_go_on, 2);
	nbtest_add(s, many_reads_that_become_ready_are_told_as_one_until_they_are_run);
	nbtest_add(s, an_eventfd_registered_while_a_read_is_ready_is_told_at_once);
	nbtest_add(s, a_cancel_is_told);
	nbtest_add(s, what_a_cancel_puts_back_is_told_again);
	nbtest_add(s, after_the_unregistration_nothing_is_told);
	nbtest_add(s, a_ring_closed_with_its_eventfd_lets_go_of_all);
	nbtest_add(s, a_loop_that_waits_for_its_eventfd_alone_never_sleeps_for_ever);
	return s;
}
