// SPDX-License-Identifier: GPL-2.0-only
/*
 * ctx.c - one open file of /dev/nbread: life and death.
 *
 * Role: create a context at open, give it rings at SETUP, free it when nobody holds it
 * any more.
 * Callers: main.c (open, SETUP), close.c, and all that hold a reference.
 * Context: task, or the module's own workqueue for the end.
 * Locks: nb_ctx.lock around SETUP.
 *
 * References: the file holds one, every request that owes a CQE holds one, a worker
 * holds one from its call to its end. The last put may come from a work of the ring's own
 * workqueue, so it only queues free_work on the module's, which destroys that one. A
 * context holds a module reference to its very end.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "internal.h"

struct workqueue_struct *nb_ctx_wq;

static void nb_ctx_free(struct work_struct *work)
{
	struct nb_ctx *ctx = container_of(work, struct nb_ctx, free_work);

	WARN_ON_ONCE(!list_empty(&ctx->reqs));
	if (ctx->helper_wq)
		destroy_workqueue(ctx->helper_wq);
	if (ctx->wq)
		destroy_workqueue(ctx->wq);
	nb_hands_free(ctx);
	nb_req_free_spare(ctx);
	nb_sq_free(ctx->sq);
	nb_ring_free(ctx->ring);
	if (ctx->user)
		nb_user_put_ring(ctx->user);
	mmdrop(ctx->mm);
	kfree(ctx);
	module_put(THIS_MODULE);
}

void nb_ctx_put(struct nb_ctx *ctx)
{
	if (refcount_dec_and_test(&ctx->refs))
		queue_work(nb_ctx_wq, &ctx->free_work);
}

struct nb_ctx *nb_ctx_create(void)
{
	struct nb_ctx *ctx;

	if (!current->mm)
		return ERR_PTR(-EPERM);
	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return ERR_PTR(-ENOMEM);
	refcount_set(&ctx->refs, 1);
	mutex_init(&ctx->lock);
	spin_lock_init(&ctx->files_lock);
	spin_lock_init(&ctx->cq_lock);
	spin_lock_init(&ctx->req_lock);
	INIT_LIST_HEAD(&ctx->reqs);
	INIT_LIST_HEAD(&ctx->queued);
	init_llist_head(&ctx->spare);
	init_llist_head(&ctx->ready);
	nb_wait_init(ctx);
	nb_deadline_start(ctx);
	nb_spread_start(ctx);
	INIT_WORK(&ctx->free_work, nb_ctx_free);
	ctx->mm = current->mm;
	mmgrab(ctx->mm);
	__module_get(THIS_MODULE); /* the file being opened holds one */
	return ctx;
}

/* How many workers a program gets that asks for @wanted: 0 if that is too many. */
u32 nb_workers_of(u32 wanted)
{
	if (!wanted)
		return nb_max_workers;
	return wanted > nb_max_workers ? 0 : wanted;
}

static int check_setup(const struct nbread_setup *p)
{
	if (p->resv0 || memchr_inv(p->resv, 0, sizeof(p->resv)))
		return -EINVAL;
	if (p->flags & ~NB_SETUP_FLAGS)
		return -EOPNOTSUPP;
	if (!nb_workers_of(p->max_workers))
		return -EINVAL;
	return nb_sq_check_setup(p) ? 0 : -EINVAL;
}

/**
 * nb_ctx_setup() - NBREAD_IOC_SETUP
 * @ctx: the context; its mm becomes the caller's
 * @p: in and out, see the uapi header
 *
 * Return: 0 or -errno; after an error the context is as it was.
 */
int nb_ctx_setup(struct nb_ctx *ctx, struct nbread_setup *p)
{
	struct workqueue_struct *wq, *helper_wq;
	struct nb_sq *sq = NULL;
	struct nb_ring *ring;
	struct nb_user *user;
	int ret = check_setup(p);

	if (ret)
		return ret;
	if (mutex_lock_interruptible(&ctx->lock))
		return -EINTR;
	ret = -EBUSY;
	if (ctx->ring)
		goto out;
	user = nb_user_get_ring();
	ret = PTR_ERR_OR_ZERO(user);
	if (ret)
		goto out;
	ring = nb_ring_create(p);
	ret = PTR_ERR_OR_ZERO(ring);
	if (ret)
		goto out_user;
	/* Unbound: a blocking read must not hold up the CPU that submitted it. */
	p->max_workers = nb_workers_of(p->max_workers);
	/* As many as are called: worker.c counts them. The workqueue would count by NUMA node. */
	wq = alloc_workqueue("nbread-%d", WQ_UNBOUND, WQ_MAX_ACTIVE, task_tgid_nr(current));
	ret = -ENOMEM;
	if (!wq)
		goto out_ring;
	if (!nb_hands_create(ctx))
		goto out_wq;
	/* Its own: copies that never end, to memory of a FUSE server, hold up no other ring. */
	helper_wq =
		alloc_workqueue("nbread-spread-%d", WQ_UNBOUND, NB_HELPERS, task_tgid_nr(current));
	if (!helper_wq)
		goto out_hands;
	if (p->flags & NBREAD_SETUP_SQTHREAD)
		sq = nb_sq_create(ctx, p, user);
	ret = PTR_ERR_OR_ZERO(sq);
	if (ret)
		goto out_helper_wq;
	/* The ring belongs to who sets it up, not to who opened the file. */
	if (ctx->mm != current->mm) {
		mmdrop(ctx->mm);
		ctx->mm = current->mm;
		mmgrab(ctx->mm);
	}
	ctx->flags = p->flags;
	ctx->wq = wq;
	ctx->helper_wq = helper_wq;
	ctx->max_workers = p->max_workers;
	ctx->user = user;
	ctx->sq = sq;
	ctx->timeout_ns = p->timeout_ns;
	ctx->clock_offset = nb_clock_offset();
	/* Pairs with the acquire in nb_ctx_ring(): mm, wq and the ring's members. */
	smp_store_release(&ctx->ring, ring);
	if (sq)
		nb_sq_start(sq);
	goto out;
out_helper_wq:
	destroy_workqueue(helper_wq);
out_hands:
	nb_hands_free(ctx);
out_wq:
	destroy_workqueue(wq);
out_ring:
	nb_ring_free(ring);
out_user:
	nb_user_put_ring(user);
out:
	mutex_unlock(&ctx->lock);
	return ret;
}

/* The ring, or NULL before SETUP. It stays until the context is freed. */
struct nb_ring *nb_ctx_ring(struct nb_ctx *ctx)
{
	/* Pairs with the release in nb_ctx_setup(). */
	return smp_load_acquire(&ctx->ring);
}

int __init nb_ctx_init(void)
{
	nb_ctx_wq = alloc_workqueue("nbread", WQ_UNBOUND, 0);
	return nb_ctx_wq ? 0 : -ENOMEM;
}

void nb_ctx_exit(void)
{
	destroy_workqueue(nb_ctx_wq);
}
