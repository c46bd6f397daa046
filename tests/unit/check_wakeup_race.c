// SPDX-License-Identifier: GPL-2.0-only
/*
 * The race of the tail and the flag, with a real thread that does as the kernel's
 * does: no entry may be left to a thread that sleeps. It sleeps after every entry, so
 * that each submit meets a thread that is about to.
 */
#include <pthread.h>
#include <sched.h>
#include "nbtest.h"
#include "fake.h"

#define ROUNDS 1000000
#define ENOUGH (3 * UINT64_C(1000000000)) /* a machine that is busy with other things */

#define SPINS 10000

static struct nbread ring;
static __u32 taken;
static bool stop;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

static void *kernel_thread(void *arg)
{
	__u32 seen = nbread_load_acquire(&taken);
	unsigned i;

	(void)arg;
	while (!stopped()) {
		/* To sleep: say so, full barrier, look once more. */
		__atomic_store_n(ring.sq.kflags, NBREAD_SQ_NEED_WAKEUP, __ATOMIC_RELAXED);
		nbread_full_barrier();
		if (nbread_load_acquire(ring.sq.ktail) == seen)
			for (i = 1; nbread_load_acquire(ring.sq.kflags) && !stopped(); i++)
				if (i % SPINS == 0)
					sched_yield();
		__atomic_store_n(ring.sq.kflags, 0, __ATOMIC_RELAXED);
		seen = nbread_load_acquire(ring.sq.ktail);
		nbread_store_release(ring.sq.khead, seen);
		nbread_store_release(&taken, seen);
	}
	return NULL;
}

/* What the fake's ENTER calls: the cleared flag is the wake-up. */
static void wake_kernel_thread(void)
{
	nbread_store_release(ring.sq.kflags, 0);
}

/* Spins, so that the next submit comes while the thread is on its way to sleep. */
static bool taken_up_to(__u32 tail)
{
	uint64_t end = nbtest_now_ns() + 20 * UINT64_C(1000000000);
	unsigned i;

	do {
		for (i = 0; i < SPINS; i++)
			if (nbread_load_acquire(&taken) == tail)
				return true;
		sched_yield();
	} while (nbtest_now_ns() < end);
	return false;
}

START_TEST(no_entry_is_left_to_a_thread_that_goes_to_sleep)
{
	uint64_t end = nbtest_now_ns() + ENOUGH;
	pthread_t thread;
	unsigned i;

	fake_thread_ring(&ring, 8);
	fake.take_max = 0; /* ours takes */
	fake.during_enter = wake_kernel_thread;
	taken = *ring.sq.khead;
	ck_assert_int_eq(pthread_create(&thread, NULL, kernel_thread, NULL), 0);
	for (i = 0; i < ROUNDS && nbtest_now_ns() < end; i++) {
		nbread_prep_nop(nbread_get_sqe(&ring));
		if (nbread_submit(&ring) != 1)
			nbtest_fatal("round %u: not one entry", i);
		if (!taken_up_to(*ring.sq.ktail))
			nbtest_fatal("round %u: the thread sleeps over an entry", i);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}
END_TEST

Suite *check_wakeup_race_suite(void)
{
	Suite *s = suite_create("wakeup_race");

	nbtest_add(s, no_entry_is_left_to_a_thread_that_goes_to_sleep);
	return s;
}
