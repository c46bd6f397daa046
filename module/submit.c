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
 * A hit of a READ allocates nothing and takes no reference of its own.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "plug.h"

/* What an opcode and flags allow in the other members; the buffer is looked at later. */
static noinline int check_members(const struct nb_read *rd, u32 len)
{
	if (rd->flags & ~NB_SQE_FLAGS)
		return -EINVAL;
	switch (rd->opcode) {
	case NBREAD_OP_NOP:
		return rd->flags | rd->fd | rd->pos | rd->dst.addr | len | rd->buf_index |
				       rd->deadline_ns ?
			       -EINVAL :
			       0;
	case NBREAD_OP_READ:
	case NBREAD_OP_READV:
		if (rd->buf_index)
			return -EINVAL;
		break;
	case NBREAD_OP_READ_FIXED:
		break;
	default:
		return -EINVAL;
	}
	if ((rd->flags & NBREAD_SQE_NOIO) && !(rd->flags & NBREAD_SQE_CACHED))
		return -EINVAL;
	if ((rd->flags & NBREAD_SQE_ASYNC) && (rd->flags & NBREAD_SQE_CACHED))
		return -EINVAL;
	if (rd->opcode == NBREAD_OP_READV && len > UIO_MAXIOV)
		return -EINVAL;
	return 0;
}

/* Copy an SQE out of shared memory, each member read once, and check the copy. */
static int read_sqe(const struct nbread_sqe *sqe, struct nb_read *rd)
{
	u64 resv = READ_ONCE(sqe->resv0) | READ_ONCE(sqe->resv1) | READ_ONCE(sqe->resv2[0]) |
		   READ_ONCE(sqe->resv2[1]);
	u32 len = READ_ONCE(sqe->len);
	int err;

	rd->user_data = READ_ONCE(sqe->user_data);
	rd->opcode = READ_ONCE(sqe->opcode);
	rd->flags = READ_ONCE(sqe->flags);
	rd->fd = READ_ONCE(sqe->fd);
	rd->pos = READ_ONCE(sqe->off);
	rd->buf_index = READ_ONCE(sqe->buf_index);
	rd->deadline_ns = READ_ONCE(sqe->deadline_ns);
	rd->dst.kind = NB_DST_USER;
	rd->dst.nr_segs = len;
	rd->dst.addr = READ_ONCE(sqe->addr);
	rd->dst.len = len;

	if (resv)
		return -EINVAL;
	/* Most are this; it is worth the test. */
	if (unlikely(rd->opcode != NBREAD_OP_READ || rd->flags || rd->buf_index)) {
		err = check_members(rd, len);
		if (err || rd->opcode == NBREAD_OP_NOP)
			return err;
	}
	return nb_dst_check(rd->dst.addr, len, rd->pos);
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

/* Who may not learn what is resident changes it by asking: see set_oracle() in access.c. */
static void leave_trace(struct nb_batch *b, struct nb_file *nf, const struct nb_read *rd,
			size_t done)
{
	if (rd->flags & NBREAD_SQE_ASYNC)
		return;
	/* It may sleep, for a file system's metadata: show first what is done. */
	nb_flush(b);
	nb_read_ahead(nf, rd->pos + done, rd->dst.len - done);
}

/*
 * What could not be answered here: a request that owns its vectors. Return: it went the way
 * of a miss.
 */
static bool go_on(struct nb_batch *b, struct nb_file *nf, struct nb_read *rd,
		  const struct iovec *fast, size_t done)
{
	const struct iovec *iov = rd->dst.iov;
	struct nb_req *req;
	ktime_t deadline;
	bool in_time = nb_deadline(b->ctx, rd->deadline_ns, &deadline);

	/* That it was a miss is plain, and whether its own I/O starts is not sure. */
	if (unlikely(!nf->oracle))
		leave_trace(b, nf, rd, done);
	/* Its time was over before it began to wait: it does not begin. */
	if (!in_time) {
		nb_post(b, rd->user_data, -ETIME, 0, false);
		return false;
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
	if (!req->verified || (rd->flags & NBREAD_SQE_ASYNC)) {
		nb_punt(b, req);
		return false;
	}
	nb_miss(b, req);
	return nf->may_park;
nomem:
	nb_post(b, rd->user_data, done ? done : -ENOMEM, 0, false);
	return false;
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

static void post_hit(struct nb_batch *b, struct nb_file *nf, u64 user_data, u32 len)
{
	nf->touched = NB_TOUCHED_TIME | NB_TOUCHED_BYTES;
	nb_post(b, user_data, len, nf->oracle ? NBREAD_CQE_HIT : 0, true);
}

/*
 * A READ like the last one, after which @nf is plain, and a hit: what a batch mostly is made
 * of. From the first member to the last byte in registers. Return: NB_FM_ONE_DONE, or what
 * the look at the page cache came to, if there was one: then nothing is kept of what was read,
 * and nothing happened (but readahead, for who has no oracle); the entry is read anew.
 */
static enum nb_fm_one submit_plain(struct nb_batch *b, struct nb_file *nf,
				   const struct nbread_sqe *sqe)
{
	u64 resv = READ_ONCE(sqe->resv0) | READ_ONCE(sqe->resv1) | READ_ONCE(sqe->buf_index) |
		   READ_ONCE(sqe->resv2[0]) | READ_ONCE(sqe->resv2[1]);
	u64 addr = READ_ONCE(sqe->addr), off = READ_ONCE(sqe->off);
	u32 len = READ_ONCE(sqe->len);
	enum nb_fm_one looked;

	if (READ_ONCE(sqe->opcode) != NBREAD_OP_READ || READ_ONCE(sqe->flags) != nf->fixed ||
	    READ_ONCE(sqe->fd) != nf->fd)
		return NB_FM_ONE_NOT_TRIED;
	if (unlikely(resv || nb_dst_check(addr, len, off) ||
		     !access_ok(u64_to_user_ptr(addr), len)))
		return NB_FM_ONE_NOT_TRIED;
	looked = nb_fm_read_user(nf, addr, len, off);
	if (likely(looked == NB_FM_ONE_DONE)) {
		post_hit(b, nf, READ_ONCE(sqe->user_data), len);
	} else if (unlikely(!nf->oracle)) {
		/* Here, since the entry may be another one when it is read anew. */
		nb_flush(b);
		nb_read_ahead(nf, off, len);
	}
	return looked;
}

/*
 * A read that passed read_sqe(). Every way out posts one CQE or makes one request. Return:
 * it went the way of a miss.
 */
static bool submit_read(struct nb_batch *b, struct nb_file *nf, struct nb_read *rd,
			enum nb_fm_one looked, struct iovec *fast)
{
	bool cached = rd->flags & NBREAD_SQE_CACHED;
	struct nb_cached c = {};
	int err;

	if (!nf->file || nf->fd != rd->fd || nf->fixed != (rd->flags & NBREAD_SQE_FIXED_FILE))
		look_up(b->ctx, nf, rd);
	err = nf->err;
	if (!err && (rd->flags & NBREAD_SQE_NOIO))
		err = nb_file_noio(nf, false);
	if (!err)
		err = take_buffer(b->ctx, rd, fast);
	if (err) {
		nb_post(b, rd->user_data, err, 0, false);
		return false;
	}
	if (nf->way == NB_WAY_WORKER || nf->blind || (nf->way == NB_WAY_RESIDENT && cached)) {
		/* a CACHED read would have to wait: for a listener, a server or a lock unknown */
		if (!cached)
			return go_on(b, nf, rd, fast, 0);
		nb_post(b, rd->user_data, -EAGAIN, 0, false);
		return false;
	}
	/* A mount-wide listener may be slow, or wait for what is in the batch. */
	if (unlikely(nf->listener != NB_LISTENER_NONE))
		nb_flush(b);
	err = nb_file_verify(nf, rd->pos, rd->dst.len);
	if (err) {
		nb_post(b, rd->user_data, err, 0, false);
		return false;
	}
	nf->plain = nb_file_is_plain(nf);
	if (!(rd->flags & NBREAD_SQE_ASYNC)) {
		if (nf->plain && looked == NB_FM_ONE_NOT_TRIED)
			looked = nb_fm_read_one(nf->row, nf->file, &rd->dst, rd->pos);
		if (looked == NB_FM_ONE_DONE) {
			post_hit(b, nf, rd->user_data, rd->dst.len);
			return false;
		}
		if (looked == NB_FM_ONE_ABSENT && !cached)
			return go_on(b, nf, rd, fast, 0);
		c = nb_cached_read(nf, &rd->dst, rd->pos, rd->flags);
		if (c.complete || (c.res < 0 && c.res != -EAGAIN) || cached) {
			nb_post(b, rd->user_data, c.res,
				c.complete && nf->oracle ? NBREAD_CQE_HIT : 0, c.complete);
			return false;
		}
	}
	return go_on(b, nf, rd, fast, max_t(ssize_t, c.res, 0));
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
	struct iovec fast[UIO_FASTIOV] __uninitialized;
	struct nb_ctx *ctx = b->ctx;
	const struct nb_sq *sq = nb_is_sq_thread() ? ctx->sq : NULL;
	const struct cred *old = NULL;
	struct nb_plug plug __uninitialized;
	const struct nbread_sqe *sqe;
	struct nb_file nf = {};
	struct nb_read rd;
	int err, i, taken;
	enum nb_fm_one looked;
	bool is_plain = false;

	if (mutex_lock_interruptible(&ctx->lock))
		return -EINTR;
	/* Under the lock, so that what is taken after REGISTER_CREDS is read as told. */
	if (sq)
		old = override_creds(sq->cred);
	nb_plug_init(&plug);
	taken = reserve(ctx, ring, nr);
	for (i = 0; i < taken && !must_stop(ctx, sq); i++) {
		sqe = nb_ring_sqe(ring, i);
		if (!(i % NB_BATCH)) {
			nb_plug_end(&plug);
			cond_resched();
		}
		looked = is_plain ? submit_plain(b, &nf, sqe) : NB_FM_ONE_NOT_TRIED;
		if (looked == NB_FM_ONE_DONE)
			continue;
		err = read_sqe(sqe, &rd);
		if (err || rd.opcode == NBREAD_OP_NOP) {
			nb_plug_end(&plug);
			nb_post(b, rd.user_data, err, 0, false);
			continue;
		}
		if (nb_plug_is_on(&plug) && !nb_plug_covers(&rd))
			nb_plug_end(&plug);
		/* A long one may have met a readahead mark, hit or miss. */
		if (submit_read(b, &nf, &rd, looked, fast) || rd.dst.len > PAGE_SIZE)
			nb_plug_started(&plug, i, rd.dst.len);
		else
			nb_plug_end(&plug);
		drop_vectors(&rd, fast);
		/* In a run of those there is likely one more: no short way for hits. */
		is_plain = nf.plain && !nb_plug_is_on(&plug);
	}
	nb_plug_end(&plug);
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
