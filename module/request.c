// SPDX-License-Identifier: GPL-2.0-only
/*
 * request.c - memory of a read that could not be answered in the call.
 *
 * Role: allocate and free a request with all that it holds, and keep the list of
 * those that still owe a CQE, and the tree of those of them that have a deadline. It
 * calls user.c and pin.c, no more.
 * Callers: submit.c (alloc), miss.c, spread.c, worker.c, cancel.c, deadline.c and complete.c;
 * sq.c (io cgroup); ctx.c for its end.
 * Context: task or worker; never the wake callback. Locks: nb_ctx.req_lock, here; nb_ctx.lock
 * is held for alloc.
 *
 * What a request holds, from alloc to free: its file, the submitter's
 * credentials and io cgroup, its copy of the vectors or a reference to its registered
 * buffer (which goes earlier if it is DETACHED), its place in the user's account, a module
 * reference. What it
 * holds while on the list: a context reference, given back by the one who posts
 * its CQE (nb_req_unlist() says who that is).
 */
#include <linux/blk-cgroup.h>
#include <linux/cgroup.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * So many ended requests a ring keeps for its next misses, whoever they were charged to.
 * None where KASAN watches who uses a request after its end.
 */
#define NB_SPARE (IS_ENABLED(CONFIG_KASAN) ? 0 : 64)

static struct kmem_cache *nb_req_cache;

/* The io cgroup that a read of @ctx (NULL: of the caller) is for, with a reference, or NULL. */
struct cgroup_subsys_state *nb_get_io_cgroup(const struct nb_ctx *ctx)
{
#ifdef CONFIG_BLK_CGROUP
	if (ctx && nb_is_sq_thread()) {
		css_get(ctx->sq->blkcg);
		return ctx->sq->blkcg;
	}
	return task_get_css(current, io_cgrp_id);
#else
	return NULL;
#endif
}

/* One that ended, or new memory; zeroed. */
static struct nb_req *take_memory(struct nb_ctx *ctx)
{
	struct llist_node *node;
	struct nb_req *req;

	/* The one who takes: llist_del_first() is for no more. */
	lockdep_assert_held(&ctx->lock);
	node = llist_del_first(&ctx->spare);
	if (!node)
		return kmem_cache_zalloc(nb_req_cache, GFP_KERNEL_ACCOUNT);
	atomic_dec(&ctx->nr_spare);
	req = llist_entry(node, struct nb_req, lnode);
	memset(req, 0, sizeof(*req));
	return req;
}

/**
 * nb_req_alloc() - make a request out of a checked SQE
 * @ctx: its ring
 * @nf: its file, of this call
 * @rd: the read; its vectors move to the request
 * @deadline: when it ends if it still waits, or KTIME_MAX
 *
 * Return: the request, in state NB_RUN and on the list, or NULL: no memory, or the
 * user has max_requests.
 */
struct nb_req *nb_req_alloc(struct nb_ctx *ctx, const struct nb_file *nf, struct nb_read *rd,
			    ktime_t deadline)
{
	struct nb_req *req;

	if (!nb_user_get_req(ctx->user))
		return NULL;
	req = take_memory(ctx);
	if (!req) {
		nb_user_put_req(ctx->user);
		return NULL;
	}
	req->user = ctx->user;
	atomic_set(&req->state, NB_RUN);
	req->file = get_file(nf->file);
	req->row = nf->row;
	req->verified = nf->verified;
	req->may_park = nf->may_park;
	req->dst = rd->dst;
	if (req->dst.kind == NB_DST_BUF)
		refcount_inc(&req->dst.buf->refs);
	rd->dst.kind = NB_DST_USER; /* vectors are the request's now */
	req->pos = rd->pos;
	req->user_data = rd->user_data;
	req->cred = get_current_cred();
	req->blkcg = nb_get_io_cgroup(ctx);
	__module_get(THIS_MODULE); /* the ioctl's file holds one */

	req->ctx = ctx;
	req->deadline = deadline;
	RB_CLEAR_NODE(&req->dnode);
	refcount_inc(&ctx->refs);
	spin_lock(&ctx->req_lock);
	list_add_tail(&req->node, &ctx->reqs);
	if (deadline != KTIME_MAX)
		nb_req_heed_deadline(req);
	spin_unlock(&ctx->req_lock);
	return req;
}

/* The request that is to end first, or NULL. */
struct nb_req *nb_req_first(struct nb_ctx *ctx)
{
	struct rb_node *first = rb_first_cached(&ctx->deadlines);

	lockdep_assert_held(&ctx->req_lock);
	return first ? rb_entry(first, struct nb_req, dnode) : NULL;
}

/* Have the timer fire at @at, from now on; KTIME_MAX: it need not. */
void nb_req_set_timer(struct nb_ctx *ctx, ktime_t at)
{
	lockdep_assert_held(&ctx->req_lock);
	ctx->timer_at = at;
	if (at != KTIME_MAX)
		hrtimer_start(&ctx->timer, at, HRTIMER_MODE_ABS);
}

static bool is_earlier(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct nb_req, dnode)->deadline <
	       rb_entry(b, struct nb_req, dnode)->deadline;
}

/* Into the tree. Only a new earliest deadline touches the timer. */
void nb_req_heed_deadline(struct nb_req *req)
{
	struct nb_ctx *ctx = req->ctx;

	lockdep_assert_held(&ctx->req_lock);
	rb_add_cached(&req->dnode, &ctx->deadlines, is_earlier);
	if (req->deadline < ctx->timer_at)
		nb_req_set_timer(ctx, req->deadline);
}

/* Out of the tree. Return: it was there. */
bool nb_req_forget_deadline(struct nb_req *req)
{
	lockdep_assert_held(&req->ctx->req_lock);
	if (RB_EMPTY_NODE(&req->dnode))
		return false;
	rb_erase_cached(&req->dnode, &req->ctx->deadlines);
	RB_CLEAR_NODE(&req->dnode);
	return true;
}

/**
 * nb_req_unlist() - claim the duty to post a request's CQE
 * @req: a request the caller owns by its state
 *
 * Return: true for the caller that must post, once in a request's life.
 */
bool nb_req_unlist(struct nb_req *req)
{
	struct nb_ctx *ctx = req->ctx;
	bool mine;

	spin_lock(&ctx->req_lock);
	mine = !list_empty(&req->node);
	list_del_init(&req->node);
	nb_req_forget_deadline(req);
	spin_unlock(&ctx->req_lock);
	return mine;
}

/* What a request that was marked ends with: whoever marked it said that before. */
int nb_req_end_err(const struct nb_req *req)
{
	/* Pairs with the cmpxchg in end_one(). */
	WARN_ON_ONCE(!(atomic_read_acquire(&req->state) & NB_CANCEL));
	return req->end_err;
}

/* Give back what a request holds, but for its memory. */
static void release(struct nb_req *req)
{
	if (req->blkcg)
		css_put(req->blkcg);
	put_cred(req->cred);
	if (req->dst.kind == NB_DST_IOV)
		kfree(req->dst.iov);
	else if (nb_req_buf(req) && atomic_read(&req->state) != NB_DETACHED)
		nb_buf_put(req->dst.buf);
	fput(req->file);
	nb_user_put_req(req->user);
}

/* Free a request that is on no list, no queue and no wait queue. Does not sleep. */
void nb_req_free(struct nb_req *req)
{
	release(req);
	kmem_cache_free(nb_req_cache, req);
	module_put(THIS_MODULE);
}

/**
 * nb_req_recycle() - the same, of a request whose ring may want another
 * @ctx: the ring, of which the caller holds a reference
 * @req: the request
 */
void nb_req_recycle(struct nb_ctx *ctx, struct nb_req *req)
{
	/* Tasks that are here at a time may all get by: it is no more than a measure. */
	if (atomic_read(&ctx->nr_spare) >= NB_SPARE) {
		nb_req_free(req);
		return;
	}
	release(req);
	/* Before the push: who takes it counts it off. */
	atomic_inc(&ctx->nr_spare);
	llist_add(&req->lnode, &ctx->spare);
	module_put(THIS_MODULE); /* the context holds one */
}

/* A context ends: nobody takes of them any more. */
void nb_req_free_spare(struct nb_ctx *ctx)
{
	struct nb_req *req, *next;

	llist_for_each_entry_safe(req, next, llist_del_all(&ctx->spare), lnode)
		kmem_cache_free(nb_req_cache, req);
}

int __init nb_req_init(void)
{
	nb_req_cache = KMEM_CACHE(nb_req, SLAB_ACCOUNT);
	return nb_req_cache ? 0 : -ENOMEM;
}

void nb_req_exit(void)
{
	kmem_cache_destroy(nb_req_cache);
}
