// SPDX-License-Identifier: GPL-2.0-only
/*
 * spread.c - run what became ready: by oneself, or together with other cores.
 *
 * Role: take the reads whose data came in off the list and give each its next step. On a
 * fast disk the copying of one task is the limit; so where much is left to copy, parts
 * of it are handed to workers, and the task does its own part meanwhile.
 * Callers: enter.c, sqthread.c; ctx.c (its end). Context: task with the ring's mm; run_part()
 * a kernel worker that uses it, and each request's credentials, io cgroup and memory cgroup.
 * Locks: none. References: a part holds the context until it has posted everything.
 *
 * A part is a chain of requests in state READY, like the list it was cut from. It hangs in
 * one of a few places of the context, which is taken by its bit in ctx->helping: nothing is
 * allocated. Whoever ends one of the requests meanwhile (cancel.c) leaves it in the chain,
 * DETACHED, and it is freed when its turn comes.
 *
 * A worker may copy, park the read again, or punt it, as the task would; the file system's
 * code may hold it up, but then only its own part waits. It does not count as a punt.
 */
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

static bool nb_spread_on = true;
module_param_named(spread, nb_spread_on, bool, 0644);
MODULE_PARM_DESC(spread, "Let other cores help to copy what a fast disk delivers (default on)");

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
	struct nb_part *part = container_of(work, struct nb_part, work);
	struct nb_ctx *ctx = part->ctx;
	struct nb_batch b;

	nb_batch_init(&b, ctx);
	if (nb_use_owner_mm(ctx)) {
		run_list(&b, part->list, true);
		nb_unuse_owner_mm(ctx);
	} else {
		drop_list(&b, part->list);
	}
	nb_flush(&b);
	atomic64_add(b.bytes, &ctx->spread_bytes);
	/* The place may be taken anew at once; pairs with test_and_set_bit() in take_place(). */
	clear_bit_unlock(part - ctx->parts, &ctx->helping);
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
	unsigned int free = NB_HELPERS - hweight_long(READ_ONCE(ctx->helping));

	if (!READ_ONCE(nb_spread_on) || cpus < 2)
		return 1;
	return min3((u64)cpus, (u64)free + 1, max_t(u64, worth / NB_PART_WORTH, 1));
}

/* Another task may be at it too, and more helpers there may never be. */
static struct nb_part *take_place(struct nb_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < NB_HELPERS; i++)
		/* Pairs with clear_bit_unlock() in run_part(). */
		if (!test_and_set_bit(i, &ctx->helping))
			return &ctx->parts[i];
	return NULL;
}

/* Hand over a chain of @nr requests. Return: false if there is nobody to help. */
static bool hand_over(struct nb_ctx *ctx, struct llist_node *list, unsigned int nr)
{
	struct nb_part *part = take_place(ctx);

	if (!part)
		return false;
	refcount_inc(&ctx->refs); /* the caller's file or thread holds one */
	atomic64_add(nr, &ctx->spread);
	part->list = list;
	queue_work(ctx->helper_wq, &part->work);
	return true;
}

/*
 * Cut parts of equal worth off the chain and hand them over. The first part, of those that
 * wait longest, is left for the caller, and so is the last that nobody took.
 */
static void spread(struct nb_ctx *ctx, struct llist_node *list, u64 worth, unsigned int parts)
{
	struct llist_node *node, *next, *part = NULL, *last_of_mine = NULL;
	u64 share = div_u64(worth, parts), sum = 0;
	unsigned int nr = 0;

	for (node = list; node; node = next) {
		next = node->next;
		sum += worth_of(llist_entry(node, struct nb_req, lnode));
		nr++;
		if (sum < share && next)
			continue;
		node->next = NULL;
		if (!part)
			last_of_mine = node;
		else if (!hand_over(ctx, part, nr))
			break;
		part = next;
		sum = 0;
		nr = 0;
	}
	if (node) {
		node->next = next;
		last_of_mine->next = part;
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

/* A new context. */
void nb_spread_start(struct nb_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < NB_HELPERS; i++) {
		ctx->parts[i].ctx = ctx;
		INIT_WORK(&ctx->parts[i].work, run_part);
	}
}
