// SPDX-License-Identifier: GPL-2.0-only
/*
 * cancel.c - end reads that wait: NBREAD_IOC_CANCEL, and the close of a ring.
 *
 * Role: take requests from the page cache's wait queue or the workqueue by state
 * alone. Neither can be unlinked from a module (a folio's wait queue is private to
 * mm/filemap.c), so the entry stays, DETACHED, and whoever comes for it frees it.
 * Callers: main.c (CANCEL), ctx.c (close). Context: task.
 * Locks: nb_ctx.req_lock; a request on the list cannot be freed under it.
 * References: a detached request keeps its file and module; its context reference
 * is given back here.
 */
#include <linux/file.h>

#include "internal.h"

/*
 * Try to take @req from who waits for it. It leaves the list before its state
 * changes, since a DETACHED request may be freed at once by its waker.
 */
static bool detach(struct nb_req *req)
{
	struct list_head *next = req->node.next;
	int old = atomic_read(&req->state);

	lockdep_assert_held(&req->ctx->req_lock);
	list_del_init(&req->node);
	while (old == NB_ARMED || old == NB_QUEUED)
		if (atomic_try_cmpxchg(&req->state, &old, NB_DETACHED))
			return true;
	list_add_tail(&req->node, next);
	return false;
}

/* It is being run or about to be: whoever runs it ends it instead of parking it. */
static bool mark(struct nb_req *req, bool *ready)
{
	int old = atomic_read(&req->state);

	do {
		if (old != NB_RUN && old != NB_WOKEN && old != NB_READY)
			return false; /* a worker's, detachable again, or marked before */
	} while (!atomic_try_cmpxchg(&req->state, &old, old | NB_CANCEL));
	*ready = old == NB_READY;
	return true;
}

struct nb_match {
	const struct nbread_cancel *p;
	struct file *file;
};

static bool matches(const struct nb_match *m, const struct nb_req *req)
{
	if (m->p->flags & NBREAD_CANCEL_ANY)
		return true;
	if (m->file)
		return req->file == m->file;
	return req->user_data == m->p->user_data;
}

/* Cancel the oldest that matches and can be ended, or all. Return: ended, or -errno. */
static long cancel(struct nb_batch *b, const struct nb_match *m)
{
	bool all = m->p->flags & NBREAD_CANCEL_ALL;
	struct nb_ctx *ctx = b->ctx;
	struct nb_req *req, *next;
	long ended = 0, busy = 0;
	u32 cqe_flags;
	u64 user_data;
	bool ready;

	spin_lock(&ctx->req_lock);
	list_for_each_entry_safe(req, next, &ctx->reqs, node) {
		if (!matches(m, req))
			continue;
		user_data = req->user_data;
		cqe_flags = req->cqe_flags & NBREAD_CQE_PUNTED;
		ready = false;
		if (detach(req)) {
			nb_post(b, user_data, -ECANCELED, cqe_flags, false);
			nb_ctx_put(ctx); /* not the last: the ioctl's file holds one */
			ended++;
		} else if (mark(req, &ready) && ready) {
			ended++;
		} else {
			busy++;
		}
		if (ended && !all)
			break;
	}
	spin_unlock(&ctx->req_lock);
	if (ended)
		return ended;
	return busy ? -EALREADY : -ENOENT;
}

static int check_cancel(const struct nbread_cancel *p)
{
	if (p->resv[0] || p->resv[1] || (p->flags & ~NB_CANCEL_FLAGS))
		return -EINVAL;
	if ((p->flags & NBREAD_CANCEL_FD) && (p->flags & NBREAD_CANCEL_ANY))
		return -EINVAL;
	if ((p->flags & (NBREAD_CANCEL_FD | NBREAD_CANCEL_ANY)) && p->user_data)
		return -EINVAL;
	return !(p->flags & NBREAD_CANCEL_FD) && p->fd ? -EINVAL : 0;
}

/**
 * nb_cancel() - NBREAD_IOC_CANCEL
 * @ctx: the context
 * @p: the call, copied
 *
 * Return: see struct nbread_cancel.
 */
long nb_cancel(struct nb_ctx *ctx, const struct nbread_cancel *p)
{
	struct nb_match m = { .p = p };
	struct nb_batch b;
	long ret = check_cancel(p);

	if (ret)
		return ret;
	if (!nb_ctx_ring(ctx))
		return -ENXIO;
	if (current->mm != ctx->mm)
		return -EPERM;
	if (p->flags & NBREAD_CANCEL_FD) {
		m.file = p->fd < 0 ? NULL : fget(p->fd);
		if (!m.file)
			return -EBADF;
	}
	nb_batch_init(&b, ctx);
	ret = cancel(&b, &m);
	/* Those that were ready and marked get their CQE now. */
	nb_run_ready(&b);
	nb_flush(&b);
	if (m.file)
		fput(m.file);
	return ret;
}

/* The ring is closed: nobody will look at its CQ again. */
void nb_detach_all(struct nb_ctx *ctx)
{
	struct nb_req *req, *next;

	spin_lock(&ctx->req_lock);
	list_for_each_entry_safe(req, next, &ctx->reqs, node)
		if (detach(req))
			nb_ctx_put(ctx); /* not the last: the closing file holds one */
	spin_unlock(&ctx->req_lock);
}
