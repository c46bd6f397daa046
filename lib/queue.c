// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Submit and wait: all of it is ENTER with different arguments.
 *
 * An ENTER that took entries returns their number even when its wait timed out
 * or was interrupted, so no call here enters a second time on behalf of a wait
 * that ended: a signal or a time-out is never swallowed.
 */
#include <signal.h>
#include <stdbool.h>
#include "internal.h"

/* The masks of the kernel are 64 bits; sigset_t's layout is the C library's own. */
static __u64 kernel_sigmask(const sigset_t *set)
{
	__u64 mask = 0;
	int sig;

	for (sig = 1; sig <= 64; sig++)
		if (sigismember(set, sig) == 1)
			mask |= 1ULL << (sig - 1);
	return mask;
}

static int fill_wait(struct nbread_enter *e, unsigned wait_nr, __s64 timeout_ns,
		     const sigset_t *sigmask)
{
	memset(e, 0, sizeof(*e));
	e->min_complete = wait_nr;
	if (timeout_ns < -1)
		return -EINVAL;
	if (timeout_ns >= 0) {
		e->flags |= NBREAD_ENTER_TIMEOUT;
		e->timeout_ns = (__u64)timeout_ns;
	}
	if (sigmask) {
		e->flags |= NBREAD_ENTER_SIGMASK;
		e->sigmask = kernel_sigmask(sigmask);
	}
	return 0;
}

/* Publishes the prepared entries; how many there are for the backend to take. */
static unsigned flush_sq(struct nbread *ring)
{
	nbread_store_release(ring->sq.ktail, ring->sq.sqe_tail);
	return nbread_sq_ready(ring);
}

static struct nbread_cqe *oldest_cqe(const struct nbread *ring)
{
	if (!nbread_cq_ready(ring))
		return NULL;
	return &ring->cq.cqes[nbread_load_relaxed(ring->cq.khead) & ring->cq.ring_mask];
}

/*
 * Is there anything that could complete? Each entry taken ends in one CQE, so
 * what was taken and has not ended is the distance of the two indices that the
 * backend writes. The CQ's is read first: while another thread submits, the
 * answer may be a yes too many, never a no.
 */
static bool in_flight(const struct nbread *ring)
{
	__u32 ended = nbread_load_acquire(ring->cq.ktail);

	return nbread_load_acquire(ring->sq.khead) != ended;
}

static bool wait_ended(int ret)
{
	return ret == -ETIME || ret == -EINTR;
}

int nbread_submit(struct nbread *ring)
{
	return nbread_submit_and_wait(ring, 0);
}

int nbread_submit_and_wait(struct nbread *ring, unsigned wait_nr)
{
	struct nbread_enter e;

	memset(&e, 0, sizeof(e));
	e.to_submit = flush_sq(ring);
	e.min_complete = wait_nr;
	if (!e.to_submit && nbread_cq_ready(ring) >= wait_nr)
		return 0;
	return ring->ops->enter(ring, &e);
}

int nbread_submit_and_wait_ns(struct nbread *ring, struct nbread_cqe **cqe_ptr, unsigned wait_nr,
			      __s64 timeout_ns, const sigset_t *sigmask)
{
	struct nbread_enter e;
	int ret;

	*cqe_ptr = NULL;
	ret = fill_wait(&e, wait_nr, timeout_ns, sigmask);
	if (ret < 0)
		return ret;
	e.to_submit = flush_sq(ring);
	if (!e.to_submit)
		return nbread_wait_cqes_ns(ring, cqe_ptr, wait_nr, timeout_ns, sigmask);
	ret = ring->ops->enter(ring, &e);
	if (ret < 0 && !wait_ended(ret))
		return ret;
	*cqe_ptr = oldest_cqe(ring);
	return ret < 0 && *cqe_ptr ? 0 : ret;
}

int nbread_wait_cqes_ns(struct nbread *ring, struct nbread_cqe **cqe_ptr, unsigned wait_nr,
			__s64 timeout_ns, const sigset_t *sigmask)
{
	struct nbread_enter e;
	int ret;

	*cqe_ptr = NULL;
	ret = fill_wait(&e, wait_nr, timeout_ns, sigmask);
	if (ret < 0)
		return ret;
	while (nbread_cq_ready(ring) < (wait_nr ? wait_nr : 1)) {
		if (!wait_nr && !in_flight(ring))
			return -EAGAIN;
		ret = ring->ops->enter(ring, &e);
		if (ret < 0 && !wait_ended(ret))
			return ret;
		/*
		 * Good news and still too few: another thread reaped them. Wait
		 * again, but not for the whole time once more.
		 */
		if (ret >= 0 && wait_nr && timeout_ns < 0)
			continue;
		*cqe_ptr = oldest_cqe(ring);
		if (*cqe_ptr)
			return 0;
		if (ret < 0)
			return ret;
		return wait_nr ? -ETIME : -EAGAIN;
	}
	*cqe_ptr = oldest_cqe(ring);
	return *cqe_ptr ? 0 : -EAGAIN;
}

int nbread_get_events(struct nbread *ring)
{
	struct nbread_enter e;
	int ret;

	memset(&e, 0, sizeof(e));
	ret = ring->ops->enter(ring, &e);
	return ret < 0 ? ret : 0;
}

unsigned nbread_peek_batch_cqe(struct nbread *ring, struct nbread_cqe **cqes, unsigned count)
{
	unsigned ready = nbread_cq_ready(ring);
	__u32 head;
	unsigned i;

	if (!ready && count && in_flight(ring)) {
		/* An error shows up again in the caller's next submit or wait. */
		nbread_get_events(ring);
		ready = nbread_cq_ready(ring);
	}
	if (count > ready)
		count = ready;
	head = nbread_load_relaxed(ring->cq.khead);
	for (i = 0; i < count; i++)
		cqes[i] = &ring->cq.cqes[(head + i) & ring->cq.ring_mask];
	return count;
}
