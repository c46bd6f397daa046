/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * request.h - a read as it was asked for; one that could not be answered in the call, and
 * who owns it.
 *
 * Included by internal.h, after what it is made of.
 */
#ifndef NBREAD_REQUEST_H
#define NBREAD_REQUEST_H

/* One SQE, read once from the shared ring and checked. */
struct nb_read {
	u64 user_data;
	loff_t pos;
	struct nb_dst dst;
	u64 deadline_ns;
	int fd;
	u16 flags;
	u16 buf_index;
	u8 opcode;
};

/*
 * Who owns a request. docs/design.md has the picture; in short
 *   RUN      the task that runs a step. The wake callback may fire meanwhile
 *   WOKEN    it did; still the task's
 *   ARMED    the folio's wait queue
 *   READY    ctx->ready
 *   QUEUED   ctx->queued: no worker has begun with it. To and from it under req_lock
 *   WORK     a worker
 *   DETACHED the wait queue or ctx->ready; its CQE was posted, so
 *            that whoever comes for it only frees it. Who made it that gave its
 *            registered buffer back
 * NB_CANCEL may be added to RUN and WOKEN: end it instead of waiting.
 */
enum {
	NB_RUN,
	NB_WOKEN,
	NB_ARMED,
	NB_READY,
	NB_QUEUED,
	NB_WORK,
	NB_DETACHED,
	NB_STATE_MASK = 0xff,
	NB_CANCEL = 0x100,
};

/**
 * struct nb_req - a read that could not be answered in the call
 * @waiter:	what the page cache wakes; on a folio's queue while ARMED or DETACHED
 * @state:	see above; changed by cmpxchg, from QUEUED under req_lock
 * @ctx:	with a reference until its CQE is posted
 * @file:	with a reference to the end, also DETACHED
 * @row:	of the file, or NULL
 * @user:	who it counts for
 * @done:	bytes delivered; the next step goes on there
 * @steps:	how many steps delivered them
 * @end_err:	what it ends with if it is marked; written before the mark, under req_lock
 * @cqe_flags:	WAITED and PUNTED as they come to be true
 * @more:	more than a page is to come: one wake-up will not be all
 * @may_park:	the file waits by callback
 * @verified:	rw_verify_area() passed
 * @node:	in ctx->reqs while it owes a CQE, under req_lock
 * @dnode:	in ctx->deadlines, likewise, if it has a @deadline and that is not over
 * @deadline:	point of CLOCK_MONOTONIC, or KTIME_MAX
 * @lnode:	in ctx->ready (READY, or DETACHED since), the reaper's list (DETACHED), or, after
 *		its end, ctx->spare
 * @qnode:	in ctx->queued while QUEUED, under req_lock
 * @cred:	of who submitted
 * @blkcg:	io cgroup of who submitted, or NULL
 *
 * Holds a reference to this module from allocation to free.
 */
struct nb_req {
	struct nb_wait_folio waiter;
	atomic_t state;
	struct nb_ctx *ctx;
	struct file *file;
	const struct nb_fm_row *row;
	struct nb_user *user;
	struct nb_dst dst;
	loff_t pos;
	size_t done;
	u64 user_data;
	u32 cqe_flags;
	int end_err;
	unsigned int steps;
	bool more;
	bool may_park;
	bool verified;
	struct list_head node;
	struct rb_node dnode;
	ktime_t deadline;
	struct llist_node lnode;
	struct list_head qnode;
	const struct cred *cred;
	struct cgroup_subsys_state *blkcg;
};

/* The registered buffer that a request writes to, or NULL. Unless DETACHED. */
static inline struct nb_buf *nb_req_buf(const struct nb_req *req)
{
	return req->dst.kind == NB_DST_BUF ? req->dst.buf : NULL;
}

#endif /* NBREAD_REQUEST_H */
