// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: ENTER, its checks and its wait.
 *
 * A thread that waits does so in ppoll(2) on an eventfd of its own, since that alone takes
 * a signal mask and a time-out and is ended by a signal, in one step. Who posts writes to
 * the eventfds of those that have enough (threads_complete.c).
 */
#include "threads.h"

static int check_enter(const struct nbread_enter *e)
{
	const __u32 known = NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK;

	/* SQ_WAKEUP and SQ_WAIT belong to SQTHREAD, which SETUP refuses. */
	if (e->resv0 || e->resv[0] || e->resv[1] || (e->flags & ~known))
		return -EINVAL;
	if (!(e->flags & NBREAD_ENTER_TIMEOUT) && (e->timeout_ns || e->flags & NBREAD_ENTER_ABS))
		return -EINVAL;
	return !(e->flags & NBREAD_ENTER_SIGMASK) && e->sigmask ? -EINVAL : 0;
}

/* The end of the wait as a point of CLOCK_MONOTONIC; ~0: none */
static __u64 expiry(const struct nbread_enter *e)
{
	__u64 now;

	if (!(e->flags & NBREAD_ENTER_TIMEOUT))
		return UINT64_MAX;
	if (e->flags & NBREAD_ENTER_ABS)
		return e->timeout_ns;
	now = nbread_sys_now_ns();
	return e->timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + e->timeout_ns;
}

static __s64 time_left(__u64 expires)
{
	__u64 now;

	if (expires == UINT64_MAX)
		return -1;
	now = nbread_sys_now_ns();
	if (expires <= now)
		return 0;
	/* No wait of ours is longer than what any time_t can hold. */
	return expires - now < INT32_MAX * 1000000000ULL ? (__s64)(expires - now) :
							   INT32_MAX * 1000000000LL;
}

static int get_event(struct nbread_thr *t)
{
	int fd = -1;

	pthread_mutex_lock(&t->lock);
	if (t->nr_spare)
		fd = t->spare[--t->nr_spare];
	pthread_mutex_unlock(&t->lock);
	return fd >= 0 ? fd : nbread_sys_eventfd();
}

static void put_event(struct nbread_thr *t, int fd)
{
	pthread_mutex_lock(&t->lock);
	if (t->nr_spare < sizeof(t->spare) / sizeof(t->spare[0])) {
		t->spare[t->nr_spare++] = fd;
		fd = -1;
	}
	pthread_mutex_unlock(&t->lock);
	if (fd >= 0)
		nbread_sys_close(fd);
}

/* On the list, unless there is enough already: looked at under the lock of who posts. */
static bool list_waiter(struct nbread_thr *t, struct nbread_thr_waiter *w)
{
	struct nbread_thr_waiter **at;
	__u32 ready;

	pthread_mutex_lock(&t->lock);
	if (!nbread_thr_cq_ready(t, &ready) || ready >= w->want) {
		pthread_mutex_unlock(&t->lock);
		return false;
	}
	for (at = &t->waiters; *at; at = &(*at)->next)
		;
	*at = w;
	w->next = NULL;
	w->listed = true;
	/* Completions that this one was woken for and did not take are for others. */
	if (ready)
		nbread_thr_wake(t, ready);
	pthread_mutex_unlock(&t->lock);
	return true;
}

/* Off the list; a wake-up that came meanwhile is used up. */
static void unlist_waiter(struct nbread_thr *t, struct nbread_thr_waiter *w)
{
	struct nbread_thr_waiter **at;
	bool woken;

	pthread_mutex_lock(&t->lock);
	woken = !w->listed;
	for (at = &t->waiters; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	w->listed = false;
	pthread_mutex_unlock(&t->lock);
	if (woken)
		nbread_sys_event_clear(w->event);
}

/*
 * How many completions there are; or -EINVAL for indices that cannot be. Without the lock
 * others may reap and post between the looks at head and tail, so only a look under it, when
 * the tail stands still, says that.
 */
static int look_at_cq(struct nbread_thr *t, __u32 *ready)
{
	bool can_be = nbread_thr_cq_ready(t, ready);

	if (!can_be) {
		pthread_mutex_lock(&t->lock);
		can_be = nbread_thr_cq_ready(t, ready);
		pthread_mutex_unlock(&t->lock);
	}
	return can_be ? 0 : -EINVAL;
}

/* Wait until the CQ holds @want. Return: 0, -EINTR, -ETIME, -EINVAL or of eventfd(2). */
static int wait_for(struct nbread_thr *t, __u32 want, __u64 expires, const __u64 *sigmask)
{
	struct nbread_thr_waiter w = { .want = want, .event = -1 };
	int err = 0, ret;
	__u32 ready;

	for (;;) {
		ret = look_at_cq(t, &ready);
		if (ret < 0 || ready >= want)
			break;
		ret = err;
		if (ret < 0)
			break;
		if (w.event < 0) {
			w.event = get_event(t);
			if (w.event < 0)
				return w.event;
		}
		if (!list_waiter(t, &w))
			continue;
		ret = nbread_sys_wait(w.event, time_left(expires), sigmask);
		if (ret < 0)
			err = ret;
		else if (ret == 0 && !time_left(expires))
			err = -ETIME;
		unlist_waiter(t, &w);
	}
	if (w.event >= 0)
		put_event(t, w.event);
	return ret;
}

/* The CQ is empty and the fd says it is not: put it out. */
static void settle_fd(struct nbread_thr *t)
{
	__u32 ready;

	if (!nbread_thr_cq_ready(t, &ready) || ready)
		return;
	pthread_mutex_lock(&t->lock);
	if (t->lit && nbread_thr_cq_ready(t, &ready) && !ready) {
		nbread_sys_event_clear(t->ring_fd);
		t->lit = false;
	}
	pthread_mutex_unlock(&t->lock);
}

int nbread_thr_enter(struct nbread *ring, struct nbread_enter *e)
{
	struct nbread_thr *t = nbread_thr_of(ring);
	int submitted = 0, ret = check_enter(e);
	__u64 expires;

	if (ret < 0)
		return ret;
	if (nbread_thr_foreign(t))
		return -EPERM;
	if (e->min_complete > t->cq_entries)
		return -EINVAL;
	expires = expiry(e);
	if (e->to_submit) {
		submitted = nbread_thr_submit(t, e->to_submit);
		if (submitted < 0)
			return submitted;
	}
	if (e->min_complete)
		ret = wait_for(t, e->min_complete, expires,
			       e->flags & NBREAD_ENTER_SIGMASK ? &e->sigmask : NULL);
	settle_fd(t);
	return submitted ? submitted : ret;
}
