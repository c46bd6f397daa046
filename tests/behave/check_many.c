// SPDX-License-Identifier: GPL-2.0-only
/* One ring for many threads: any submits, any reaps, and each completion is one thread's. */
#include <pthread.h>
#include "behave.h"

#define THREADS 4
#define EACH 1000
#define PAGES 64

static struct nbread ring;
static int shared_fd;
static unsigned char *buf;
static unsigned char times_seen[THREADS * EACH];
static unsigned nr_reaped;

/* Batches of its own entries, until all are taken; who finds the queue full takes some out. */
static int submit_mine(unsigned first)
{
	struct nbread_sqe sqes[16];
	unsigned n, sent = 0;
	int ret;

	while (sent < EACH) {
		n = EACH - sent < 16 ? EACH - sent : 16;
		memset(sqes, 0, sizeof(sqes));
		for (unsigned i = 0; i < n; i++) {
			unsigned id = first + sent + i, page = id % PAGES;

			nbread_prep_read(&sqes[i], shared_fd, buf + page * PG, PG, page * PG);
			nbread_sqe_set_flags(&sqes[i], id % 5 ? 0 : NBREAD_SQE_ASYNC);
			nbread_sqe_set_data64(&sqes[i], id);
		}
		ret = nbread_submit_sqes(&ring, sqes, n);
		if (ret < 0)
			return ret;
		sent += (unsigned)ret;
		if ((unsigned)ret < n)
			sched_yield(); /* the others reap */
	}
	return 0;
}

static void *submitter(void *arg)
{
	return (void *)(intptr_t)submit_mine(*(unsigned *)arg);
}

static void *reaper(void *arg)
{
	struct nbread_cqe out[8];
	unsigned *bad = arg;

	while (__atomic_load_n(&nr_reaped, __ATOMIC_ACQUIRE) < THREADS * EACH) {
		int n = nbread_reap_cqes_ns(&ring, out, 8, 1, 10 * MS, NULL);

		if (n == -ETIME)
			continue; /* another one had the last */
		*bad += n < 0;
		for (int i = 0; i < n; i++) {
			*bad += out[i].res != (int)PG || out[i].user_data >= THREADS * EACH;
			if (out[i].user_data < THREADS * EACH)
				__atomic_fetch_add(&times_seen[out[i].user_data], 1,
						   __ATOMIC_RELAXED);
		}
		__atomic_fetch_add(&nr_reaped, n > 0 ? (unsigned)n : 0, __ATOMIC_RELEASE);
	}
	return NULL;
}

START_TEST(any_thread_submits_and_any_reaps)
{
	pthread_t threads[2 * THREADS];
	unsigned first[THREADS], bad[THREADS] = {};
	void *ret;

	shared_fd = behave_warm_file(PAGES * PG, 3);
	buf = behave_buf(PAGES * PG);
	behave_ring(&ring, 32);
	for (unsigned i = 0; i < THREADS; i++) {
		first[i] = i * EACH;
		ck_assert_int_eq(pthread_create(&threads[2 * i], NULL, submitter, &first[i]), 0);
		ck_assert_int_eq(pthread_create(&threads[2 * i + 1], NULL, reaper, &bad[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[2 * i], &ret), 0);
		ck_assert_int_eq((intptr_t)ret, 0);
		ck_assert_int_eq(pthread_join(threads[2 * i + 1], NULL), 0);
		ck_assert_uint_eq(bad[i], 0);
	}
	for (unsigned i = 0; i < THREADS * EACH; i++)
		ck_assert_uint_eq(times_seen[i], 1);
	behave_check(buf, PAGES * PG, 0, 3);
	behave_none(&ring);
}
END_TEST

Suite *check_many_suite(void)
{
	Suite *s = behave_promise("many", "One ring for many threads");

	behave_add(s, any_thread_submits_and_any_reaps);
	return s;
}
