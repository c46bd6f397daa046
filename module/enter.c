// SPDX-License-Identifier: GPL-2.0-only
/*
 * enter.c - NBREAD_IOC_ENTER: submit, run what is ready, wait.
 *
 * Role: check the call, drive submit.c, spread.c and wait.c until enough is there.
 * Callers: main.c. Context: task with the ring's mm (others get -EPERM).
 * Locks: none held while it sleeps. References: the ioctl's file holds the context.
 *
 * A waiter is woken when what it waits for can be had: completions that are posted
 * plus reads whose wake-up has come, which it then runs itself. So a batch of
 * parked reads costs one context switch, not one each.
 */
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/sched/xacct.h>

#include "internal.h"

/*
 * Run what is ready, post it, and tell of it. Return: 0, 1 if the CQ holds @want,
 * -EINVAL. Who has enough takes one completion for himself: of the rest he tells the other
 * sleepers. Who has not tells on what he was woken for.
 */
static int go_round(struct nb_batch *b, struct nb_ring *ring, u32 want, bool told)
{
	struct nb_ctx *ctx = b->ctx;
	unsigned int posted, sleepers, pollers;
	u32 ready;
	int ret;

	nb_run_ready(b);
	posted = nb_publish(b);
	ret = nb_ring_cq_ready(ring, &ready) || nb_has_bad_tail(ctx) ? -EINVAL : ready >= want;
	sleepers = posted;
	pollers = posted;
	if (ret > 0 && want && posted)
		sleepers--;
	if (ret <= 0)
		sleepers += told;
	if (posted && nb_poll_told_me(ctx))
		pollers--;
	if (sleepers || pollers)
		nb_tell(ctx, sleepers, pollers);
	/* Behind a full barrier: of nb_tell(), or of nb_poll_told_me() if that spared us it. */
	if (posted)
		nb_event_posted(ctx, b->inside);
	return ret;
}

/*
 * Wait until the CQ holds @want. Return: 0, -EINTR, -ETIME, -EINVAL. What became
 * ready is run in any case, so that a time-out leaves no finished read unseen.
 */
static int nb_wait(struct nb_batch *b, struct nb_ring *ring, u32 want, ktime_t *expires)
{
	struct nb_waiter w;
	int ret, err = 0;

	nb_waiter_init(&w, b->ctx, want);
	for (;;) {
		ret = go_round(b, ring, want, w.told);
		if (ret)
			return min(ret, 0);
		if (err)
			return err;
		err = nb_sleep(&w, expires);
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

static ktime_t expiry(const struct nb_ctx *ctx, const struct nbread_enter *p)
{
	if (p->flags & NBREAD_ENTER_ABS)
		return nb_point(ctx, p->timeout_ns);
	return ktime_add_safe(ktime_get(), min_t(u64, p->timeout_ns, KTIME_MAX));
}

/* Take entries, or have the ring's thread take them. Return: how many, or -errno. */
static int submit(struct nb_batch *b, struct nb_ring *ring, const struct nbread_enter *p)
{
	int ret = 0;

	if (!b->ctx->sq) {
		b->inside = true;
		if (p->to_submit)
			ret = nb_submit(b, ring, p->to_submit);
		b->inside = false;
		return ret;
	}
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
	struct nb_batch b __uninitialized;

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
		expires = expiry(ctx, p);

	nb_batch_init(&b, ctx);
	submitted = submit(&b, ring, p);
	if (submitted < 0)
		return submitted;
	if (p->min_complete || (p->flags & NBREAD_ENTER_SQ_WAIT))
		ret = wait_masked(&b, ring, p, p->flags & NBREAD_ENTER_TIMEOUT ? &expires : NULL);
	else
		go_round(&b, ring, 0, false);
	if (unlikely(atomic64_read(&ctx->spread_bytes)))
		b.bytes += atomic64_xchg(&ctx->spread_bytes, 0);
	if (b.bytes)
		add_rchar(current, b.bytes);
	inc_syscr(current);
	return submitted ? submitted : ret;
}
