// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Rings that many threads use at a time: whole batches go in and out by copy, each
 * side under a lock of its own. A ring that one thread submits to and one reaps
 * never comes here, so it pays nothing.
 *
 * The locks live beside the ring, in memory of nbread_queue_init(), since struct
 * nbread has no room for two mutexes of every C library.
 *
 * The submission lock is held over the ENTER: the kernel lets one task at a time
 * submit to a ring in any case, and only so can it be told which entries were taken.
 * No lock is held over a wait.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include "internal.h"
#include "sys.h"

/* Each on a cache line of its own: different threads take them. */
struct nbread_locks {
	pthread_mutex_t submit __attribute__((aligned(64)));
	pthread_mutex_t reap __attribute__((aligned(64)));
};

static struct nbread_locks *locks_of(const struct nbread *ring)
{
	return (struct nbread_locks *)(uintptr_t)ring->locks;
}

int nbread_locks_init(struct nbread *ring)
{
	struct nbread_locks *locks = NULL;
	int saved = errno;

	if (posix_memalign((void **)&locks, 64, sizeof(*locks)))
		locks = NULL;
	errno = saved;
	if (!locks)
		return -ENOMEM;
	/* Mutexes without attributes: this cannot fail. */
	pthread_mutex_init(&locks->submit, NULL);
	pthread_mutex_init(&locks->reap, NULL);
	ring->locks = (uintptr_t)locks;
	return 0;
}

void nbread_locks_exit(struct nbread *ring)
{
	struct nbread_locks *locks = locks_of(ring);

	pthread_mutex_destroy(&locks->submit);
	pthread_mutex_destroy(&locks->reap);
	free(locks);
	ring->locks = 0;
}

/* Copies as many as there is room for into the queue; how many. */
static unsigned put(struct nbread *ring, const struct nbread_sqe *sqes, unsigned n)
{
	struct nbread_sq *sq = &ring->sq;
	unsigned room = nbread_sq_space_left(ring), i;

	if (n > room)
		n = room;
	for (i = 0; i < n; i++)
		sq->sqes[sq->sqe_tail++ & sq->ring_mask] = sqes[i];
	return n;
}

/*
 * Submits the @n entries that were just put in. How many are out of the caller's hands,
 * or -errno if none is. On a plain ring the kernel looks at the tail in an ENTER that
 * submits, and we hold the lock, so what was not taken can be pulled back. A
 * thread may look at any time: what it can see is submitted, and it is the next call
 * that has to wake it if this one could not.
 */
static int push(struct nbread *ring, unsigned n)
{
	int ret = nbread_submit(ring);

	if (ring->setup_flags & NBREAD_SETUP_SQTHREAD)
		return (int)n;
	ring->sq.sqe_tail = nbread_load_acquire(ring->sq.khead);
	nbread_store_release(ring->sq.ktail, ring->sq.sqe_tail);
	return ret;
}

int nbread_submit_sqes(struct nbread *ring, const struct nbread_sqe *sqes, unsigned n)
{
	struct nbread_locks *locks = locks_of(ring);
	unsigned done = 0, some;
	int ret = 0;

	if (n > INT_MAX)
		return -EINVAL;
	pthread_mutex_lock(&locks->submit);
	while (done < n) {
		some = put(ring, sqes + done, n - done);
		if (!some)
			break;
		ret = push(ring, some);
		if (ret < 0)
			break;
		done += (unsigned)ret;
		if ((unsigned)ret < some)
			break;
	}
	pthread_mutex_unlock(&locks->submit);
	return done ? (int)done : ret < 0 ? ret : 0;
}

/* Copies out up to @n if there are @want; how many. */
static int take(struct nbread *ring, struct nbread_cqe *out, unsigned n, unsigned want)
{
	struct nbread_locks *locks = locks_of(ring);
	const struct nbread_cq *cq = &ring->cq;
	unsigned ready, i;
	__u32 head;

	pthread_mutex_lock(&locks->reap);
	ready = nbread_cq_ready(ring);
	if (ready < want)
		ready = 0;
	if (n > ready)
		n = ready;
	head = nbread_load_relaxed(cq->khead);
	for (i = 0; i < n; i++)
		out[i] = cq->cqes[(head + i) & cq->ring_mask];
	nbread_cq_advance(ring, n);
	pthread_mutex_unlock(&locks->reap);
	return (int)n;
}

int nbread_reap_cqes_ns(struct nbread *ring, struct nbread_cqe *out, unsigned n, unsigned wait_nr,
			__s64 timeout_ns, const sigset_t *sigmask)
{
	struct nbread_enter e;
	int ret, got;

	if (n > INT_MAX)
		return -EINVAL;
	ret = nbread_fill_wait(&e, wait_nr, timeout_ns, sigmask);
	if (ret < 0)
		return ret;
	if (!n)
		return 0;
	got = take(ring, out, n, wait_nr);
	if (got || (!wait_nr && !nbread_enter_helps(ring)))
		return got;
	/* Others may take what woke us, any number of times: the end of the wait stays. */
	nbread_fix_end(&e);
	for (;;) {
		ret = nbread_enter_wait(ring, &e);
		got = take(ring, out, n, ret == -ETIME || ret == -EINTR ? 0 : wait_nr);
		if (got)
			return got;
		if (ret < 0)
			return ret;
		if (!wait_nr)
			return 0;
	}
}
