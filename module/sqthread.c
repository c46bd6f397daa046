// SPDX-License-Identifier: GPL-2.0-only
/*
 * sqthread.c - the kernel thread that takes submissions: NBREAD_SETUP_SQTHREAD.
 *
 * Role: for each of its rings take entries, go on with reads whose wake-up has come, and
 * when there is nothing to do for a while say NEED_WAKEUP and sleep. As enter.c for a task.
 * Callers: sq.c creates it. Context: a kernel thread of its own; it may sleep in a file
 * system, for metadata, as a task in ENTER may.
 * Locks: none over a pass; nb_ctx.lock is taken by nb_submit(), for a bounded batch, and by
 * run_ready(), for a look at the credentials.
 * References: the thread holds its nb_sqt and the module to its last instruction. A ring that
 * it serves is held by its file's reference, which only the thread gives back (drop()). The mm
 * is pinned by mmget() only while it is awake, and is given up at once when its last
 * process has gone: a ring that outlives that in another process pins no memory but its
 * registered buffers.
 *
 * The list of rings is the thread's alone. New ones come by an llist (t->news), ended ones
 * are marked (sq->closing), so nobody ever waits for the thread.
 *
 * Sleeping: go_to_sleep() sets NEED_WAKEUP in each ring and t->asleep, then comes a full
 * barrier, then it looks at the tails, the CQ heads, the ready lists, t->news and closing once
 * more. Its partners store first, have a full barrier, then look: the program at
 * NEED_WAKEUP (after SQ tail, and after CQ head if the CQ was full), nb_sq_kick() at t->asleep.
 */
#include <linux/blk-cgroup.h>
#include <linux/cpumask.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "internal.h"

/* Entries of one ring in a row, when there are others. */
#define NB_SQ_BATCH 64

enum nb_pass {
	NB_PASS_IDLE, /* there was nothing to do */
	NB_PASS_BUSY,
	NB_PASS_ENDED, /* the last ring is gone */
};

/* Use the owner's memory. Return: false if it is gone, now and for ever. */
static bool take_mm(struct nb_sqt *t)
{
	if (t->has_mm)
		return true;
	if (t->gone || nb_mm_is_abandoned(t->mm) || !mmget_not_zero(t->mm)) {
		t->gone = true;
		return false;
	}
	kthread_use_mm(t->mm);
	/* Page cache and requests are charged to the owner; slab of a kernel thread to nobody. */
	t->memcg = get_mem_cgroup_from_mm(t->mm);
	t->old_memcg = set_active_memcg(t->memcg);
	t->has_mm = true;
	return true;
}

static void give_mm(struct nb_sqt *t)
{
	if (!t->has_mm)
		return;
	set_active_memcg(t->old_memcg);
	mem_cgroup_put(t->memcg);
	kthread_unuse_mm(t->mm);
	/* The last user's exit may have run meanwhile: do not tear its memory down here. */
	mmput_async(t->mm);
	t->has_mm = false;
}

/*
 * Where the rings are mapped they hold their files, so the memory of a process that has
 * gone must be let go of before anything is closed. Its mm may have other workers of ours.
 */
static void let_go_of_the_dead(struct nb_sqt *t)
{
	if (!t->has_mm)
		return;
	if (!nb_mm_is_abandoned(t->mm) && atomic_read(&t->mm->mm_users) > 1)
		return;
	t->gone = true;
	give_mm(t);
}

static void adopt(struct nb_sqt *t)
{
	struct nb_sq *sq, *next;

	llist_for_each_entry_safe(sq, next, llist_del_all(&t->news), news)
		list_add_tail(&sq->node, &t->list);
}

/* Is there an entry to take, and a slot for its CQE? Tells ENTER of a tail that cannot be. */
static bool can_take(struct nb_sq *sq)
{
	struct nb_ctx *ctx = sq->ctx;
	u32 nr = 0;
	bool bad;

	/* Nobody else takes entries, so without nb_ctx.lock. */
	bad = nb_ring_sq_ready(ctx->ring, &nr);
	if (unlikely(bad != sq->bad_tail)) {
		WRITE_ONCE(sq->bad_tail, bad);
		wake_up(&sq->room);
		nb_tell(ctx, UINT_MAX, 1);
		nb_event_posted(ctx, false);
	}
	return nr && nb_cq_has_room(ctx);
}

static bool has_work(struct nb_sq *sq)
{
	return !llist_empty(&sq->ctx->ready) || can_take(sq);
}

/* Go on with what became ready, as who the ring reads for. */
static void run_ready(struct nb_batch *b, struct nb_sq *sq)
{
	const struct cred *cred, *old;

	/* As in nb_submit(): REGISTER may fault memory in with it, and a hung task is reported. */
	if (mutex_lock_interruptible(&sq->ctx->lock))
		return; /* a thread of the kernel has no signals */
	cred = get_cred(sq->cred);
	mutex_unlock(&sq->ctx->lock);
	old = override_creds(cred);
	nb_run_ready(b);
	nb_flush(b);
	revert_creds(old);
	put_cred(cred);
}

static void serve(struct nb_sq *sq)
{
	struct nb_ctx *ctx = sq->ctx;
	struct nb_batch b;

#ifdef CONFIG_BLK_CGROUP
	kthread_associate_blkcg(sq->blkcg);
#endif
	nb_batch_init(&b, ctx);
	if (!nb_ring_sq_is_empty(ctx->ring)) {
		nb_submit(&b, ctx->ring, NB_SQ_BATCH);
		/* Its full barrier orders the new SQ head before it; see nb_sq_wait_room(). */
		if (wq_has_sleeper(&sq->room))
			wake_up(&sq->room);
	}
	if (!llist_empty(&ctx->ready))
		run_ready(&b, sq);
#ifdef CONFIG_BLK_CGROUP
	kthread_associate_blkcg(NULL);
#endif
}

/* The second half of a close. Return: whether that was the last ring. */
static bool drop(struct nb_sqt *t, struct nb_sq *sq)
{
	list_del(&sq->node);
	/* What was parked or queued here after release had detached all. */
	nb_detach_all(sq->ctx);
	nb_ctx_close_end(sq->ctx);
	return refcount_dec_and_test(&t->rings);
}

static enum nb_pass pass(struct nb_sqt *t)
{
	enum nb_pass ret = NB_PASS_IDLE;
	struct nb_sq *sq, *next;

	list_for_each_entry_safe(sq, next, &t->list, node) {
		let_go_of_the_dead(t);
		/* Pairs with the release in nb_sq_close(). */
		if (unlikely(smp_load_acquire(&sq->closing))) {
			if (drop(t, sq))
				return NB_PASS_ENDED;
			ret = NB_PASS_BUSY;
			continue;
		}
		if (!t->gone && has_work(sq) && take_mm(t)) {
			serve(sq);
			ret = NB_PASS_BUSY;
		}
	}
	let_go_of_the_dead(t);
	return ret;
}

static bool must_stay_awake(struct nb_sqt *t)
{
	struct nb_sq *sq;

	if (!llist_empty(&t->news))
		return true;
	list_for_each_entry(sq, &t->list, node)
		if (READ_ONCE(sq->closing) || (!t->gone && has_work(sq)))
			return true;
	return false;
}

/*
 * Where all its CPUs went off-line the scheduler let it run anywhere, or anywhere in its
 * cpuset. Back, when they are. A mask that somebody else narrowed or moved stays; so does
 * one that a cpuset widened, but for SQ_AFF, which names the CPU.
 */
static void come_home(const struct nb_sqt *t)
{
	const struct cpumask *now = &current->cpus_mask;
	bool anywhere = cpumask_subset(cpu_possible_mask, now);

	if (likely(cpumask_equal(now, t->cpus)) || !(anywhere || t->is_pinned) ||
	    !cpumask_subset(t->cpus, now) || !cpumask_intersects(t->cpus, cpu_online_mask))
		return;
	set_cpus_allowed_ptr(current, t->cpus);
}

static void go_to_sleep(struct nb_sqt *t)
{
	struct nb_sq *sq;

	give_mm(t);
	list_for_each_entry(sq, &t->list, node)
		nb_ring_set_sq_flags(sq->ctx->ring, NBREAD_SQ_NEED_WAKEUP);
	WRITE_ONCE(t->asleep, true);
	/* Its full barrier pairs with those that are named at the top of this file. */
	set_current_state(TASK_INTERRUPTIBLE);
	if (!must_stay_awake(t))
		schedule();
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(t->asleep, false);
	/* What a program stored before it read 0 here is seen by the look before the next sleep. */
	list_for_each_entry(sq, &t->list, node)
		nb_ring_set_sq_flags(sq->ctx->ring, 0);
	come_home(t);
}

/**
 * nb_sq_thread() - the thread
 * @arg: its nb_sqt
 *
 * Ends by itself with its last ring.
 */
int nb_sq_thread(void *arg)
{
	unsigned long worked = jiffies;
	struct nb_sqt *t = arg;
	enum nb_pass ret;

	set_freezable();
	/* Here and not by who created it: newer kernels give a new thread CPUs before this. */
	set_cpus_allowed_ptr(current, t->cpus);
	for (;;) {
		adopt(t);
		ret = pass(t);
		if (ret == NB_PASS_ENDED)
			break;
		if (ret == NB_PASS_BUSY) {
			worked = jiffies;
		} else if (t->gone || t->never_polls || time_after(jiffies, worked + t->idle)) {
			go_to_sleep(t);
			worked = jiffies;
		} else {
			cpu_relax();
		}
		cond_resched_tasks_rcu_qs();
		try_to_freeze();
	}
	give_mm(t);
	nb_sqt_put(t);
	module_put_and_kthread_exit(0);
}
