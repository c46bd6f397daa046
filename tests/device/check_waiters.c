// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several threads wait for the completions of one ring, in ENTER or in epoll(7): so
 * many are woken as there are completions, and none of those is left lying.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/nbread.h>
#include "device.h"

#define WAITERS 64

static struct nbread ring;
static _Atomic unsigned int returned;

/* ENTER without a submission: the library's calls are for one thread at a time. */
static int enter(unsigned int min_complete)
{
	struct nbread_enter e = { .min_complete = min_complete };

	return ioctl(nbread_ring_fd(&ring), NBREAD_IOC_ENTER, &e);
}

static void post_nops(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		nbread_prep_nop(nbread_get_sqe(&ring));
	dev_submit(&ring, (int)n);
}

static unsigned int sleepers(void)
{
	return (unsigned int)dev_fdinfo(&ring, "nbread-sleepers");
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	ck_assert_int_eq(pthread_create(thread, NULL, fn, arg), 0);
}

static void *enter_once(void *want)
{
	int ret = enter((unsigned int)(uintptr_t)want);

	returned++;
	return (void *)(intptr_t)ret;
}

/* Threads that wait in ENTER for one completion each, and sleep */
static void start_sleepers(pthread_t *threads)
{
	dev_ring(&ring, 64);
	for (int i = 0; i < WAITERS; i++)
		start(&threads[i], enter_once, (void *)1);
	dev_await(sleepers() == WAITERS);
}

static void join(pthread_t *threads, unsigned int n)
{
	void *ret;

	for (unsigned int i = 0; i < n; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &ret), 0);
		ck_assert_ptr_null(ret);
	}
}

START_TEST(one_completion_wakes_one_of_64_threads_in_enter)
{
	pthread_t threads[WAITERS];

	start_sleepers(threads);
	for (unsigned int n = 1; n <= WAITERS; n++) {
		post_nops(1);
		/* Who is woken is off the queue when the call that posted returns. */
		ck_assert_uint_eq(sleepers(), WAITERS - n);
		dev_await(returned >= n);
		ck_assert_uint_eq(returned, n);
	}
	join(threads, WAITERS);
	ck_assert_uint_eq(nbread_cq_ready(&ring), WAITERS);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(ten_completions_wake_ten_of_64_threads_in_enter)
{
	pthread_t threads[WAITERS];

	start_sleepers(threads);
	post_nops(10);
	ck_assert_uint_eq(sleepers(), WAITERS - 10);
	dev_await(returned >= 10);
	post_nops(WAITERS - 10);
	join(threads, WAITERS);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(the_data_of_one_parked_read_wakes_one_of_64_threads_in_enter)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 21);
	unsigned char *buf = dev_buf(PG);
	pthread_t threads[WAITERS];

	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	start_sleepers(threads);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, PG, 0, 0, 1);
	dev_submit(&ring, 1);
	ck_assert_uint_eq(sleepers(), WAITERS);
	dev_release(fs);
	/* It runs the read itself, and then it is the one that has it. */
	dev_await(returned >= 1);
	ck_assert_uint_eq(sleepers(), WAITERS - 1);
	ck_assert_uint_eq(returned, 1);
	dev_check(buf, PG, 0, 21);
	post_nops(WAITERS - 1);
	join(threads, WAITERS);
	nbread_queue_exit(&ring);
	close(fd);
}
END_TEST

static void on_cpu_0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void *enter_once_on_cpu_0(void *want)
{
	on_cpu_0();
	return enter_once(want);
}

START_TEST(who_is_woken_in_vain_tells_the_next_one)
{
	struct sched_param first = { .sched_priority = 10 };
	pthread_t two, one, other;
	struct nbread_cqe *cqe;

	dev_ring(&ring, 8);
	start(&two, enter_once_on_cpu_0, (void *)2);
	dev_await(sleepers() == 1);
	start(&one, enter_once, (void *)1);
	dev_await(sleepers() == 2);
	start(&other, enter_once, (void *)1);
	dev_await(sleepers() == 3);

	post_nops(1);
	dev_await(returned == 1);
	ck_assert_uint_eq(sleepers(), 2);
	/*
	 * The second completion is enough for who waits for two. But it gets no CPU
	 * before the first one is gone, and so sleeps on; then the one that is left is
	 * enough for the other.
	 */
	on_cpu_0();
	ck_assert_int_eq(sched_setscheduler(0, SCHED_FIFO, &first), 0);
	post_nops(1);
	ck_assert_int_eq(nbread_peek_cqe(&ring, &cqe), 0);
	nbread_cqe_seen(&ring, cqe);
	dev_await(returned == 2);
	dev_await(sleepers() == 1);
	post_nops(1);
	dev_await(returned == 3);
	join((pthread_t[]){ two, one, other }, 3);
	nbread_queue_exit(&ring);
}
END_TEST

#define MANY 20000

static pthread_mutex_t reaping = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned int reaped;
static atomic_bool over;

static void *reap_many(void *arg)
{
	unsigned int want = (unsigned int)(uintptr_t)arg;

	while (!over) {
		struct nbread_enter e = { .min_complete = want };
		unsigned int n;

		/* Some waits end by themselves. */
		if (want == 3) {
			e.flags = NBREAD_ENTER_TIMEOUT;
			e.timeout_ns = 10000;
		}
		if (ioctl(nbread_ring_fd(&ring), NBREAD_IOC_ENTER, &e) < 0 && errno != ETIME)
			nbtest_fatal("ENTER: %m");
		pthread_mutex_lock(&reaping);
		n = nbread_cq_ready(&ring);
		if (n > want)
			n = want;
		nbread_cq_advance(&ring, n);
		pthread_mutex_unlock(&reaping);
		reaped += n;
	}
	return NULL;
}

START_TEST(no_completion_is_left_lying_between_threads_that_wait_for_one_two_three_and_four)
{
	pthread_t threads[16];

	dev_ring(&ring, 64);
	for (unsigned int i = 0; i < 16; i++)
		start(&threads[i], reap_many, (void *)(uintptr_t)(1 + i % 4));
	for (unsigned int posted = 0; posted < MANY;) {
		post_nops(1 + posted % 3);
		posted += 1 + posted % 3;
		/* Four and more lie there: somebody must come. */
		while (posted - reaped > 8)
			dev_await(posted - reaped <= 8);
	}
	over = true;
	/* Enough for each of them, whatever it waits for. */
	dev_await(({
		if (nbread_cq_ready(&ring) < 4)
			post_nops(4);
		nbtest_threads() == 1;
	}));
	join(threads, 16);
	nbread_queue_exit(&ring);
}
END_TEST

struct poller {
	pthread_t thread;
	int ep;
	bool enters;
};

static void *epoll_once(void *arg)
{
	struct poller *p = arg;
	struct epoll_event ev;
	int n;

	do
		n = epoll_wait(p->ep, &ev, 1, -1);
	while (n < 0 && errno == EINTR);
	if (n != 1 || !(ev.events & EPOLLIN))
		nbtest_fatal("epoll_wait: %d, events %#x", n, ev.events);
	if (p->enters && enter(0) != 0)
		nbtest_fatal("ENTER: %m");
	returned++;
	return NULL;
}

static int epoll_of_ring(unsigned int events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, nbread_ring_fd(&ring), &ev), 0);
	return ep;
}

/* Do all the threads but ours sleep in epoll_wait? */
static bool all_in_epoll_wait(void)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], text[128];
	struct dirent *task;
	unsigned int n = 0;

	ck_assert(dir);
	while ((task = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/wchan", task->d_name);
		if (nbtest_read_text(path, text, sizeof(text)) > 0 && strstr(text, "poll"))
			n++;
	}
	closedir(dir);
	return n == WAITERS;
}

static void start_pollers(struct poller *p, unsigned int events, bool one_instance, bool enters)
{
	int ep = one_instance ? epoll_of_ring(events) : -1;

	for (int i = 0; i < WAITERS; i++) {
		p[i].ep = one_instance ? ep : epoll_of_ring(events);
		p[i].enters = enters;
		start(&p[i].thread, epoll_once, &p[i]);
	}
	dev_await(all_in_epoll_wait());
}

static void join_pollers(struct poller *p)
{
	for (int i = 0; i < WAITERS; i++)
		join(&p[i].thread, 1);
}

/* One epoll with edges and 64 threads; 64 exclusive ones with a thread each */
static const unsigned int kinds[] = { EPOLLIN | EPOLLET, EPOLLIN | EPOLLEXCLUSIVE };

START_TEST(one_completion_wakes_one_of_64_epoll_waiters)
{
	struct poller p[WAITERS];

	dev_ring(&ring, 64);
	start_pollers(p, kinds[_i], _i == 0, false);
	/* A second one that woke would be seen before the 64th at the latest. */
	for (unsigned int n = 1; n <= WAITERS; n++) {
		post_nops(1);
		dev_await(returned >= n);
		ck_assert_uint_eq(returned, n);
	}
	join_pollers(p);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(the_data_of_one_parked_read_wakes_one_of_64_epoll_waiters)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 22);
	unsigned char *buf = dev_buf(WAITERS * PG);
	struct poller p[WAITERS];

	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&ring, 64);
	start_pollers(p, kinds[_i], _i == 0, true);
	for (unsigned int n = 1; n <= 8; n++) {
		dev_hold(fs);
		dev_prep(&ring, fd, buf, PG, (off_t)n * PG, 0, n);
		dev_submit(&ring, 1);
		dev_release(fs);
		/* Who is told calls ENTER, which posts it: that is no news for the others. */
		dev_await(returned >= n);
		ck_assert_uint_eq(returned, n);
		ck_assert_uint_eq(nbread_cq_ready(&ring), n);
	}
	for (unsigned int n = 9; n <= WAITERS; n++) {
		post_nops(1);
		dev_await(returned >= n);
		ck_assert_uint_eq(returned, n);
	}
	join_pollers(p);
	nbread_queue_exit(&ring);
	close(fd);
}
END_TEST

Suite *check_waiters_suite(void)
{
	Suite *s = suite_create("waiters");

	nbtest_add(s, one_completion_wakes_one_of_64_threads_in_enter);
	nbtest_add(s, ten_completions_wake_ten_of_64_threads_in_enter);
	nbtest_add(s, the_data_of_one_parked_read_wakes_one_of_64_threads_in_enter);
	nbtest_add(s, who_is_woken_in_vain_tells_the_next_one);
	nbtest_add(
		s,
		no_completion_is_left_lying_between_threads_that_wait_for_one_two_three_and_four);
	nbtest_add_loop(s, one_completion_wakes_one_of_64_epoll_waiters, 2);
	nbtest_add_loop(s, the_data_of_one_parked_read_wakes_one_of_64_epoll_waiters, 2);
	return s;
}
