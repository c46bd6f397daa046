// SPDX-License-Identifier: GPL-2.0-only
/*
 * deadline.c - reads that end with -ETIME when their time is over.
 *
 * Role: turn what a program says into a point of the kernel's CLOCK_MONOTONIC; the
 * ring's timer and the work that ends what is late, by way of cancel.c. The tree of
 * requests by deadline is request.c's, as the list is.
 * Callers: submit.c and enter.c (points in time), ctx.c and close.c (begin and end); main.c.
 * Context: task; the timer in an interrupt, where it only queues the work; the work on
 * a workqueue of the module's own, since the ring's may be full of blocked reads.
 * Locks: nb_ctx.req_lock over tree, timer_at and hrtimer_start().
 * References: neither timer nor work holds one. They are stopped before the file's
 * context reference is dropped (nb_deadline_stop()), and nothing starts them later,
 * since only a call on the open file makes a request, or the ring's thread, which has
 * dropped the ring by then.
 *
 * Always, under req_lock: if the tree is not empty the timer is set to its earliest
 * deadline or before, or the work will run, which sets it. A read that ends in time
 * leaves the timer alone: one that fires in vain is cheaper than a timer set anew for
 * each read.
 */
#include <linux/hrtimer.h>
#include <linux/nsproxy.h>
#include <linux/time_namespace.h>

#include "internal.h"

static struct workqueue_struct *nb_deadline_wq;

/**
 * nb_clock_offset() - what the caller's CLOCK_MONOTONIC is ahead of the kernel's
 *
 * A time namespace has its own; a ring goes by the clock of who set it up.
 */
s64 nb_clock_offset(void)
{
#ifdef CONFIG_TIME_NS
	return timespec64_to_ns(&current->nsproxy->time_ns->offsets.monotonic);
#else
	return 0;
#endif
}

/* A point of the program's CLOCK_MONOTONIC by the kernel's: KTIME_MAX is never. */
ktime_t nb_point(const struct nb_ctx *ctx, u64 ns)
{
	s64 point;

	if (ns >= KTIME_MAX || check_sub_overflow((s64)ns, ctx->clock_offset, &point))
		return KTIME_MAX;
	return max_t(s64, point, 0);
}

/**
 * nb_deadline() - until when a read that is submitted now may wait
 * @ctx: its ring
 * @deadline_ns: of the SQE; 0: what the ring says
 * @deadline: out: point of the kernel's CLOCK_MONOTONIC, or KTIME_MAX
 *
 * Return: true if it may wait at all.
 */
bool nb_deadline(const struct nb_ctx *ctx, u64 deadline_ns, ktime_t *deadline)
{
	ktime_t now;

	*deadline = KTIME_MAX;
	if (likely(!deadline_ns && !ctx->timeout_ns))
		return true;
	now = ktime_get();
	if (deadline_ns)
		*deadline = nb_point(ctx, deadline_ns);
	else if (ctx->timeout_ns < KTIME_MAX - now)
		*deadline = now + ctx->timeout_ns;
	return *deadline > now;
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct nb_ctx *ctx = container_of(timer, struct nb_ctx, timer);

	queue_work(nb_deadline_wq, &ctx->expire_work);
	return HRTIMER_NORESTART;
}

/* End a batch of what is late. Return: false if that was all, and the timer is set. */
static bool expire_some(struct nb_batch *b, bool *ready)
{
	struct nb_ctx *ctx = b->ctx;
	ktime_t now = ktime_get();
	struct nb_req *req = NULL;
	unsigned int i;

	spin_lock(&ctx->req_lock);
	for (i = 0; i < NB_BATCH; i++) {
		req = nb_req_first(ctx);
		if (!req || req->deadline > now)
			break;
		/*
		 * Out of the tree in any case. What is marked ends without the timer, and what
		 * a worker has begun completes by itself.
		 */
		nb_req_forget_deadline(req);
		nb_end_waiting(b, req, -ETIME, true, ready);
	}
	if (i < NB_BATCH)
		nb_req_set_timer(ctx, req ? req->deadline : KTIME_MAX);
	spin_unlock(&ctx->req_lock);
	return i == NB_BATCH;
}

static void expire(struct work_struct *work)
{
	struct nb_ctx *ctx = container_of(work, struct nb_ctx, expire_work);
	bool more, ready = false;
	struct nb_batch b;

	nb_batch_init(&b, ctx);
	do {
		more = expire_some(&b, &ready);
		nb_flush(&b);
		cond_resched();
	} while (more);
	if (ready)
		nb_drop_ended(ctx);
}

/* A new context. */
void nb_deadline_start(struct nb_ctx *ctx)
{
	ctx->deadlines = RB_ROOT_CACHED;
	ctx->timer_at = KTIME_MAX;
	INIT_WORK(&ctx->expire_work, expire);
	nb_hrtimer_setup(&ctx->timer, timer_fired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
}

/*
 * The context goes: no call is under way. What is left in the tree has been begun by a
 * worker. With the tree empty nobody sets the timer any more. Waits for a work that
 * does not sleep.
 */
void nb_deadline_stop(struct nb_ctx *ctx)
{
	struct nb_req *req;

	spin_lock(&ctx->req_lock);
	while ((req = nb_req_first(ctx)))
		nb_req_forget_deadline(req);
	spin_unlock(&ctx->req_lock);
	hrtimer_cancel(&ctx->timer);
	cancel_work_sync(&ctx->expire_work);
}

/*
 * Unbound and of high priority: a deadline must come in time on a CPU that copies. It is
 * short and never sleeps, and has a rescuer, since time is up most often when memory is.
 */
int __init nb_deadline_init(void)
{
	nb_deadline_wq =
		alloc_workqueue("nbread-deadline", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	return nb_deadline_wq ? 0 : -ENOMEM;
}

void nb_deadline_exit(void)
{
	destroy_workqueue(nb_deadline_wq);
}
