// SPDX-License-Identifier: GPL-2.0-only
/*
 * miss.c - a read that has to wait: park it on the folio, wake it, go on.
 *
 * Role: issue ->read_iter with IOCB_WAITQ, so that the page cache starts the I/O
 * and puts our wait entry on the folio; the wake callback; the run of what became
 * ready. No thread waits for a parked read.
 * Callers: submit.c (nb_miss), spread.c (what became ready), cancel.c, deadline.c, close.c;
 * main.c (exit).
 * Context: nb_wake() under a folio wait-queue lock with interrupts off: it matches,
 * unlinks, queues, wakes a few (wait.c), and no more. All else: task or worker with the
 * owner's mm, or any for what is only freed.
 * Locks: that of the row, by trylock, over readahead and over a block device's read; the
 * submitter has nb_ctx.lock. References: a request is whose its state says (request.h).
 *
 * Flag rules of mm/filemap.c, both ways a trap: IOCB_NOWAIT must be clear, or
 * filemap_update_page() gives -EAGAIN before it arms; and after a partial batch the
 * kernel sets it in our kiocb, so each step gets a new one.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* Cancelled requests whose wake-up has come: freed by a work, in task context. */
static LLIST_HEAD(nb_reap_list);

static void nb_reap(struct work_struct *work)
{
	struct nb_req *req, *next;

	llist_for_each_entry_safe(req, next, llist_del_all(&nb_reap_list), lnode)
		nb_req_free(req);
}

static DECLARE_WORK(nb_reap_work, nb_reap);

/*
 * The folio was unlocked. After the state has changed the request may be run and
 * freed by another CPU, so what is needed of it is read before. The context may
 * lose its last reference then too; close.c gives the file's back a grace period later, and
 * this is a read side: the RCU lock says so for kernels whose spinlocks do not.
 */
static int nb_wake(struct wait_queue_entry *wait, unsigned int mode, int sync, void *arg)
{
	struct nb_wait_folio *waiter = container_of(wait, struct nb_wait_folio, wait);
	struct nb_req *req = container_of(waiter, struct nb_req, waiter);
	struct nb_ctx *ctx;
	bool more, first, urgent;
	int old, woken;

	if (!nb_wake_folio_match(waiter, arg))
		return 0;
	rcu_read_lock();
	ctx = req->ctx;
	more = req->more;
	list_del_init(&wait->entry);
	old = atomic_read(&req->state);
	for (;;) {
		int new = old;

		if ((old & NB_STATE_MASK) == NB_RUN)
			new = NB_WOKEN | (old & NB_CANCEL); /* the arming task goes on */
		else if (old == NB_ARMED)
			new = NB_READY;
		if (new == old || atomic_try_cmpxchg(&req->state, &old, new))
			break;
	}
	if (old == NB_ARMED) {
		first = llist_add(&req->lnode, &ctx->ready);
		/* After the push: who takes the list counts it off, maybe before this. */
		urgent = more && atomic_inc_return(&ctx->nr_urgent) == 1;
		/*
		 * Its full barrier pairs with those of nb_sleep(), nb_poll(), go_to_sleep()
		 * and nb_register_eventfd(): either we see who waits or he sees the read.
		 */
		woken = atomic_inc_return(&ctx->nr_ready);
		nb_sq_kick(ctx);
		nb_tell_ready(ctx, woken, first, urgent);
	} else if (old == NB_DETACHED) {
		llist_add(&req->lnode, &nb_reap_list);
		schedule_work(&nb_reap_work);
	}
	rcu_read_unlock();
	return 1;
}

/*
 * One blocking-free step: bytes, 0 at end of file, -EIOCBQUEUED when the waiter is
 * on the folio, -EAGAIN when only a blocking read can go on.
 */
static ssize_t arm(struct nb_req *req)
{
	struct file *file = req->file;
	/* As init_sync_kiocb(), without its look at current's ioprio, which is for direct I/O. */
	struct kiocb kiocb = {
		.ki_filp = file,
		.ki_flags = file->f_iocb_flags | IOCB_WAITQ,
		.ki_waitq = &req->waiter,
		.ki_pos = req->pos + req->done,
	};
	struct iov_iter iter;
	ssize_t ret;

	if (kiocb.ki_flags & IOCB_DIRECT)
		return -EOPNOTSUPP;
	if (nb_may_wait_for_dio(req->row, file))
		return -EAGAIN;
	init_waitqueue_func_entry(&req->waiter.wait, nb_wake);
	INIT_LIST_HEAD(&req->waiter.wait.entry);
	req->more = req->dst.len - req->done > PAGE_SIZE;
	nb_dst_iter(&req->dst, req->done, &iter);

	/*
	 * A lock that a writer or a hole punch holds is a reason to go to a worker, not
	 * to sleep. For a block device the first is the lock its ->read_iter takes;
	 * else both are only asked for, since the read takes them itself.
	 */
	if (!nb_fm_lock(req->row, file))
		return -EAGAIN;
	if (!nb_may_fill(file->f_mapping)) {
		nb_fm_unlock(req->row, file);
		return -EAGAIN;
	}
	nb_start_readahead(file, kiocb.ki_pos, req->dst.len - req->done);
	if (nb_fm_is_bdev(req->row)) {
		ret = filemap_read(&kiocb, &iter, 0);
		nb_fm_unlock(req->row, file);
	} else {
		nb_fm_unlock(req->row, file);
		ret = file->f_op->read_iter(&kiocb, &iter);
	}
	return ret;
}

/*
 * The waiter is on a folio: give the request away. Return: false if it is the
 * task's again, in state NB_RUN, because the wake-up was faster.
 */
static bool park(struct nb_batch *b, struct nb_req *req)
{
	u64 user_data = req->user_data;
	u32 cqe_flags = req->cqe_flags;
	struct nb_buf *buf = nb_req_buf(req);
	struct nb_ctx *ctx = req->ctx;
	int err, old = NB_RUN;

	req->cqe_flags |= NBREAD_CQE_WAITED;
	if (atomic_try_cmpxchg(&req->state, &old, NB_ARMED))
		return true;
	if (old == (NB_RUN | NB_CANCEL)) {
		err = nb_req_end_err(req);
		/* Off the list first: once DETACHED the waker may free it. */
		nb_req_unlist(req);
		if (!atomic_try_cmpxchg(&req->state, &old, NB_DETACHED))
			nb_req_free(req); /* woken in between: nobody else will */
		else if (buf)
			nb_buf_put(buf);
		nb_post(b, user_data, err, cqe_flags, false);
		nb_ctx_put(ctx); /* not the last: the ioctl's file holds one */
		return true;
	}
	old = NB_WOKEN;
	if (atomic_try_cmpxchg(&req->state, &old, NB_RUN))
		return false;
	nb_complete(b, req, nb_req_end_err(req));
	return true;
}

/*
 * Readahead that takes the place for "the expected one" only pushes its window on,
 * and may bring the folios behind the one that is wanted (ondemand_readahead(), after an
 * eviction). The second time the window has moved and it starts anew, so once more is
 * worth a try; not if there is a folio: that one failed to read.
 */
static bool once_more(struct nb_req *req, loff_t *tried)
{
	loff_t pos = req->pos + req->done;
	struct folio *folio;

	if (*tried == pos)
		return false;
	*tried = pos;
	folio = nb_get_folio(req->file->f_mapping, pos >> PAGE_SHIFT);
	if (!folio)
		return true;
	folio_put(folio);
	return false;
}

/*
 * The bytes came in several steps, and this file system's own read would have held
 * its lock over all of them: a write in between must not be seen by half. Now that
 * they are resident copy them again, in one step. Return: false if they are not any
 * more; then a worker's one blocking read does it, from the start.
 */
static bool reread(struct nb_req *req)
{
	ssize_t ret = -EAGAIN;
	bool eof = false;

	if (nb_fm_enabled(req->row))
		ret = nb_fm_read(req->row, req->file, &req->dst, 0, req->pos, false, &eof);
	req->done = max_t(ssize_t, ret, 0);
	return ret >= 0 && (ret == req->dst.len || eof);
}

/* The steps are over: @err is 0 at the end of the data. */
static void finish(struct nb_batch *b, struct nb_req *req, int err)
{
	bool joined = req->done && (req->steps > 1 || req->done < req->dst.len);

	/* An end of file that was seen after a step was seen under another lock, too. */
	if (!joined || !nb_fm_is_atomic(req->row))
		nb_complete(b, req, nb_req_result(req, err));
	else if (reread(req))
		nb_complete(b, req, req->done);
	else
		nb_punt(b, req);
}

/**
 * nb_miss() - take a read on that the cached step did not finish
 * @b: batch of the calling task, which has the ring's mm
 * @req: in state NB_RUN; may be gone when this returns
 */
void nb_miss(struct nb_batch *b, struct nb_req *req)
{
	loff_t tried = -1;
	ssize_t ret;

	for (;;) {
		if (!req->may_park)
			return nb_punt(b, req);
		/* It may sleep, for a file system's metadata: show first what is done. */
		nb_flush(b);
		ret = arm(req);
		if (ret == -EIOCBQUEUED) {
			if (park(b, req))
				return;
			continue;
		}
		if (ret > 0) {
			req->done += ret;
			req->steps++;
			if (req->done < req->dst.len && !nb_at_eof(req->file, req->pos + req->done))
				continue;
			ret = 0;
		} else if (ret == -EAGAIN && once_more(req, &tried)) {
			continue;
		} else if (ret == -EAGAIN ||
			   (ret == -EOPNOTSUPP && !(req->file->f_flags & O_DIRECT)) ||
			   (!ret && !nb_at_eof(req->file, req->pos + req->done))) {
			/* an I/O error, no folio to wait on, a lock, or an end that moved */
			return nb_punt(b, req);
		}
		return finish(b, req, ret);
	}
}

/* After a wake-up the look-up is the cheapest way to the bytes. */
static bool resume_by_lookup(struct nb_req *req)
{
	bool eof = false;
	ssize_t ret;

	if (!nb_fm_enabled(req->row))
		return false;
	if (!req->done &&
	    nb_fm_read_one(req->row, req->file, &req->dst, req->pos) == NB_FM_ONE_DONE) {
		req->done = req->dst.len;
		req->steps++;
		return true;
	}
	ret = nb_fm_read(req->row, req->file, &req->dst, req->done, req->pos, false, &eof);
	if (ret > 0) {
		req->done += ret;
		req->steps++;
	}
	return req->done == req->dst.len || eof;
}

/* Take every woken request off the list, newest first. Return: NULL if there is none. */
struct llist_node *nb_take_ready(struct nb_ctx *ctx)
{
	int nr = 0, urgent = 0;
	struct llist_node *list;
	struct nb_req *req;

	if (llist_empty(&ctx->ready)) {
		/*
		 * Pairs with llist_del_all() below, by a task that poll told: who sees the list
		 * empty sees poll_told.
		 */
		smp_rmb();
		nb_looked_in_vain(ctx);
		return NULL;
	}
	/* A full barrier; pairs with smp_rmb() above. */
	list = llist_del_all(&ctx->ready);
	llist_for_each_entry(req, list, lnode) {
		urgent += req->more;
		nr++;
	}
	atomic_sub(nr, &ctx->nr_ready);
	/*
	 * One that was pushed before this, on the empty list, was not the first by the count,
	 * and told nobody.
	 */
	if (urgent && atomic_sub_return(urgent, &ctx->nr_urgent) > 0)
		nb_tell(ctx, 1, 0);
	return list;
}

/**
 * nb_run_one() - the next step of a read whose data came in
 * @b: batch of the calling task or worker, which has the ring's mm
 * @req: taken off the list; READY, or DETACHED if it ended meanwhile. May be gone
 *	when this returns
 */
void nb_run_one(struct nb_batch *b, struct nb_req *req)
{
	if (atomic_cmpxchg(&req->state, NB_READY, NB_RUN) != NB_READY)
		nb_req_free(req);
	else if (nb_owner_was_killed(b->ctx))
		nb_complete(b, req, nb_req_result(req, -EINTR));
	else if (resume_by_lookup(req))
		finish(b, req, 0);
	else
		nb_miss(b, req);
}

/**
 * nb_drop_ended() - free those ready reads that were ended, and run none
 * @ctx: the context
 *
 * They would be freed by the next run, but that may never come, and they hold their
 * files. CANCEL must not start I/O or wait for it, so the others go back on the list.
 */
void nb_drop_ended(struct nb_ctx *ctx)
{
	struct nb_req *req, *next;
	unsigned int back = 0;
	bool more;

	llist_for_each_entry_safe(req, next, llist_reverse_order(nb_take_ready(ctx)), lnode) {
		if (atomic_read(&req->state) == NB_DETACHED) {
			nb_req_free(req);
			continue;
		}
		more = req->more;
		llist_add(&req->lnode, &ctx->ready);
		if (more)
			atomic_inc(&ctx->nr_urgent);
		atomic_inc(&ctx->nr_ready);
		back++;
	}
	if (!back)
		return;
	/* Somebody may have looked while they were off the list; nb_tell() is a full barrier. */
	nb_tell(ctx, back, back);
	nb_event_posted(ctx, false);
	nb_sq_kick(ctx);
}

/* Free what was woken and will not be run, since its ring is closed. See close.c. */
void nb_miss_reap(struct nb_ctx *ctx)
{
	struct nb_req *req, *next;
	bool owes;

	llist_for_each_entry_safe(req, next, llist_del_all(&ctx->ready), lnode) {
		owes = nb_req_unlist(req);
		nb_req_free(req);
		if (owes)
			nb_ctx_put(ctx);
	}
}

/*
 * No request is left. But a wake callback may still be between its push to the
 * reap list, which an earlier run of the work emptied, and schedule_work(): first
 * let every callback leave (each is an RCU read side), then the work.
 */
void nb_miss_exit(void)
{
	synchronize_rcu();
	flush_work(&nb_reap_work);
}
