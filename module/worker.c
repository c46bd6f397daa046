// SPDX-License-Identifier: GPL-2.0-only
/*
 * worker.c - the punt: a blocking read on behalf of the program.
 *
 * Role: finish what cannot wait by callback, by a bounded number of workers of the ring's
 * own workqueue, with the submitter's mm, credentials and io cgroup.
 * Callers: miss.c and submit.c queue; register.c raises the limit; ctx.c begins and ends; the
 * workqueue runs nb_hand_work(). spread.c's workers become the owner of what they read in the
 * same way; the thread asks whether the owner is gone.
 * Context: nb_punt() task or worker, nb_hand_work() kernel worker. Locks: nb_ctx.req_lock,
 * here: the queue, and who comes for it.
 * References: a queued request owns itself. A worker that was called holds the context. It
 * has the mm only for reads that wait for nobody (blocking.c), and gives it back before the last
 * completion is seen; it asks before each read whether the program is gone, so that exit frees
 * the memory of one whose reads are still queued.
 *
 * Not the submitter's, since a worker is another task: its pid, as a FUSE server and
 * fanotify see it, its io priority, and its count of bytes read (/proc/PID/io).
 */
#include <linux/blk-cgroup.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * nb_become_owner() - a worker takes over what a read is charged to and allowed
 * @o: all zero, or of the last request, from whom little may differ
 * @req: whose credentials, io cgroup and memory cgroup
 */
void nb_become_owner(struct nb_owner *o, const struct nb_req *req)
{
	if (o->cred && o->cred == req->cred && o->blkcg == req->blkcg)
		return;
	nb_be_oneself(o);
	/* Of its own: the request may be gone before the next one comes. */
	o->cred = get_cred(req->cred);
	o->blkcg = req->blkcg;
	o->old_cred = override_creds(o->cred);
#ifdef CONFIG_BLK_CGROUP
	kthread_associate_blkcg(o->blkcg);
#endif
	/* Page cache is charged by the mm, but slab of a kernel thread to nobody. */
	o->memcg = get_mem_cgroup_from_mm(req->ctx->mm);
	o->old_memcg = set_active_memcg(o->memcg);
}

/* And back, if anything was taken over. */
void nb_be_oneself(struct nb_owner *o)
{
	if (!o->cred)
		return;
	set_active_memcg(o->old_memcg);
	mem_cgroup_put(o->memcg);
#ifdef CONFIG_BLK_CGROUP
	kthread_associate_blkcg(NULL);
#endif
	revert_creds(o->old_cred);
	put_cred(o->cred);
	o->cred = NULL;
}

/*
 * Has the last process that used the mm exited? A worker that goes on from read to read keeps
 * mm_users above zero, so that alone would let it read the whole queue of a dead process.
 */
bool nb_mm_is_abandoned(struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	return !rcu_access_pointer(mm->owner);
#else
	return false;
#endif
}

/*
 * Need nobody go on for the program? In its own task a signal says so; a thread of ours learns
 * it when the last of its tasks has exited.
 */
bool nb_owner_was_killed(const struct nb_ctx *ctx)
{
	if (current->flags & PF_KTHREAD)
		return nb_mm_is_abandoned(ctx->mm);
	return fatal_signal_pending(current);
}

/* Let a worker touch the program's memory. Return: false if there is no program left. */
bool nb_use_owner_mm(struct nb_ctx *ctx)
{
	if (nb_mm_is_abandoned(ctx->mm) || !mmget_not_zero(ctx->mm))
		return false;
	kthread_use_mm(ctx->mm);
	return true;
}

void nb_unuse_owner_mm(struct nb_ctx *ctx)
{
	kthread_unuse_mm(ctx->mm);
	/* The last user's exit ran meanwhile: do not tear its memory down here. */
	mmput_async(ctx->mm);
}

/**
 * struct nb_hand - one worker of a ring, or the place of one
 * @ctx:	the ring's
 * @work:	on ctx->wq while it is called, and runs while it reads
 * @next:	in ctx->idle_hands
 */
struct nb_hand {
	struct work_struct work;
	struct nb_ctx *ctx;
	struct nb_hand *next;
};

/*
 * If a read is queued for @ctx and nobody is on his way: who shall come for it, with a context
 * reference. Who comes takes one read and calls the next hand before he begins, so that reads
 * which block run side by side. Of those which do not, one hand does many, with few wake-ups
 * and switches, and one change of memory and credentials.
 */
static struct nb_hand *call_hand(struct nb_ctx *ctx)
{
	struct nb_hand *hand = ctx->idle_hands;

	lockdep_assert_held(&ctx->req_lock);
	if (list_empty(&ctx->queued) || ctx->hand_called || ctx->nr_hands >= ctx->max_workers)
		return NULL;
	ctx->idle_hands = hand->next;
	ctx->nr_hands++;
	ctx->hand_called = true;
	refcount_inc(&ctx->refs); /* the caller holds one */
	return hand;
}

static void send_hand(struct nb_hand *hand)
{
	if (hand)
		queue_work(hand->ctx->wq, &hand->work);
}

/* The oldest read that is queued, now the caller's; or NULL: there is none, or too many hands. */
static struct nb_req *take_queued(struct nb_ctx *ctx)
{
	struct nb_req *req;

	lockdep_assert_held(&ctx->req_lock);
	req = list_first_entry_or_null(&ctx->queued, struct nb_req, qnode);
	if (!req || ctx->nr_hands > ctx->max_workers)
		return NULL;
	list_del(&req->qnode);
	/* Whoever else would end it holds the lock, too. */
	atomic_set(&req->state, NB_WORK);
	return req;
}

/*
 * For how many reads a hand keeps what it took over. Where nobody can say whether the program
 * is gone but its mm_users, not beyond the one.
 */
#define NB_STEAD_READS (IS_ENABLED(CONFIG_MEMCG) ? 64 : 1)

static void leave_stead(struct nb_ctx *ctx, struct nb_stead *s)
{
	nb_be_oneself(&s->owner);
	nb_stead_drop_mm(ctx, s);
}

/* A turn of a read needs the program's memory. Return: false if there is no program left. */
bool nb_stead_take_mm(struct nb_ctx *ctx, struct nb_stead *s)
{
	if (nb_mm_is_abandoned(ctx->mm))
		nb_stead_drop_mm(ctx, s);
	else if (!s->has_mm)
		s->has_mm = nb_use_owner_mm(ctx);
	return s->has_mm;
}

/* And does not, or waits for what may take for ever. */
void nb_stead_drop_mm(struct nb_ctx *ctx, struct nb_stead *s)
{
	if (s->has_mm)
		nb_unuse_owner_mm(ctx);
	s->has_mm = false;
}

static int read_as_owner(struct nb_ctx *ctx, struct nb_req *req, struct nb_stead *s)
{
	/* Now and then anew: where the program was moved to since, and whether it is there. */
	if (s->reads++ % NB_STEAD_READS == 0 || nb_mm_is_abandoned(ctx->mm))
		leave_stead(ctx, s);
	if (nb_mm_is_abandoned(ctx->mm))
		return -ECANCELED; /* nobody is left to see it */
	nb_become_owner(&s->owner, req);
	return nb_req_result(req, nb_read_blocking(req, s));
}

static void nb_hand_work(struct work_struct *work)
{
	struct nb_hand *hand = container_of(work, struct nb_hand, work), *more;
	struct nb_ctx *ctx = hand->ctx;
	struct nb_stead stead = {};
	struct nb_batch b;
	struct nb_req *req;

	nb_batch_init(&b, ctx);
	spin_lock(&ctx->req_lock);
	ctx->hand_called = false;
	while ((req = take_queued(ctx))) {
		more = call_hand(ctx);
		spin_unlock(&ctx->req_lock);
		send_hand(more);
		nb_complete(&b, req, read_as_owner(ctx, req, &stead));
		/* Who reaps his last read and exits shall find nobody in his memory. */
		if (data_race(list_empty(&ctx->queued)))
			leave_stead(ctx, &stead);
		/* The next one may block. */
		nb_flush(&b);
		cond_resched_tasks_rcu_qs();
		spin_lock(&ctx->req_lock);
	}
	hand->next = ctx->idle_hands;
	ctx->idle_hands = hand;
	ctx->nr_hands--;
	spin_unlock(&ctx->req_lock);
	leave_stead(ctx, &stead);
	kfree(stead.held);
	/* The last one has the workqueue destroyed, which waits until we returned. */
	nb_ctx_put(ctx);
}

/**
 * nb_punt() - give a request to a worker
 * @b: batch of the calling task
 * @req: in state NB_RUN; may be gone when this returns
 *
 * The worker goes on behind what was delivered; from the start where only one read under
 * one lock will do.
 */
void nb_punt(struct nb_batch *b, struct nb_req *req)
{
	struct nb_hand *hand = NULL;
	struct nb_ctx *ctx = b->ctx;
	int old = NB_RUN;
	bool queued;

	if (nb_fm_is_atomic(req->row))
		req->done = 0;
	req->cqe_flags |= NBREAD_CQE_PUNTED;
	spin_lock(&ctx->req_lock);
	queued = atomic_try_cmpxchg(&req->state, &old, NB_QUEUED);
	if (queued) {
		list_add_tail(&req->qnode, &ctx->queued);
		hand = call_hand(ctx);
	}
	spin_unlock(&ctx->req_lock);
	send_hand(hand);
	if (!queued)
		nb_complete(b, req, nb_req_end_err(req));
}

/**
 * nb_set_workers() - so many reads may be a worker's at a time, from now on
 * @ctx: the context
 * @max: 1 to nb_max_workers
 *
 * Those that are too many end with the read that they have.
 */
void nb_set_workers(struct nb_ctx *ctx, u32 max)
{
	struct nb_hand *hand;

	spin_lock(&ctx->req_lock);
	WRITE_ONCE(ctx->max_workers, max);
	hand = call_hand(ctx);
	spin_unlock(&ctx->req_lock);
	send_hand(hand);
}

/* As many as REGISTER_WORKERS may ever ask for. Return: false: no memory. */
bool nb_hands_create(struct nb_ctx *ctx)
{
	unsigned int i;

	ctx->hands = kvcalloc(nb_max_workers, sizeof(*ctx->hands), GFP_KERNEL_ACCOUNT);
	if (!ctx->hands)
		return false;
	for (i = 0; i < nb_max_workers; i++) {
		INIT_WORK(&ctx->hands[i].work, nb_hand_work);
		ctx->hands[i].ctx = ctx;
		ctx->hands[i].next = ctx->idle_hands;
		ctx->idle_hands = &ctx->hands[i];
	}
	return true;
}

/* No hand is called or at work: the workqueue is gone, or SETUP failed. */
void nb_hands_free(struct nb_ctx *ctx)
{
	kvfree(ctx->hands);
	ctx->hands = NULL;
	ctx->idle_hands = NULL;
}
