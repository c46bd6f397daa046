// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.c - who sleeps in ENTER, who polls, and whom to wake.
 *
 * Role: the queue of sleepers, first come, first served, and the wait queue of poll.
 * n completions wake n sleepers at most, and only those that have what they wait for.
 * Callers: enter.c sleeps; complete.c, miss.c, enter.c and sqthread.c tell; main.c polls.
 * Context: sleep in a task; tell in any, also under a folio wait-queue lock with
 * interrupts off. Locks: nb_ctx.wait_lock. References: a sleeper is on its task's
 * stack, on the queue only while it sleeps; who wakes it does all under the lock.
 *
 * Why no wake-up is lost. Each new completion is told once: by who posts it, or, for a
 * parked read, when its data came in and again when it is posted, since another task may
 * have looked for it in between. Who is told (nb_waiter.told) was chosen because there
 * was enough for it. It then either finds that and returns, one completion richer, or
 * does not, since another was faster; then it tells on before it sleeps again or
 * leaves with an error (nb_wait() in enter.c). So while a sleeper has enough there is
 * one who was told for that and has not yet decided, or one who returned with it and
 * whose program has not yet taken it off the CQ. Who comes anew looks by itself.
 */
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>

#include "internal.h"

/*
 * What a sleeper could have: completions posted, and woken reads that it would run. A
 * woken read counts only while it is on the list: one that another task took is that
 * task's to run, which tells us again. So who has enough also finds something to take.
 */
static u64 available(struct nb_ctx *ctx)
{
	bool listed = !llist_empty(&ctx->ready);
	int woken = listed ? atomic_read(&ctx->nr_ready) : 0;
	u32 ready;

	if (nb_ring_cq_ready(ctx->ring, &ready) || nb_has_bad_tail(ctx))
		return U64_MAX; /* indices that cannot be: let the waiter find out */
	if (listed && atomic_read(&ctx->nr_urgent) > 0)
		return U64_MAX;
	return (u64)ready + max(woken, 0);
}

/*
 * So many who wait are looked at by a wake callback: it runs with interrupts off, and a program
 * may park thousands of reads on one folio, which are then one callback after the other, beside
 * thousands of tasks that wait, or a poll(2) of thousands of entries. ctx->tell_work does the rest.
 */
#define NB_LOOK_AT 32U

/*
 * Wake those who have enough, at most @nr, the longest sleeper first, of the first @look. Each
 * complete walk makes min_want exact anew; one that ends early leaves it, a lower bound all
 * the same. So a waker that looks at it first seldom walks in vain. Return: false if there are
 * some that were not looked at, and nobody was woken.
 */
static bool wake_sleepers(struct nb_ctx *ctx, unsigned int nr, unsigned int look)
{
	bool enough = true, woke = false;
	struct nb_waiter *w, *next;
	u32 least = U32_MAX;
	unsigned long flags;
	u64 have;

	spin_lock_irqsave(&ctx->wait_lock, flags);
	have = available(ctx);
	list_for_each_entry_safe(w, next, &ctx->sleepers, node) {
		if (!nr || !look) {
			enough = !nr || woke;
			least = ctx->min_want;
			break;
		}
		look--;
		if (have < w->want) {
			least = min(least, w->want);
			continue;
		}
		list_del(&w->node);
		WRITE_ONCE(ctx->nr_sleepers, ctx->nr_sleepers - 1);
		w->told = true;
		wake_up_process(w->task);
		woke = true;
		nr--;
	}
	WRITE_ONCE(ctx->min_want, least);
	spin_unlock_irqrestore(&ctx->wait_lock, flags);
	return enough;
}

static void wake_pollers(struct nb_ctx *ctx, unsigned int nr)
{
	/* All, but at most @nr of those that said EPOLLEXCLUSIVE. */
	__wake_up(&ctx->pollers, TASK_NORMAL, nr, poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/**
 * nb_tell() - there are new completions
 * @ctx: the context; they are posted
 * @sleepers: how many tasks in ENTER to wake at most
 * @pollers: how many exclusive pollers to wake at most; 0: none at all
 */
void nb_tell(struct nb_ctx *ctx, unsigned int sleepers, unsigned int pollers)
{
	/* The news before the look for who waits; pairs with nb_sleep() and nb_poll(). */
	smp_mb();
	if (sleepers && READ_ONCE(ctx->nr_sleepers))
		wake_sleepers(ctx, sleepers, UINT_MAX);
	/* waitqueue_active() after that barrier, too. */
	if (pollers && waitqueue_active(&ctx->pollers))
		wake_pollers(ctx, pollers);
}

/* Who is left to ctx->tell_work, in ctx->tell. */
enum {
	NB_TELL_SLEEPERS,
	NB_TELL_POLLERS,
	NB_TELL_EVENT,
};

/*
 * Behind an entry there may be as many again: an epoll that others wait for. That cannot be seen
 * here, but how long it took.
 */
#define NB_TELL_SLOW_NS (50 * NSEC_PER_USEC)

/* Has a wait queue few entries? Who adds some after this look needs a system call for each. */
static bool is_short(struct wait_queue_head *q)
{
	struct list_head *entry;
	unsigned int nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	list_for_each(entry, &q->head)
		if (++nr > NB_LOOK_AT)
			break;
	spin_unlock_irqrestore(&q->lock, flags);
	return nr <= NB_LOOK_AT;
}

/* poll and the eventfd: the list of ready reads came to be not empty. Leaves what takes long. */
static void tell_edge(struct nb_ctx *ctx)
{
	struct wait_queue_head *efd_queue = nb_event_queue(ctx);
	/* Behind the barrier that made nr_ready; pairs with nb_poll(). */
	bool polled = waitqueue_active(&ctx->pollers);
	u64 began;

	if (!efd_queue && !polled)
		return;
	began = local_clock();
	if (polled) {
		if (READ_ONCE(ctx->tell_slow) || !is_short(&ctx->pollers))
			set_bit(NB_TELL_POLLERS, &ctx->tell);
		else
			wake_pollers(ctx, 1);
	}
	if (efd_queue) {
		if (READ_ONCE(ctx->tell_slow) || !is_short(efd_queue))
			set_bit(NB_TELL_EVENT, &ctx->tell);
		else
			nb_event_posted(ctx, false);
	}
	if (local_clock() - began > NB_TELL_SLOW_NS)
		WRITE_ONCE(ctx->tell_slow, true);
}

/**
 * nb_tell_ready() - the data of a read came in
 * @ctx: the context; the read is on its list of ready ones
 * @woken: nr_ready with it, by a fully ordered operation
 * @first: the list was empty: the edge for poll and the eventfd
 * @urgent: it is the first that needs more I/O, so somebody has to run it
 *
 * Context: under a folio wait-queue lock, interrupts off, in a read side of RCU; so it is bounded,
 * see NB_LOOK_AT.
 */
void nb_tell_ready(struct nb_ctx *ctx, int woken, bool first, bool urgent)
{
	u32 ready;

	if (READ_ONCE(ctx->nr_sleepers) &&
	    (urgent || nb_ring_cq_ready(ctx->ring, &ready) ||
	     (u64)ready + max(woken, 0) >= READ_ONCE(ctx->min_want)) &&
	    !wake_sleepers(ctx, 1, NB_LOOK_AT))
		set_bit(NB_TELL_SLEEPERS, &ctx->tell);
	if (first)
		tell_edge(ctx);
	/* If it is pending it sees what was stored before. close.c stops it. */
	if (READ_ONCE(ctx->tell))
		queue_work(nb_ctx_wq, &ctx->tell_work);
}

/* What wake callbacks left. */
static void tell_work(struct work_struct *work)
{
	struct nb_ctx *ctx = container_of(work, struct nb_ctx, tell_work);
	unsigned long tell = xchg(&ctx->tell, 0);
	u64 began = local_clock();

	if (test_bit(NB_TELL_SLEEPERS, &tell))
		nb_tell(ctx, max(atomic_read(&ctx->nr_ready), 1), 0);
	if (test_bit(NB_TELL_POLLERS, &tell))
		nb_tell(ctx, 0, 1);
	if (test_bit(NB_TELL_EVENT, &tell))
		nb_event_posted(ctx, false);
	if (tell & ~BIT(NB_TELL_SLEEPERS))
		WRITE_ONCE(ctx->tell_slow, local_clock() - began > NB_TELL_SLOW_NS);
}

void nb_wait_init(struct nb_ctx *ctx)
{
	spin_lock_init(&ctx->wait_lock);
	INIT_LIST_HEAD(&ctx->sleepers);
	ctx->min_want = U32_MAX;
	init_waitqueue_head(&ctx->pollers);
	INIT_WORK(&ctx->tell_work, tell_work);
}

void nb_waiter_init(struct nb_waiter *w, struct nb_ctx *ctx, u32 want)
{
	w->ctx = ctx;
	w->task = current;
	w->want = want;
	w->told = false;
	w->in_turn = false;
}

/**
 * nb_sleep() - sleep until woken, unless there is enough already
 * @w: of the calling task; told is set if it was woken for completions
 * @expires: point of CLOCK_MONOTONIC, or NULL
 *
 * Return: 0, -EINTR, -ETIME.
 */
int nb_sleep(struct nb_waiter *w, ktime_t *expires)
{
	struct nb_ctx *ctx = w->ctx;
	int err = 0;

	w->told = false;
	spin_lock_irq(&ctx->wait_lock);
	/* Who was woken for what another one took keeps its turn. */
	if (w->in_turn)
		list_add(&w->node, &ctx->sleepers);
	else
		list_add_tail(&w->node, &ctx->sleepers);
	WRITE_ONCE(ctx->nr_sleepers, ctx->nr_sleepers + 1);
	WRITE_ONCE(ctx->min_want, min(ctx->min_want, w->want));
	/* On the queue before the look; its full barrier pairs with nb_tell() and nb_wake(). */
	set_current_state(TASK_INTERRUPTIBLE);
	spin_unlock_irq(&ctx->wait_lock);

	if (signal_pending(current))
		err = -EINTR;
	else if (available(ctx) < w->want &&
		 !schedule_hrtimeout_range(expires, 0, HRTIMER_MODE_ABS))
		err = -ETIME;
	__set_current_state(TASK_RUNNING);

	/* Always by the lock: who woke us may still hold it, and us. */
	spin_lock_irq(&ctx->wait_lock);
	if (!w->told) {
		list_del(&w->node);
		WRITE_ONCE(ctx->nr_sleepers, ctx->nr_sleepers - 1);
	}
	spin_unlock_irq(&ctx->wait_lock);
	w->in_turn |= w->told;
	return err;
}

/*
 * One completion, one poller. The data of a parked read comes in, poll tells a task of
 * that, the task calls ENTER, which posts the completion: what it then knows of by
 * itself is no news for the other pollers, unless one looked in the time in which the
 * read was neither on the list nor in the CQ. So who looks and finds nothing counts
 * that, and looks again.
 */

/**
 * nb_looked_in_vain() - the calling task found no ready read
 * @ctx: the context
 *
 * The caller looks at the CQ afterwards. Pairs with nb_poll_told_me(): either it sees
 * the count, or we see what it posted.
 */
void nb_looked_in_vain(struct nb_ctx *ctx)
{
	struct task_struct *told = READ_ONCE(ctx->poll_told);

	if (unlikely(told) && told != current)
		atomic_inc_return(&ctx->looks); /* for its full barrier */
}

/**
 * nb_poll_told_me() - do all who look know of what this task just posted?
 * @ctx: the context; the task took ready reads, and their completions are posted
 */
bool nb_poll_told_me(struct nb_ctx *ctx)
{
	bool told;

	if (likely(READ_ONCE(ctx->poll_told) != current))
		return false;
	/* The new tail before the look at the count; pairs with nb_looked_in_vain(). */
	smp_mb();
	spin_lock_irq(&ctx->wait_lock);
	told = ctx->poll_told == current && ctx->poll_told_at == atomic_read(&ctx->looks);
	/* Once: of what it posts later poll has told nobody. */
	if (ctx->poll_told == current)
		WRITE_ONCE(ctx->poll_told, NULL);
	spin_unlock_irq(&ctx->wait_lock);
	return told;
}

static bool has_ready(struct nb_ctx *ctx)
{
	return !llist_empty(&ctx->ready) || atomic_read(&ctx->nr_ready) > 0;
}

static bool is_readable(struct nb_ctx *ctx)
{
	u32 posted;

	return nb_ring_cq_ready(ctx->ring, &posted) || posted || has_ready(ctx);
}

/**
 * nb_poll() - readable when a CQE is there or ENTER would make progress
 * @file: the device
 * @pt: poll table
 */
__poll_t nb_poll(struct file *file, struct poll_table_struct *pt)
{
	struct nb_ctx *ctx = file->private_data;
	int looks;

	/* First: epoll enqueues once, at EPOLL_CTL_ADD, which may come before SETUP. */
	poll_wait(file, &ctx->pollers, pt);
	if (!nb_ctx_ring(ctx))
		return EPOLLERR;
	looks = atomic_read(&ctx->looks);
	/* On the queue before the look; pairs with nb_tell() and nb_wake(). */
	smp_mb();
	if (!is_readable(ctx)) {
		atomic_inc_return(&ctx->looks); /* as nb_looked_in_vain() */
		return is_readable(ctx) ? EPOLLIN | EPOLLRDNORM : 0;
	}
	if (has_ready(ctx)) {
		spin_lock_irq(&ctx->wait_lock);
		WRITE_ONCE(ctx->poll_told, current);
		ctx->poll_told_at = looks;
		spin_unlock_irq(&ctx->wait_lock);
	}
	return EPOLLIN | EPOLLRDNORM;
}
