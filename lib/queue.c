// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Submit and wait: all of it is ENTER with different arguments.
 *
 * A ring with a thread (NBREAD_SETUP_SQTHREAD) needs no ENTER to submit, but to wake
 * the thread when it sleeps. What is published there counts as submitted, since
 * the thread takes it in any case; ENTER takes nothing itself and answers to_submit.
 *
 * An ENTER that took entries returns their number even when its wait timed out
 * or was interrupted, so no call here enters a second time on behalf of a wait
 * that ended: a signal or a time-out is never swallowed.
 */
#include <signal.h>
#include <stdbool.h>
#include "internal.h"
#include "sys.h"

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

int nbread_fill_wait(struct nbread_enter *e, unsigned wait_nr, __s64 timeout_ns,
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

void nbread_fix_end(struct nbread_enter *e)
{
	__u64 now;

	if (!(e->flags & NBREAD_ENTER_TIMEOUT))
		return;
	now = nbread_sys_now_ns();
	e->flags |= NBREAD_ENTER_ABS;
	e->timeout_ns = e->timeout_ns > INT64_MAX - now ? INT64_MAX : e->timeout_ns + now;
}

static bool has_thread(const struct nbread *ring)
{
	return ring->setup_flags & NBREAD_SETUP_SQTHREAD;
}

/*
 * The flag of ENTER that wakes the thread, if it sleeps over entries that it could
 * take: since it went to sleep an entry was published, or the completion queue, which
 * had no room for its result, was reaped. After every store of SQ tail and CQ head comes
 * one of these, and before every wait, since an ENTER that failed wakes nobody.
 */
static __u32 wakeup(const struct nbread *ring)
{
	/* Store of the index, then load of the flags; partner: see libnbread/barrier.h. */
	nbread_full_barrier();
	if (!(nbread_load_relaxed(ring->sq.kflags) & NBREAD_SQ_NEED_WAKEUP))
		return 0;
	/* It sleeps, so the head stands still. */
	if (nbread_load_relaxed(ring->sq.ktail) == nbread_load_acquire(ring->sq.khead))
		return 0;
	return NBREAD_ENTER_SQ_WAKEUP;
}

static __u32 wakeup_flag(const struct nbread *ring)
{
	return has_thread(ring) ? wakeup(ring) : 0;
}

/*
 * Publishes the prepared entries and fills in what there is to submit: all that the
 * backend has not taken yet or, with a thread, what was not published before.
 * Says whether it takes an ENTER to submit that and to have @e->min_complete.
 */
static bool hand_over(struct nbread *ring, struct nbread_enter *e)
{
	__u32 tail = ring->sq.sqe_tail, ready;

	if (has_thread(ring)) {
		e->to_submit = tail - nbread_load_relaxed(ring->sq.ktail);
		nbread_store_release(ring->sq.ktail, tail);
		e->flags |= wakeup(ring);
		if (e->flags & NBREAD_ENTER_SQ_WAKEUP)
			return true;
	} else {
		nbread_store_release(ring->sq.ktail, tail);
		e->to_submit = nbread_sq_ready(ring);
		if (e->to_submit)
			return true;
	}
	if (!e->min_complete)
		return false;
	ready = nbread_cq_ready(ring);
	/* More than there can be: another thread reaped between the looks at tail and head. */
	return ready < e->min_complete || ready > ring->cq.ring_entries;
}

/*
 * More completions than the CQ holds: ENTER would say so, but a thread has taken by then
 * what was published, and the caller would think that nothing was.
 */
static bool waits_for_too_many(const struct nbread *ring, unsigned wait_nr)
{
	return wait_nr > ring->cq.ring_entries;
}

static struct nbread_cqe *oldest_cqe(const struct nbread *ring)
{
	if (!nbread_cq_ready(ring))
		return NULL;
	return &ring->cq.cqes[nbread_load_relaxed(ring->cq.khead) & ring->cq.ring_mask];
}

/*
 * Is there anything that could complete? Each entry that is published ends in one CQE once
 * it is taken, so what has not ended is the distance of the two tails. The SQ's head
 * would not do: in an ENTER of another thread it stands still until the batch ends, while
 * completions of that batch are shown. The CQ's tail is read first: the answer
 * may be a yes too many, never a no.
 */
static bool in_flight(const struct nbread *ring)
{
	__u32 ended = nbread_load_acquire(ring->cq.ktail);

	return ring->ops->always_enter || nbread_load_acquire(ring->sq.ktail) != ended;
}

/*
 * Could an ENTER that does not wait bring completions? It runs reads whose data
 * came in; a thread does that by itself, once it is awake.
 */
bool nbread_enter_helps(const struct nbread *ring)
{
	return has_thread(ring) ? wakeup_flag(ring) : in_flight(ring);
}

int nbread_enter_wait(struct nbread *ring, struct nbread_enter *e)
{
	e->flags = (e->flags & ~NBREAD_ENTER_SQ_WAKEUP) | wakeup_flag(ring);
	return ring->ops->enter(ring, e);
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

	if (waits_for_too_many(ring, wait_nr))
		return -EINVAL;
	memset(&e, 0, sizeof(e));
	e.min_complete = wait_nr;
	if (!hand_over(ring, &e))
		return (int)e.to_submit;
	return ring->ops->enter(ring, &e);
}

int nbread_submit_and_wait_ns(struct nbread *ring, struct nbread_cqe **cqe_ptr, unsigned wait_nr,
			      __s64 timeout_ns, const sigset_t *sigmask)
{
	struct nbread_enter e;
	bool enter;
	int ret;

	*cqe_ptr = NULL;
	if (waits_for_too_many(ring, wait_nr))
		return -EINVAL;
	ret = nbread_fill_wait(&e, wait_nr, timeout_ns, sigmask);
	if (ret < 0)
		return ret;
	enter = hand_over(ring, &e);
	if (!e.to_submit)
		return nbread_wait_cqes_ns(ring, cqe_ptr, wait_nr, timeout_ns, sigmask);
	if (!enter) {
		*cqe_ptr = oldest_cqe(ring);
		return (int)e.to_submit;
	}
	ret = ring->ops->enter(ring, &e);
	if (ret < 0 && !wait_ended(ret))
		return ret;
	*cqe_ptr = oldest_cqe(ring);
	if (ret < 0 && *cqe_ptr)
		return 0;
	/* Nothing was taken, since there was no room, and nothing has come. */
	return !ret && !*cqe_ptr ? -EAGAIN : ret;
}

int nbread_wait_cqes_ns(struct nbread *ring, struct nbread_cqe **cqe_ptr, unsigned wait_nr,
			__s64 timeout_ns, const sigset_t *sigmask)
{
	struct nbread_enter e;
	int ret;

	*cqe_ptr = NULL;
	ret = nbread_fill_wait(&e, wait_nr, timeout_ns, sigmask);
	if (ret < 0)
		return ret;
	while (nbread_cq_ready(ring) < (wait_nr ? wait_nr : 1)) {
		if (!wait_nr && !nbread_enter_helps(ring))
			return -EAGAIN;
		ret = nbread_enter_wait(ring, &e);
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
	e.flags = wakeup_flag(ring);
	if (has_thread(ring) && !e.flags)
		return 0;
	ret = ring->ops->enter(ring, &e);
	return ret < 0 ? ret : 0;
}

int nbread_sqring_wait(struct nbread *ring)
{
	struct nbread_enter e;
	int ret;

	if (has_thread(ring) && !nbread_sq_space_left(ring)) {
		memset(&e, 0, sizeof(e));
		e.flags = NBREAD_ENTER_SQ_WAIT | wakeup_flag(ring);
		ret = ring->ops->enter(ring, &e);
		if (ret < 0)
			return ret;
	}
	return (int)nbread_sq_space_left(ring);
}

unsigned nbread_peek_batch_cqe(struct nbread *ring, struct nbread_cqe **cqes, unsigned count)
{
	unsigned ready = nbread_cq_ready(ring);
	__u32 head;
	unsigned i;

	if (!ready && count && nbread_enter_helps(ring)) {
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

int nbread_queue_drain_ns(struct nbread *ring, __s64 timeout_ns)
{
	struct nbread_enter e;
	int ret = nbread_fill_wait(&e, 0, timeout_ns, NULL);
	__u32 all;

	if (ret < 0)
		return ret;
	nbread_fix_end(&e);
	for (;;) {
		/* Of a thread's entries, as many as there is room for results. */
		all = has_thread(ring) ? nbread_load_relaxed(ring->sq.ktail) :
					 nbread_load_acquire(ring->sq.khead);
		all -= nbread_load_relaxed(ring->cq.khead);
		e.min_complete = all < ring->cq.ring_entries ? all : ring->cq.ring_entries;
		if (nbread_cq_ready(ring) >= e.min_complete)
			return 0;
		ret = nbread_enter_wait(ring, &e);
		if (ret < 0)
			return nbread_cq_ready(ring) >= e.min_complete ? 0 : ret;
	}
}
