// SPDX-License-Identifier: GPL-2.0-only
/*
 * spread.c - run what became ready: by oneself, or together with other cores.
 *
 * Role: take the reads whose data came in off the list and give each its next step. On a
 * fast disk the copying of one task is the limit; so where much is left to copy, parts
 * of it are handed to workers, and the task does its own part meanwhile.
 * Callers: enter.c. Context: task with the ring's mm; run_part() a kernel worker that
 * uses it, and each request's credentials, io cgroup and memory cgroup.
 * Locks: none. References: a part holds the context until it has posted everything.
 *
 * A part is a chain of requests in state READY, like the list it was cut from, and the
 * work is that of its first request: nothing is allocated. Whoever ends one of them
 * meanwhile (cancel.c) leaves it in the chain, DETACHED, and it is freed when its turn
 * comes. So the first request lives until run_part() comes to it.
 *
 * A worker may copy, park the read again, or punt it, as the task would; the file system's
 * code may hold it up, but then only its own part waits. It does not count as a punt.
 */
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

/*
 * Off unless the administrator wants it: the helpers of all users share a workqueue, which
 * one user can fill with copies that never end (to memory of a server of his own).
 */
static bool nb_spread_on;
module_param_named(spread, nb_spread_on, bool, 0644);
MODULE_PARM_DESC(spread, "Let other cores help to copy what a fast disk delivers (default off)");

/*
 * What a read costs beside the copy (look-up, CQE, free), in bytes that are copied in that
 * time. Reckoned, not measured: about 900 instructions beside a copy of 440 where that is
 * one instruction for 8 bytes; a real CPU copies faster and misses the cache more often.
 */
#define NB_READ_COST 4096

/*
 * What a part must be worth at least. To hand one over is reckoned at 6,000 instructions and
 * a wake-up (queue_work(), two switches, kthread_use_mm()); 16 reads of 4 KiB are four
 * times that, so the loss where it does not pay is small.
 */
#define NB_PART_WORTH (16 * (4096 + NB_READ_COST))

/* Workers that help a ring at a time: copying is bound by memory, not by cores. */
#define NB_HELPERS 3

static struct workqueue_struct *nb_spread_wq;

/* Run a chain, oldest first. */
static void run_list(struct nb_batch *b, struct llist_node *list, bool as_owner)
{
	struct nb_req *req, *next;
	struct nb_owner owner = {};

	llist_for_each_entry_safe(req, next, list, lnode) {
		if (as_owner)
			nb_become_owner(&owner, req);
		nb_run_one(b, req);
		cond_resched();
	}
	nb_be_oneself(&owner);
}

/* The program is gone: nobody is left to see them. */
static void drop_list(struct nb_batch *b, struct llist_node *list)
{
	struct nb_req *req, *next;

	llist_for_each_entry_safe(req, next, list, lnode) {
		if (atomic_cmpxchg(&req->state, NB_READY, NB_RUN) == NB_READY)
			nb_complete(b, req, -ECANCELED);
		else
			nb_req_free(req);
	}
}

static void run_part(struct work_struct *work)
{
	struct nb_req *first = container_of(work, struct nb_req, work);
	struct nb_ctx *ctx = first->ctx;
	struct nb_batch b;

	nb_batch_init(&b, ctx);
	if (nb_use_owner_mm(ctx)) {
		run_list(&b, &first->lnode, true);
		nb_unuse_owner_mm(ctx);
	} else {
		drop_list(&b, &first->lnode);
	}
	nb_flush(&b);
	atomic64_add(b.bytes, &ctx->spread_bytes);
	atomic_dec(&ctx->helpers);
	nb_ctx_put(ctx);
}

static u64 worth_of(const struct nb_req *req)
{
	return NB_READ_COST + (u64)(req->dst.len - req->done);
}

/*
 * How many parts to make of a chain that is worth @worth. Not more than the task may use
 * CPUs: where it is confined to one, the work of others would not be for it.
 */
static unsigned int nr_parts(struct nb_ctx *ctx, u64 worth)
{
	unsigned int cpus = min_t(unsigned int, num_online_cpus(), current->nr_cpus_allowed);
	int free = NB_HELPERS - atomic_read(&ctx->helpers);

	if (!READ_ONCE(nb_spread_on) || cpus < 2 || free <= 0)
		return 1;
	return min3((u64)cpus, (u64)free + 1, max_t(u64, worth / NB_PART_WORTH, 1));
}

/* Hand a part over; it has @nr requests. */
static void hand_over(struct nb_ctx *ctx, struct llist_node *part, unsigned int nr)
{
	struct nb_req *first = llist_entry(part, struct nb_req, lnode);

	atomic_inc(&ctx->helpers);
	refcount_inc(&ctx->refs); /* the caller's file or thread holds one */
	atomic64_add(nr, &ctx->spread);
	INIT_WORK(&first->work, run_part);
	queue_work(nb_spread_wq, &first->work);
}

/*
 * Cut parts of equal worth off the end of the chain and hand them over. The first part,
 * of those that wait longest, is left for the caller.
 */
static void spread(struct nb_ctx *ctx, struct llist_node *list, u64 worth, unsigned int parts)
{
	u64 share = div_u64(worth, parts), sum = 0;
	struct llist_node *node = list, *part = NULL;
	unsigned int nr = 0;

	while (node) {
		struct llist_node *next = node->next;

		sum += worth_of(llist_entry(node, struct nb_req, lnode));
		nr++;
		if (sum >= share || !next) {
			node->next = NULL;
			if (part)
				hand_over(ctx, part, nr);
			part = next;
			sum = 0;
			nr = 0;
		}
		node = next;
	}
}

/**
 * nb_run_ready() - go on with every read whose wake-up has come
 * @b: batch of the calling task, which has the ring's mm
 *
 * Each completes, parks again, or goes to a worker; or another core goes on with it.
 */
void nb_run_ready(struct nb_batch *b)
{
	struct llist_node *list = llist_reverse_order(nb_take_ready(b->ctx));
	struct llist_node *node;
	unsigned int parts;
	u64 worth = 0;

	if (!list)
		return;
	llist_for_each(node, list) worth += worth_of(llist_entry(node, struct nb_req, lnode));
	parts = nr_parts(b->ctx, worth);
	/* One read is one task's: it is not cut. */
	if (parts > 1 && list->next)
		spread(b->ctx, list, worth, parts);
	run_list(b, list, false);
}

int __init nb_spread_init(void)
{
	nb_spread_wq = alloc_workqueue("nbread-spread", WQ_UNBOUND, 0);
	return nb_spread_wq ? 0 : -ENOMEM;
}

void nb_spread_exit(void)
{
	destroy_workqueue(nb_spread_wq);
}
