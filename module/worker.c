// SPDX-License-Identifier: GPL-2.0-only
/*
 * worker.c - the punt: a blocking read on behalf of the program.
 *
 * Role: finish what cannot wait by callback, on the ring's own bounded workqueue,
 * with the submitter's mm, credentials and io cgroup.
 * Callers: miss.c and submit.c queue; the workqueue runs nb_work(). spread.c's workers
 * become the owner of what they read in the same way.
 * Context: nb_punt() task, nb_work() kernel worker. Locks: none.
 * References: a queued request owns itself; nb_work() pins the mm only while it
 * runs, so that exit frees the memory of a program whose reads are still queued.
 *
 * Not the submitter's, since a worker is another task: its pid, as a FUSE server and
 * fanotify see it, its io priority, and its count of bytes read (/proc/PID/io).
 */
#include <linux/blk-cgroup.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* A blocking read that says -EAGAIN all the same is asked so many times. */
#define NB_EAGAIN_TRIES 8

static int read_blocking(struct nb_req *req)
{
	struct file *file = req->file;
	unsigned int tries = 0;
	struct iov_iter iter;
	struct kiocb kiocb;
	loff_t pos = req->pos + req->done;
	ssize_t ret;

	if (!req->verified) {
		ret = rw_verify_area(READ, file, &pos, req->dst.len - req->done);
		if (ret)
			return ret;
	}
	do {
		init_sync_kiocb(&kiocb, file);
		if (kiocb.ki_flags & IOCB_DIRECT)
			return -EOPNOTSUPP;
		kiocb.ki_pos = req->pos + req->done;
		nb_dst_iter(&req->dst, req->done, &iter);
		ret = file->f_op->read_iter(&kiocb, &iter);
		if (ret > 0) {
			req->done += ret;
			/* Its one read was atomic; bytes appended since are not part of it. */
			if (nb_fm_is_atomic(req->row) || nb_stacked_is_atomic(file))
				break;
		} else if (ret != -EAGAIN || ++tries == NB_EAGAIN_TRIES) {
			break;
		}
		cond_resched();
	} while (req->done < req->dst.len);

	/* promise 1: a READ never ends with -EAGAIN */
	return ret == -EAGAIN ? -EIO : min_t(ssize_t, ret, 0);
}

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
 * Has the last process that used the mm exited? Workers that overlap keep mm_users
 * above zero, so that alone would let them read the whole queue of a dead process.
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

static void nb_work(struct work_struct *work)
{
	struct nb_req *req = container_of(work, struct nb_req, work);
	struct nb_ctx *ctx = req->ctx;
	struct nb_owner owner = {};
	struct nb_batch b;
	int ret;

	if (atomic_cmpxchg(&req->state, NB_QUEUED, NB_WORK) != NB_QUEUED) {
		nb_req_free(req); /* DETACHED: cancelled while it was queued */
		return;
	}
	/* A second reference: nb_complete() gives the request's back before the flush. */
	refcount_inc(&ctx->refs);
	nb_batch_init(&b, ctx);
	if (nb_use_owner_mm(ctx)) {
		nb_become_owner(&owner, req);
		ret = nb_req_result(req, read_blocking(req));
		nb_be_oneself(&owner);
		nb_unuse_owner_mm(ctx);
	} else {
		ret = -ECANCELED; /* nobody is left to see it */
	}
	nb_complete(&b, req, ret);
	nb_flush(&b);
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
	int old = NB_RUN;

	if (nb_fm_is_atomic(req->row))
		req->done = 0;
	req->cqe_flags |= NBREAD_CQE_PUNTED;
	INIT_WORK(&req->work, nb_work);
	if (atomic_try_cmpxchg(&req->state, &old, NB_QUEUED))
		/*
		 * cancel_work() of a work that is not queued yet holds its pending bit
		 * for a moment, in which queue_work() does nothing. Nobody but this task
		 * queues it, so nobody frees it before this has worked.
		 */
		while (!queue_work(req->ctx->wq, &req->work))
			cpu_relax();
	else
		nb_complete(b, req, nb_req_end_err(req));
}
