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

/* What could be done about one request. */
enum nb_ended {
	NB_ENDED, /* detached: its CQE is ours to post */
	NB_MARKED, /* whoever runs it will end it instead of parking it */
	NB_BUSY, /* a worker runs it, or it was marked before */
};

/*
 * Take @req from who waits for it, if anybody does; it may be gone on return of true.
 * It leaves the list before its state changes, since a DETACHED request may be freed
 * at once by whoever comes for it. One that is still in the workqueue is freed here,
 * so that cancelled reads do not pile up behind blocked workers; that fails while
 * nb_punt() is about to queue it or a worker begins with it, and then the worker frees it.
 */
static bool detach(struct nb_req *req)
{
	struct list_head *next = req->node.next;
	int old = atomic_read(&req->state);

	lockdep_assert_held(&req->ctx->req_lock);
	list_del_init(&req->node);
	if (old == NB_QUEUED && cancel_work(&req->work)) {
		nb_req_free(req);
		return true;
	}
	while (old == NB_ARMED || old == NB_QUEUED)
		if (atomic_try_cmpxchg(&req->state, &old, NB_DETACHED))
			return true;
	list_add_tail(&req->node, next);
	return false;
}

/* Again and again until one of the three holds: its owner may park it meanwhile. */
static enum nb_ended end_one(struct nb_req *req, bool may_mark_running, u64 canceller)
{
	int old;

	for (;;) {
		if (detach(req))
			return NB_ENDED;
		old = atomic_read(&req->state);
		if (old == NB_ARMED || old == NB_QUEUED)
			continue;
		if (old != NB_READY && !(may_mark_running && (old == NB_RUN || old == NB_WOKEN)))
			return NB_BUSY;
		/* Before the mark, which may be acted on at once. */
		req->canceller = canceller;
		if (atomic_try_cmpxchg(&req->state, &old, old | NB_CANCEL))
			return NB_MARKED;
	}
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

struct nb_count {
	u64 name; /* of this call */
	long ended;
	long marked;
	long busy;
};

/* One pass over the list: the oldest that can be ended, or all. */
static void pass(struct nb_batch *b, const struct nb_match *m, bool mark_running,
		 struct nb_count *n)
{
	bool all = m->p->flags & NBREAD_CANCEL_ALL;
	struct nb_ctx *ctx = b->ctx;
	struct nb_req *req, *next;
	u64 user_data;
	u32 cqe_flags;

	spin_lock(&ctx->req_lock);
	if (!n->name)
		n->name = ++ctx->cancels;
	list_for_each_entry_safe(req, next, &ctx->reqs, node) {
		if (!matches(m, req))
			continue;
		user_data = req->user_data;
		cqe_flags = req->cqe_flags & NBREAD_CQE_PUNTED;
		switch (end_one(req, mark_running, n->name)) {
		case NB_ENDED:
			nb_post(b, user_data, -ECANCELED, cqe_flags, false);
			nb_ctx_put(ctx); /* not the last: the ioctl's file holds one */
			n->ended++;
			break;
		case NB_MARKED:
			n->marked++;
			break;
		case NB_BUSY:
			n->busy++;
			break;
		}
		if (!all && n->ended + n->marked)
			break;
	}
	spin_unlock(&ctx->req_lock);
}

static long cancel(struct nb_batch *b, const struct nb_match *m)
{
	struct nb_count n = {};

	/* One only: rather one that waits than one that is about to end by itself. */
	if (!(m->p->flags & NBREAD_CANCEL_ALL))
		pass(b, m, false, &n);
	if (!(n.ended + n.marked)) {
		n.busy = 0;
		pass(b, m, true, &n);
	}
	/* Those that were ready and are marked; any other marked one is being run. */
	if (n.marked)
		n.ended += nb_end_cancelled(b, n.name);
	nb_flush(b);
	if (n.ended)
		return n.ended;
	return n.marked + n.busy ? -EALREADY : -ENOENT;
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
