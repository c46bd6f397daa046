// SPDX-License-Identifier: GPL-2.0-only
/*
 * enter.c - NBREAD_IOC_ENTER: submit, run what is ready, wait; and poll.
 *
 * Role: check the call, drive submit.c and miss.c, sleep until enough is there.
 * Callers: main.c. Context: task with the ring's mm (others get -EPERM).
 * Locks: none held while it sleeps. References: the ioctl's file holds the context.
 *
 * A waiter is woken when what it waits for can be had: completions that are posted
 * plus reads whose wake-up has come, which it then runs itself. So a batch of
 * parked reads costs one context switch, not one each.
 */
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/sched/xacct.h>

#include "internal.h"

struct nb_waiter {
	struct wait_queue_entry wq;
	struct nb_ctx *ctx;
	struct nb_ring *ring;
	u32 want;
};

/* The thread of an SQTHREAD ring found an SQ tail that cannot be. */
static bool has_bad_tail(const struct nb_ctx *ctx)
{
	return ctx->sq && READ_ONCE(ctx->sq->bad_tail);
}

/*
 * Any context, also under a folio wait-queue lock with interrupts off. A woken read
 * counts only while it is on the list: one that another task took is that task's to
 * run, and its flush wakes us again. So each true here finds something to take.
 */
static bool enough(const struct nb_waiter *w)
{
	bool listed = !llist_empty(&w->ctx->ready);
	int woken = listed ? atomic_read(&w->ctx->nr_ready) : 0;
	u32 ready;

	if (nb_ring_cq_ready(w->ring, &ready) || has_bad_tail(w->ctx))
		return true; /* let the waiter find out */
	if (listed && READ_ONCE(w->ctx->urgent))
		return true;
	return (u64)ready + max(woken, 0) >= w->want;
}

/* Under wait.lock, in a walk of nb_wake_waiters(). */
static int wake_if_enough(struct wait_queue_entry *wq, unsigned int mode, int sync, void *key)
{
	struct nb_waiter *w = container_of(wq, struct nb_waiter, wq);

	lockdep_assert_held(&w->ctx->wait.lock);
	if (!enough(w)) {
		w->ctx->next_want = min(w->ctx->next_want, w->want);
		return 0;
	}
	return autoremove_wake_function(wq, mode, sync, key);
}

/* As prepare_to_wait(), and say how much it takes to be woken. */
static void get_ready_to_sleep(struct nb_waiter *w)
{
	struct nb_ctx *ctx = w->ctx;

	spin_lock_irq(&ctx->wait.lock);
	if (list_empty(&w->wq.entry))
		__add_wait_queue(&ctx->wait, &w->wq);
	WRITE_ONCE(ctx->min_want, min(ctx->min_want, w->want));
	/* Its full barrier pairs with those of nb_wake() and nb_flush(). */
	set_current_state(TASK_INTERRUPTIBLE);
	spin_unlock_irq(&ctx->wait.lock);
}

/*
 * Wait until the CQ holds @want. Return: 0, -EINTR, -ETIME, -EINVAL. What became
 * ready is run in any case, so that a time-out leaves no finished read unseen.
 */
static int nb_wait(struct nb_batch *b, struct nb_ring *ring, u32 want, ktime_t *expires)
{
	struct nb_waiter w = { .ctx = b->ctx, .ring = ring, .want = want };
	int err = 0;
	u32 ready;

	init_waitqueue_func_entry(&w.wq, wake_if_enough);
	w.wq.private = current;
	INIT_LIST_HEAD(&w.wq.entry);
	for (;;) {
		nb_run_ready(b);
		nb_flush(b);
		if (nb_ring_cq_ready(ring, &ready) || has_bad_tail(b->ctx))
			return -EINVAL;
		if (ready >= want)
			return 0;
		if (err)
			return err;
		get_ready_to_sleep(&w);
		if (signal_pending(current))
			err = -EINTR;
		else if (!enough(&w) && !schedule_hrtimeout_range(expires, 0, HRTIMER_MODE_ABS))
			err = -ETIME;
		finish_wait(&b->ctx->wait, &w.wq);
		cond_resched();
	}
}

static sigset_t sigset_of(u64 mask)
{
	sigset_t set;

	BUILD_BUG_ON(_NSIG > 64);
	set.sig[0] = mask;
	if (_NSIG_WORDS > 1)
		set.sig[_NSIG_WORDS - 1] = mask >> 32;
	return set;
}

/* First for room in the SQ, if asked to, then for completions. */
static int wait_for_both(struct nb_batch *b, struct nb_ring *ring, const struct nbread_enter *p,
			 ktime_t *expires)
{
	int ret = 0;

	if (p->flags & NBREAD_ENTER_SQ_WAIT)
		ret = nb_sq_wait_room(b->ctx, expires);
	/* Also without a wait: it runs what is ready. */
	return ret ? ret : nb_wait(b, ring, p->min_complete, expires);
}

/* As ppoll(2): the mask holds during the wait and, after -EINTR, for the handler. */
static int wait_masked(struct nb_batch *b, struct nb_ring *ring, const struct nbread_enter *p,
		       ktime_t *expires)
{
	sigset_t mask, old;
	int ret;

	if (!(p->flags & NBREAD_ENTER_SIGMASK))
		return wait_for_both(b, ring, p, expires);
	mask = sigset_of(p->sigmask);
	sigdelsetmask(&mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	sigprocmask(SIG_SETMASK, &mask, &old);
	ret = wait_for_both(b, ring, p, expires);
	if (ret == -EINTR) {
		current->saved_sigmask = old;
		set_restore_sigmask();
	} else {
		sigprocmask(SIG_SETMASK, &old, NULL);
	}
	return ret;
}

static int check_enter(const struct nbread_enter *p)
{
	if (p->resv0 || p->resv[0] || p->resv[1] || (p->flags & ~NB_ENTER_FLAGS))
		return -EINVAL;
	if (!(p->flags & NBREAD_ENTER_TIMEOUT) && (p->timeout_ns || p->flags & NBREAD_ENTER_ABS))
		return -EINVAL;
	return !(p->flags & NBREAD_ENTER_SIGMASK) && p->sigmask ? -EINVAL : 0;
}

static ktime_t expiry(const struct nbread_enter *p)
{
	ktime_t t = p->timeout_ns > KTIME_MAX ? KTIME_MAX : (ktime_t)p->timeout_ns;

	return p->flags & NBREAD_ENTER_ABS ? t : ktime_add_safe(ktime_get(), t);
}

/* Take entries, or have the ring's thread take them. Return: how many, or -errno. */
static int submit(struct nb_batch *b, struct nb_ring *ring, const struct nbread_enter *p)
{
	int ret;

	if (!b->ctx->sq)
		return p->to_submit ? nb_submit(b, ring, p->to_submit) : 0;
	ret = nb_sq_enter(b->ctx, p->flags);
	return ret ? ret : min(p->to_submit, ring->sq_mask + 1);
}

/**
 * nb_enter() - NBREAD_IOC_ENTER
 * @ctx: the context
 * @p: the call, copied
 *
 * Return: see struct nbread_enter.
 */
long nb_enter(struct nb_ctx *ctx, const struct nbread_enter *p)
{
	struct nb_ring *ring = nb_ctx_ring(ctx);
	int submitted, ret = check_enter(p);
	ktime_t expires;
	struct nb_batch b;

	if (ret)
		return ret;
	if (!ring)
		return -ENXIO;
	if (current->mm != ctx->mm)
		return -EPERM;
	if (p->min_complete > ring->cq_mask + 1)
		return -EINVAL;
	if (!ctx->sq && (p->flags & (NBREAD_ENTER_SQ_WAKEUP | NBREAD_ENTER_SQ_WAIT)))
		return -EINVAL;
	if (p->flags & NBREAD_ENTER_TIMEOUT)
		expires = expiry(p);

	nb_batch_init(&b, ctx);
	submitted = submit(&b, ring, p);
	if (submitted < 0)
		return submitted;
	if (p->min_complete || (p->flags & NBREAD_ENTER_SQ_WAIT)) {
		ret = wait_masked(&b, ring, p, p->flags & NBREAD_ENTER_TIMEOUT ? &expires : NULL);
	} else {
		nb_run_ready(&b);
		nb_flush(&b);
	}
	if (b.bytes)
		add_rchar(current, b.bytes);
	inc_syscr(current);
	return submitted ? submitted : ret;
}

/**
 * nb_poll() - readable when a CQE is there or ENTER would make progress
 * @file: the device
 * @pt: poll table
 */
__poll_t nb_poll(struct file *file, struct poll_table_struct *pt)
{
	struct nb_ctx *ctx = file->private_data;
	struct nb_ring *ring = nb_ctx_ring(ctx);
	u32 ready;

	/* First: epoll enqueues once, at EPOLL_CTL_ADD, which may come before SETUP. */
	poll_wait(file, &ctx->wait, pt);
	if (!ring)
		return EPOLLERR;
	/* On the queue before the look; pairs with nb_wake() and nb_flush(). */
	smp_mb();
	if (nb_ring_cq_ready(ring, &ready) || ready || !llist_empty(&ctx->ready))
		return EPOLLIN | EPOLLRDNORM;
	return 0;
}
