// SPDX-License-Identifier: GPL-2.0-only
/*
 * cancel.c - end reads that wait: NBREAD_IOC_CANCEL, a deadline, the close of a ring.
 *
 * Role: take requests from the page cache's wait queue and the list of ready ones by state
 * alone. None can be unlinked there (a folio's wait queue is private to mm/filemap.c), so
 * the entry stays, DETACHED, and whoever comes for it frees it. One that is queued for a
 * worker is taken off that list.
 * Callers: main.c (CANCEL), deadline.c, close.c, sqthread.c. Context: task or worker.
 * Locks: nb_ctx.req_lock; a request on the list cannot be freed under it.
 * References: a detached request keeps its file and module; its context reference and
 * its buffer's are given back here.
 */
#include <linux/file.h>
#include <linux/sched.h>

#include "internal.h"

/*
 * Take @req from who waits for it, if anybody does; it may be gone on return of true.
 * It leaves list and tree before its state changes, since a DETACHED request may be freed
 * at once by whoever comes for it. Its registered buffer is given back here: nobody writes
 * to it any more, and whoever comes for the request may come late, or never. A request that
 * is queued for a worker is freed here: it comes to that state, and leaves it, under this lock.
 */
static bool detach(struct nb_req *req, bool *ready)
{
	struct list_head *next = req->node.next;
	struct nb_buf *buf = nb_req_buf(req);
	int old = atomic_read(&req->state);
	bool timed;

	lockdep_assert_held(&req->ctx->req_lock);
	list_del_init(&req->node);
	timed = nb_req_forget_deadline(req);
	if (old == NB_QUEUED) {
		list_del(&req->qnode);
		nb_req_free(req);
		return true;
	}
	while (old == NB_ARMED || old == NB_READY) {
		if (atomic_try_cmpxchg(&req->state, &old, NB_DETACHED)) {
			*ready |= old == NB_READY;
			if (buf)
				nb_buf_put(buf);
			return true;
		}
	}
	list_add_tail(&req->node, next);
	if (timed)
		nb_req_heed_deadline(req);
	return false;
}

/* Again and again until one of the three holds: its owner may park it meanwhile. */
static enum nb_ended end_one(struct nb_req *req, int err, bool may_mark, bool *ready)
{
	int old;

	for (;;) {
		if (detach(req, ready))
			return NB_ENDED;
		old = atomic_read(&req->state);
		if (old == NB_ARMED || old == NB_READY)
			continue;
		if (!may_mark || (old != NB_RUN && old != NB_WOKEN))
			return NB_BUSY;
		/* Before the mark, which may be acted on at once; see nb_req_end_err(). */
		req->end_err = err;
		if (atomic_try_cmpxchg(&req->state, &old, old | NB_CANCEL))
			return NB_MARKED;
	}
}

/**
 * nb_end_waiting() - end a read now, or see to it that it does not wait again
 * @b: batch that takes its CQE
 * @req: on the list, under req_lock; may be gone on return of NB_ENDED
 * @err: what it ends with
 * @may_mark: also one that runs this moment
 * @ready: set if it was on the list of ready ones, for nb_drop_ended() without the lock
 *
 * The caller holds a context reference of its own.
 */
enum nb_ended nb_end_waiting(struct nb_batch *b, struct nb_req *req, int err, bool may_mark,
			     bool *ready)
{
	u32 cqe_flags = req->cqe_flags & NBREAD_CQE_PUNTED;
	u64 user_data = req->user_data;
	enum nb_ended ended = end_one(req, err, may_mark, ready);

	if (ended == NB_ENDED) {
		nb_post(b, user_data, err, cqe_flags, false);
		nb_ctx_put(b->ctx);
	}
	return ended;
}

/* So many are ended in a row; then who waits for the lock, and the CPU, has a turn. */
#define NB_CANCEL_BATCH 256

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
	long ended;
	long marked;
	long busy;
	bool ready;
};

/* The oldest that can be ended, or a batch of all. Return: whether there may be more. */
static bool pass(struct nb_batch *b, const struct nb_match *m, bool may_mark, struct nb_count *n)
{
	bool all = m->p->flags & NBREAD_CANCEL_ALL;
	long enough = n->ended + NB_CANCEL_BATCH;
	struct nb_ctx *ctx = b->ctx;
	struct nb_req *req, *next;

	spin_lock(&ctx->req_lock);
	list_for_each_entry_safe(req, next, &ctx->reqs, node) {
		if (!matches(m, req))
			continue;
		switch (nb_end_waiting(b, req, -ECANCELED, may_mark, &n->ready)) {
		case NB_ENDED:
			n->ended++;
			break;
		case NB_MARKED:
			n->marked++;
			break;
		case NB_BUSY:
			n->busy++;
			break;
		}
		if (n->ended == enough || (!all && n->ended + n->marked))
			break;
	}
	spin_unlock(&ctx->req_lock);
	return n->ended == enough;
}

/*
 * Until none is left; but not for ever, where another thread submits as fast. Begins anew
 * each time: what was ended is not on the list any more.
 */
static void pass_all(struct nb_batch *b, const struct nb_match *m, bool may_mark,
		     struct nb_count *n)
{
	while (pass(b, m, may_mark, n) && n->ended <= b->ctx->ring->cq_mask) {
		nb_flush(b);
		cond_resched();
	}
}

static long cancel(struct nb_batch *b, const struct nb_match *m)
{
	struct nb_count n = {};

	/* One only: rather one that waits than one that is about to end by itself. */
	if (!(m->p->flags & NBREAD_CANCEL_ALL))
		pass(b, m, false, &n);
	if (!(n.ended + n.marked)) {
		n.busy = 0;
		pass_all(b, m, true, &n);
	}
	nb_flush(b);
	if (n.ready)
		nb_drop_ended(b->ctx);
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
	if ((p->flags & NBREAD_CANCEL_FIXED_FILE) && !(p->flags & NBREAD_CANCEL_FD))
		return -EINVAL;
	return !(p->flags & NBREAD_CANCEL_FD) && p->fd ? -EINVAL : 0;
}

/* The open file whose reads are meant, with a reference, or NULL. */
static struct file *named_file(struct nb_ctx *ctx, const struct nbread_cancel *p)
{
	if (p->flags & NBREAD_CANCEL_FIXED_FILE)
		return nb_fixed_file_get(ctx, p->fd);
	return p->fd < 0 ? NULL : fget(p->fd);
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
		m.file = named_file(ctx, p);
		if (!m.file)
			return -EBADF;
	}
	nb_batch_init(&b, ctx);
	ret = cancel(&b, &m);
	if (m.file)
		fput(m.file);
	return ret;
}

/*
 * The ring is closed: nobody will look at its CQ again. No call is under way, but a
 * worker may run a read (spread.c): it must not park it again.
 */
void nb_detach_all(struct nb_ctx *ctx)
{
	bool ready = false; /* close.c frees those */
	struct nb_req *req, *next;
	unsigned int ended;

	do {
		ended = 0;
		spin_lock(&ctx->req_lock);
		list_for_each_entry_safe(req, next, &ctx->reqs, node) {
			if (end_one(req, -ECANCELED, true, &ready) != NB_ENDED)
				continue;
			nb_ctx_put(ctx); /* not the last: the closing file holds one */
			if (++ended == NB_CANCEL_BATCH)
				break;
		}
		spin_unlock(&ctx->req_lock);
		cond_resched();
	} while (ended == NB_CANCEL_BATCH);
}
