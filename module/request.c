// SPDX-License-Identifier: GPL-2.0-only
/*
 * request.c - memory of a read that could not be answered in the call.
 *
 * Role: allocate and free a request with all that it holds, and keep the list of
 * those that still owe a CQE. A leaf: it calls ctx.c for the reference, no more.
 * Callers: submit.c (alloc), miss.c, worker.c, cancel.c and complete.c.
 * Context: task or worker; never the wake callback. Locks: nb_ctx.req_lock, here.
 *
 * What a request holds, from alloc to free: its file, the submitter's
 * credentials and io cgroup, its copy of the vectors, its place in the user's
 * account, a module reference. What it
 * holds while on the list: a context reference, given back by the one who posts
 * its CQE (nb_req_unlist() says who that is).
 */
#include <linux/blk-cgroup.h>
#include <linux/cgroup.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

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

/**
 * nb_req_alloc() - make a request out of a checked SQE
 * @ctx: its ring
 * @nf: its file, of this call
 * @rd: the read; its vectors move to the request
 *
 * Return: the request, in state NB_RUN and on the list, or NULL: no memory, or the
 * user has max_requests.
 */
struct nb_req *nb_req_alloc(struct nb_ctx *ctx, const struct nb_file *nf, struct nb_read *rd)
{
	struct nb_req *req;

	if (!nb_user_get_req(ctx->user))
		return NULL;
	req = kmem_cache_zalloc(nb_req_cache, GFP_KERNEL_ACCOUNT);
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
	rd->dst.iov = NULL;
	req->pos = rd->pos;
	req->user_data = rd->user_data;
	req->cred = get_current_cred();
	req->blkcg = nb_get_io_cgroup(ctx);
	__module_get(THIS_MODULE); /* the ioctl's file holds one */

	req->ctx = ctx;
	refcount_inc(&ctx->refs);
	spin_lock(&ctx->req_lock);
	list_add_tail(&req->node, &ctx->reqs);
	spin_unlock(&ctx->req_lock);
	return req;
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
	spin_unlock(&ctx->req_lock);
	return mine;
}

/* Free a request that is on no list, no queue and no wait queue. Does not sleep. */
void nb_req_free(struct nb_req *req)
{
	if (req->blkcg)
		css_put(req->blkcg);
	put_cred(req->cred);
	kfree(req->dst.iov);
	fput(req->file);
	nb_user_put_req(req->user);
	kmem_cache_free(nb_req_cache, req);
	module_put(THIS_MODULE);
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
