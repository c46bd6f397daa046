// SPDX-License-Identifier: GPL-2.0-only
/*
 * submit.c - take SQEs off the ring and give each its first step.
 *
 * Role: read an SQE once, check it, answer it from the page cache, or make a
 * request of it and hand that to miss.c or worker.c.
 * Callers: enter.c, sqthread.c. Context: task with the ring's mm; the thread uses it.
 * Locks: nb_ctx.lock over the whole batch (one submitter at a time; the program's
 * other threads may reap, cancel and run ready reads meanwhile).
 * References: a file is looked up once for a run of SQEs that name the same fd or index.
 *
 * A hit allocates nothing and takes no reference of its own.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* What an opcode and flags allow in the other members; the buffer is looked at later. */
static noinline int check_members(const struct nbread_sqe *sqe)
{
	if (sqe->flags & ~NB_SQE_FLAGS)
		return -EINVAL;
	switch (sqe->opcode) {
	case NBREAD_OP_NOP:
		return sqe->flags | sqe->fd | sqe->off | sqe->addr | sqe->len | sqe->buf_index |
				       sqe->deadline_ns ?
			       -EINVAL :
			       0;
	case NBREAD_OP_READ:
	case NBREAD_OP_READV:
		if (sqe->buf_index)
			return -EINVAL;
		break;
	case NBREAD_OP_READ_FIXED:
		break;
	default:
		return -EINVAL;
	}
	if ((sqe->flags & NBREAD_SQE_NOIO) && !(sqe->flags & NBREAD_SQE_CACHED))
		return -EINVAL;
	if ((sqe->flags & NBREAD_SQE_ASYNC) && (sqe->flags & NBREAD_SQE_CACHED))
		return -EINVAL;
	if (sqe->opcode == NBREAD_OP_READV && sqe->len > UIO_MAXIOV)
		return -EINVAL;
	return 0;
}

/* Copy an SQE out of shared memory, each word read once, and decode the copy. */
static int read_sqe(const struct nbread_sqe *shared, struct nb_read *rd)
{
	const u64 *from = (const u64 *)shared;
	union {
		struct nbread_sqe sqe;
		u64 words[sizeof(struct nbread_sqe) / sizeof(u64)];
	} copy;
	const struct nbread_sqe *sqe = &copy.sqe;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(copy.words); i++)
		copy.words[i] = READ_ONCE(from[i]);

	rd->user_data = sqe->user_data;
	rd->opcode = sqe->opcode;
	rd->flags = sqe->flags;
	rd->fd = sqe->fd;
	rd->pos = sqe->off;
	rd->dst.kind = NB_DST_USER;
	rd->dst.nr_segs = sqe->len;
	rd->dst.addr = sqe->addr;
	rd->dst.len = sqe->len;
	rd->deadline_ns = sqe->deadline_ns;

	if (sqe->resv0 | sqe->resv1 | sqe->resv2[0] | sqe->resv2[1])
		return -EINVAL;
	/* Most are this; it is worth the test. */
	if (unlikely(sqe->opcode != NBREAD_OP_READ || sqe->flags || sqe->buf_index)) {
		rd->buf_index = sqe->buf_index;
		err = check_members(sqe);
		if (err || sqe->opcode == NBREAD_OP_NOP)
			return err;
	}
	return nb_dst_check(sqe->addr, sqe->len, sqe->off);
}

/*
 * Take the program's vectors: into @fast if they are few, else into memory that
 * rd->dst.iov then owns. Either way a copy, so that the array may be reused.
 */
static int take_vectors(const struct nb_ctx *ctx, struct nb_read *rd, struct iovec *fast)
{
	struct iovec *iov = fast;
	struct iov_iter iter;
	loff_t end;
	ssize_t ret;

	if (nb_is_sq_thread() && ctx->sq->compat)
		ret = nb_dst_compat_vectors(rd->dst.addr, rd->dst.nr_segs, fast, &iov);
	else
		ret = import_iovec(ITER_DEST, u64_to_user_ptr(rd->dst.addr), rd->dst.nr_segs,
				   UIO_FASTIOV, &iov, &iter);
	if (ret < 0)
		return ret;
	rd->dst.kind = NB_DST_IOV;
	rd->dst.iov = iov ? iov : fast;
	rd->dst.len = ret;
	return check_add_overflow(rd->pos, (loff_t)ret, &end) ? -EINVAL : 0;
}

static int take_buffer(struct nb_ctx *ctx, struct nb_read *rd, struct iovec *fast)
{
	if (likely(rd->opcode == NBREAD_OP_READ))
		return access_ok(u64_to_user_ptr(rd->dst.addr), rd->dst.len) ? 0 : -EFAULT;
	if (rd->opcode == NBREAD_OP_READV)
		return take_vectors(ctx, rd, fast);
	return nb_buf_use(ctx, rd->buf_index, &rd->dst);
}

static void drop_vectors(struct nb_read *rd, const struct iovec *fast)
{
	if (rd->dst.kind == NB_DST_IOV && rd->dst.iov != fast)
		kfree(rd->dst.iov);
}

/* What could not be answered here: a request that owns its vectors. */
static void go_on(struct nb_batch *b, struct nb_file *nf, struct nb_read *rd,
		  const struct iovec *fast, size_t done)
{
	const struct iovec *iov = rd->dst.iov;
	struct nb_req *req;
	ktime_t deadline;

	/* Its time was over before it began to wait: it does not begin. */
	if (!nb_deadline(b->ctx, rd->deadline_ns, &deadline)) {
		nb_post(b, rd->user_data, -ETIME, 0, false);
		return;
	}
	/* A copy in either case: import_iovec() charges its own to nobody. */
	if (rd->dst.kind == NB_DST_IOV) {
		rd->dst.iov = kmemdup(iov, rd->dst.nr_segs * sizeof(*iov), GFP_KERNEL_ACCOUNT);
		if (iov != fast)
			kfree(iov);
		if (!rd->dst.iov)
			goto nomem;
	}
	req = nb_req_alloc(b->ctx, nf, rd, deadline);
	if (!req)
		goto nomem;
	req->done = done;
	req->steps = !!done;
	if (!req->verified || (rd->flags & NBREAD_SQE_ASYNC))
		nb_punt(b, req);
	else
		nb_miss(b, req);
	return;
nomem:
	nb_post(b, rd->user_data, done ? done : -ENOMEM, 0, false);
}

static void look_up(struct nb_ctx *ctx, struct nb_file *nf, const struct nb_read *rd)
{
	nb_file_put(nf);
	if (rd->flags & NBREAD_SQE_FIXED_FILE)
		nb_fixed_file_use(ctx, nf, rd->fd);
	else
		nb_file_get(nf, ctx, rd->fd);
	nf->fd = rd->fd;
	nf->fixed = rd->flags & NBREAD_SQE_FIXED_FILE;
}

/* A read that passed read_sqe(). Every way out posts one CQE or makes one request. */
static void submit_read(struct nb_batch *b, struct nb_file *nf, struct nb_read *rd,
			struct iovec *fast)
{
	bool cached = rd->flags & NBREAD_SQE_CACHED;
	struct nb_cached c = {};
	int err;

	if (!nf->file || nf->fd != rd->fd || nf->fixed != (rd->flags & NBREAD_SQE_FIXED_FILE))
		look_up(b->ctx, nf, rd);
	err = nf->err;
	if (!err && (rd->flags & NBREAD_SQE_NOIO) && !nb_file_noio(nf))
		err = -EPERM;
	if (!err)
		err = take_buffer(b->ctx, rd, fast);
	if (err) {
		nb_post(b, rd->user_data, err, 0, false);
		return;
	}
	if (nf->way == NB_WAY_WORKER || (nf->way == NB_WAY_RESIDENT && cached)) {
		/* a CACHED read would have to wait: for a listener, a server or a lock unknown */
		if (cached)
			nb_post(b, rd->user_data, -EAGAIN, 0, false);
		else
			go_on(b, nf, rd, fast, 0);
		return;
	}
	/* A mount-wide listener may be slow, or wait for what is in the batch. */
	if (unlikely(nf->listener != NB_LISTENER_NONE))
		nb_flush(b);
	err = nb_file_verify(nf, rd->pos, rd->dst.len);
	if (err) {
		nb_post(b, rd->user_data, err, 0, false);
		return;
	}
	if (!(rd->flags & NBREAD_SQE_ASYNC)) {
		c = nb_cached_read(nf, &rd->dst, rd->pos, rd->flags);
		if (c.complete || (c.res < 0 && c.res != -EAGAIN) || cached) {
			nb_post(b, rd->user_data, c.res,
				c.complete && nf->oracle ? NBREAD_CQE_HIT : 0, c.complete);
			return;
		}
	}
	go_on(b, nf, rd, fast, max_t(ssize_t, c.res, 0));
}

/* Reserve a CQ slot for each entry that is taken. Return: how many, or -EINVAL. */
static int reserve(struct nb_ctx *ctx, struct nb_ring *ring, u32 nr)
{
	u32 ready, sq_ready, used;
	int ret = nb_ring_sq_ready(ring, &sq_ready);

	if (ret)
		return ret;
	nr = min(nr, sq_ready);
	spin_lock(&ctx->cq_lock);
	ret = nb_ring_cq_ready(ring, &ready);
	if (!ret) {
		used = ready + ctx->cq_reserved; /* may exceed: the program moved its head back */
		nr = min(nr, used > ring->cq_mask ? 0 : ring->cq_mask + 1 - used);
		ctx->cq_reserved += nr;
		ctx->stats.submitted += nr;
		ret = nr;
	}
	spin_unlock(&ctx->cq_lock);
	return ret;
}

/* Who stops early gives back what it reserved and did not take. */
static void unreserve(struct nb_ctx *ctx, u32 nr)
{
	spin_lock(&ctx->cq_lock);
	ctx->cq_reserved -= nr;
	ctx->stats.submitted -= nr;
	spin_unlock(&ctx->cq_lock);
}

/* A thread (@sq is its ring's) stops early if the ring was closed, both if the owner was killed. */
static bool must_stop(const struct nb_ctx *ctx, const struct nb_sq *sq)
{
	if (unlikely(sq))
		return READ_ONCE(sq->closing) || nb_mm_is_abandoned(ctx->mm);
	return fatal_signal_pending(current);
}

/**
 * nb_submit() - take up to @nr entries and give each its first step
 * @b: batch of the calling task; or of the thread of an SQTHREAD ring, which reads as who
 *	the ring does
 * @ring: its ring
 * @nr: how many at most
 *
 * Return: how many were taken; -EINVAL for indices that cannot be, -EINTR.
 */
int nb_submit(struct nb_batch *b, struct nb_ring *ring, u32 nr)
{
	struct iovec fast[UIO_FASTIOV];
	struct nb_ctx *ctx = b->ctx;
	const struct nb_sq *sq = nb_is_sq_thread() ? ctx->sq : NULL;
	const struct cred *old = NULL;
	struct nb_file nf = {};
	struct nb_read rd;
	int err, i, taken;

	if (mutex_lock_interruptible(&ctx->lock))
		return -EINTR;
	/* Under the lock, so that what is taken after REGISTER_CREDS is read as told. */
	if (sq)
		old = override_creds(sq->cred);
	taken = reserve(ctx, ring, nr);
	for (i = 0; i < taken && !must_stop(ctx, sq); i++) {
		err = read_sqe(nb_ring_sqe(ring, i), &rd);
		if (err || rd.opcode == NBREAD_OP_NOP) {
			nb_post(b, rd.user_data, err, 0, false);
			continue;
		}
		submit_read(b, &nf, &rd, fast);
		drop_vectors(&rd, fast);
	}
	if (i > 0)
		nb_ring_take(ring, i);
	if (i < taken)
		unreserve(ctx, taken - i);
	nb_flush(b);
	if (old)
		revert_creds(old);
	nb_file_keep(&nf);
	mutex_unlock(&ctx->lock);
	/* Last: an atime update may wait for a journal. */
	nb_file_put(&nf);
	return taken < 0 ? taken : i;
}
