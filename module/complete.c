// SPDX-License-Identifier: GPL-2.0-only
/*
 * complete.c - from a result to a CQE.
 *
 * Role: the only caller of nb_ring_publish(). Results of one task are gathered in a
 * batch on its stack and posted under one taking of the lock.
 * Callers: submit.c (hits and errors), miss.c, spread.c, worker.c, cancel.c and deadline.c
 * (requests), enter.c, sqthread.c; sq.c (room).
 * Context: task or worker. Locks: nb_ctx.cq_lock, here. References: nb_complete()
 * gives back the request's context reference and frees the request.
 *
 * A slot was reserved for each entry when it was taken (submit.c), so a post cannot
 * fail: promise 3.
 */
#include <linux/fsnotify.h>

#include "internal.h"

void nb_batch_init(struct nb_batch *b, struct nb_ctx *ctx)
{
	b->ctx = ctx;
	b->nr = 0;
	b->hits = 0;
	b->inside = false;
	b->bytes = 0;
}

static void count(struct nb_stats *s, const struct nbread_cqe *cqe)
{
	s->waited += !!(cqe->flags & NBREAD_CQE_WAITED);
	s->punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
	s->cancelled += cqe->res == -ECANCELED;
	s->timed_out += cqe->res == -ETIME;
}

/**
 * nb_publish() - post what the batch holds, and tell nobody yet
 * @b: the batch, empty afterwards
 *
 * Return: how many, for nb_tell() and nb_event_posted().
 */
unsigned int nb_publish(struct nb_batch *b)
{
	struct nb_ctx *ctx = b->ctx;
	unsigned int i, nr = b->nr;

	if (!nr)
		return 0;
	spin_lock(&ctx->cq_lock);
	nb_ring_publish(ctx->ring, b->cqes, nr);
	if (unlikely(b->hits < nr))
		for (i = 0; i < nr; i++)
			count(&ctx->stats, &b->cqes[i]);
	ctx->cq_reserved -= nr;
	ctx->stats.completed += nr;
	ctx->stats.hits += b->hits;
	spin_unlock(&ctx->cq_lock);
	b->nr = 0;
	b->hits = 0;
	return nr;
}

/* Post what the batch holds, wake who waits for it, poll, and the eventfd. */
void nb_flush(struct nb_batch *b)
{
	unsigned int nr = nb_publish(b);

	if (!nr)
		return;
	nb_tell(b->ctx, nr, nr);
	/* Behind its full barrier; see nb_event_posted(). */
	nb_event_posted(b->ctx, b->inside);
}

/* Is a CQ slot neither used nor promised? What a program writes to its head may change that. */
bool nb_cq_has_room(struct nb_ctx *ctx)
{
	bool room;
	u32 ready;

	/* nb_publish() moves slots from one count to the other under it. */
	spin_lock(&ctx->cq_lock);
	room = !nb_ring_cq_ready(ctx->ring, &ready) &&
	       ready + ctx->cq_reserved <= ctx->ring->cq_mask;
	spin_unlock(&ctx->cq_lock);
	return room;
}

/**
 * nb_req_result() - what a request ends with
 * @req: the request
 * @err: -errno, or 0 at the end of the data
 *
 * Return: the bytes delivered if there are any, as pread(2), else @err. What only
 * a restarted system call may see becomes -EINTR.
 */
int nb_req_result(const struct nb_req *req, int err)
{
	if (req->done || !err)
		return req->done;
	if (err == -ERESTARTSYS || err == -ERESTARTNOINTR || err == -ERESTARTNOHAND ||
	    err == -ERESTART_RESTARTBLOCK)
		return -EINTR;
	return err;
}

/**
 * nb_complete() - end a request: post its CQE, free it
 * @b: batch of the calling task or worker
 * @req: owned by the caller by its state
 * @res: bytes or -errno
 */
void nb_complete(struct nb_batch *b, struct nb_req *req, int res)
{
	u64 user_data = req->user_data;
	u32 cqe_flags = req->cqe_flags;
	struct nb_ctx *ctx = req->ctx;
	bool owes;

	if (req->done)
		fsnotify_access(req->file);
	owes = nb_req_unlist(req);
	/* Before the CQE is seen, by which the program knows that its buffer is not used. */
	nb_req_recycle(ctx, req);
	if (owes)
		nb_post(b, user_data, res, cqe_flags, false);
	/* Not the last one: the caller's file or batch holds another until it flushed. */
	nb_ctx_put(ctx);
}
