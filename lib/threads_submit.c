// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: take SQEs, answer what is resident, make jobs of the rest; TRY.
 *
 * The checks and their order are the module's (module/submit.c, try.c), so that a wrong
 * entry ends alone, and with the same errno.
 */
#include <errno.h>
#include <stdlib.h>
#include "threads.h"

/* Vectors of a READV that need no allocation while it is tried. */
#define FAST_IOV 8

/** struct read - an SQE, checked; @iov is a copy, @vectors its memory unless it is short */
struct read {
	const struct nbread_sqe *sqe;
	struct iovec *iov;
	unsigned nr_iov;
	size_t len;
	struct iovec fast[FAST_IOV];
	struct iovec *vectors;
};

/* What a try found: bytes, 0 at the end of the file, -EAGAIN or -errno; all that was wanted? */
struct found {
	int res;
	bool complete;
};

static int check_range(__u64 addr, __u32 len, __u64 off)
{
	if (len > NBREAD_THR_LEN || off > INT64_MAX || addr != (uintptr_t)addr)
		return -EINVAL;
	return len > INT64_MAX - off ? -EINVAL : 0;
}

static int check_flags(const struct nbread_thr *t, __u32 flags)
{
	if ((flags & NBREAD_SQE_NOIO) && !(flags & NBREAD_SQE_CACHED))
		return -EINVAL;
	if ((flags & NBREAD_SQE_ASYNC) && (flags & NBREAD_SQE_CACHED))
		return -EINVAL;
	/* Where RWF_NOWAIT starts readahead there is no way to ask for none. */
	return (flags & NBREAD_SQE_NOIO) && !t->noio ? -EOPNOTSUPP : 0;
}

static int check_sqe(const struct nbread_thr *t, const struct nbread_sqe *sqe)
{
	const __u32 known = NBREAD_SQE_FIXED_FILE | NBREAD_SQE_CACHED | NBREAD_SQE_NOIO |
			    NBREAD_SQE_ASYNC;
	int ret;

	if (sqe->resv0 | sqe->resv1 | sqe->resv2[0] | sqe->resv2[1])
		return -EINVAL;
	if (sqe->flags & ~known)
		return -EINVAL;
	switch (sqe->opcode) {
	case NBREAD_OP_NOP:
		return sqe->flags | sqe->fd | sqe->off | sqe->addr | sqe->len | sqe->buf_index |
				       sqe->deadline_ns ?
			       -EINVAL :
			       0;
	case NBREAD_OP_READ:
	case NBREAD_OP_READV:
	case NBREAD_OP_READ_FIXED:
		break;
	default:
		return -EINVAL;
	}
	if (sqe->buf_index && sqe->opcode != NBREAD_OP_READ_FIXED)
		return -EINVAL;
	ret = check_flags(t, sqe->flags);
	if (ret < 0)
		return ret;
	if (sqe->opcode == NBREAD_OP_READV && sqe->len > NBREAD_THR_IOV)
		return -EINVAL;
	return check_range(sqe->addr, sqe->len, sqe->off);
}

/*
 * Copy the program's vectors. The kernel looks at the array first, in a read at the end of
 * the arena (or of /dev/null) that gives no byte: it says -EFAULT or -EINVAL where we would
 * die or guess.
 */
static int take_vectors(struct nbread_thr *t, struct read *rd)
{
	const struct iovec *from = (const struct iovec *)(uintptr_t)rd->sqe->addr;
	__u64 end = NBREAD_THR_WORKERS * (__u64)NBREAD_THR_CHUNK;
	unsigned i, nr = rd->sqe->len;
	ssize_t ret;

	ret = nbread_sys_read(t->arena_fd, from, (int)nr, end, false);
	if (ret < 0)
		return (int)ret;
	rd->iov = rd->fast;
	rd->nr_iov = nr;
	rd->len = 0;
	if (nr > FAST_IOV) {
		rd->vectors = malloc(nr * sizeof(*rd->iov));
		rd->iov = rd->vectors;
		if (!rd->iov)
			return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		rd->iov[i] = from[i];
		if (rd->iov[i].iov_len > NBREAD_THR_LEN - rd->len)
			rd->iov[i].iov_len = NBREAD_THR_LEN - rd->len;
		rd->len += rd->iov[i].iov_len;
	}
	return rd->len > INT64_MAX - rd->sqe->off ? -EINVAL : 0;
}

static int take_buffer(struct nbread_thr *t, struct read *rd)
{
	const struct nbread_sqe *sqe = rd->sqe;

	rd->vectors = NULL;
	if (sqe->opcode == NBREAD_OP_READV)
		return take_vectors(t, rd);
	rd->fast[0].iov_base = (void *)(uintptr_t)sqe->addr;
	rd->fast[0].iov_len = sqe->len;
	rd->iov = rd->fast;
	rd->nr_iov = 1;
	rd->len = sqe->len;
	if (sqe->opcode == NBREAD_OP_READ_FIXED)
		return nbread_thr_fixed_buffer(t, sqe->buf_index, sqe->addr, sqe->len);
	return 0;
}

/*
 * The leading resident bytes. Fewer than wanted: the end of the file, or a byte that is not
 * resident? One more byte tells; it goes nowhere.
 */
static struct found try_cached(struct nbread_thr_look *look, const struct iovec *iov, unsigned nr,
			       size_t len, __u64 off)
{
	struct found f = { .res = -EAGAIN };
	struct iovec probe;
	char byte;
	ssize_t n;

	if (look->no_nowait)
		return f;
	n = nbread_sys_read(look->use, iov, (int)nr, off, true);
	if (n == -EOPNOTSUPP) {
		look->no_nowait = true;
		return f;
	}
	f.res = (int)n;
	if (n <= 0 || (size_t)n == len) {
		f.complete = n >= 0;
		return f;
	}
	probe.iov_base = &byte;
	probe.iov_len = 1;
	f.complete = nbread_sys_read(look->use, &probe, 1, off + (__u64)n, true) == 0;
	return f;
}

/* A CACHED read that missed; with lock only in here. */
static void start_readahead(struct nbread_thr *t, const struct nbread_thr_look *look, __u32 flags,
			    __u64 off, size_t len, const struct found *f)
{
	size_t done = f->res > 0 ? (size_t)f->res : 0;

	/* Where RWF_NOWAIT itself starts I/O, or where nothing of it is known, it is done. */
	if (!t->noio || (flags & NBREAD_SQE_NOIO) || look->no_nowait || f->complete ||
	    (f->res < 0 && f->res != -EAGAIN))
		return;
	pthread_mutex_lock(&t->lock);
	nbread_thr_hint(t, look, off + done, len - done);
	pthread_mutex_unlock(&t->lock);
}

static struct nbread_thr_job *new_job(const struct nbread_thr *t,
				      const struct nbread_thr_look *look, struct read *rd)
{
	struct nbread_thr_job *job = calloc(1, sizeof(*job));
	__u64 now;

	if (!job)
		return NULL;
	job->iov = rd->vectors;
	if (rd->nr_iov > 1 && !job->iov) {
		job->iov = malloc(rd->nr_iov * sizeof(*job->iov));
		if (!job->iov) {
			free(job);
			return NULL;
		}
		memcpy(job->iov, rd->iov, rd->nr_iov * sizeof(*job->iov));
	}
	job->vectors = job->iov;
	rd->vectors = NULL;
	if (!job->iov) {
		job->one = rd->iov[0];
		job->iov = &job->one;
	}
	job->nr_iov = rd->nr_iov;
	job->len = rd->len;
	job->off = rd->sqe->off;
	job->fd = look->fixed ? -1 : look->fd;
	job->dev = look->st.dev;
	job->ino = look->st.ino;
	job->user_data = rd->sqe->user_data;
	job->deadline_ns = rd->sqe->deadline_ns;
	job->heap_at = -1;
	if (!job->deadline_ns && t->timeout_ns) {
		now = nbread_sys_now_ns();
		job->deadline_ns = t->timeout_ns > UINT64_MAX - now ? UINT64_MAX :
								      now + t->timeout_ns;
	}
	return job;
}

/* What could not be answered here. It is read from its first byte on: see NBREAD_THR_CHUNK. */
static void go_on(struct nbread_thr_batch *b, struct nbread_thr_look *look, struct read *rd)
{
	struct nbread_thr *t = b->t;
	struct nbread_thr_job *job;
	int ret = 0;

	job = new_job(t, look, rd);
	if (!job) {
		nbread_thr_post(b, rd->sqe->user_data, -ENOMEM, 0);
		return;
	}
	/* Its time was over before it began to wait: it does not begin. */
	if (job->deadline_ns && job->deadline_ns <= nbread_sys_now_ns()) {
		nbread_thr_post(b, job->user_data, -ETIME, 0);
		nbread_thr_free_job(job);
		return;
	}
	pthread_mutex_lock(&t->lock);
	if (look->file) {
		job->file = look->file;
		job->file->refs++;
	}
	ret = nbread_thr_queue(t, job);
	if (ret == 0 && job->deadline_ns) {
		ret = nbread_thr_add_deadline(t, job);
		if (ret < 0) {
			nbread_thr_unlist_job(t, job);
			nbread_thr_unqueue(t, job);
		}
	}
	if (ret < 0) {
		if (job->file)
			nbread_thr_put_file(t, job->file);
		nbread_thr_push(t, job->user_data, ret, 0);
		nbread_thr_posted(t, true);
	}
	nbread_thr_unlock(t);
	if (ret < 0)
		nbread_thr_free_job(job);
}

/* A read that passed check_sqe(). Every way out posts one CQE or makes one job. */
static void submit_read(struct nbread_thr_batch *b, struct nbread_thr_look *look, struct read *rd)
{
	const struct nbread_sqe *sqe = rd->sqe;
	struct found f;
	int err;

	nbread_thr_look(b->t, look, sqe->fd, sqe->flags & NBREAD_SQE_FIXED_FILE, true);
	err = look->err;
	if (!err && (sqe->flags & NBREAD_SQE_NOIO) && !nbread_thr_oracle(look))
		err = -EPERM;
	rd->vectors = NULL;
	if (!err)
		err = take_buffer(b->t, rd);
	if (err) {
		nbread_thr_post(b, sqe->user_data, err, 0);
		return;
	}
	if (sqe->flags & NBREAD_SQE_ASYNC) {
		go_on(b, look, rd);
		return;
	}
	f = try_cached(look, rd->iov, rd->nr_iov, rd->len, sqe->off);
	if (f.complete || (f.res < 0 && f.res != -EAGAIN) || (sqe->flags & NBREAD_SQE_CACHED)) {
		start_readahead(b->t, look, sqe->flags, sqe->off, rd->len, &f);
		nbread_thr_post(b, sqe->user_data, f.res,
				f.complete && nbread_thr_oracle(look) ? NBREAD_CQE_HIT : 0);
		return;
	}
	go_on(b, look, rd);
}

/* Reserve a CQ slot for each entry that is taken. Return: how many, or -EINVAL. */
static int reserve(struct nbread_thr *t, __u32 nr)
{
	/* Pairs with the release in nbread_submit(): the SQEs below it are filled. */
	__u32 sq_ready = nbread_load_acquire(&t->sh->sq_tail) - t->sq_head;
	__u32 ready, room;

	if (sq_ready > t->sq_entries)
		return -EINVAL;
	if (nr > sq_ready)
		nr = sq_ready;
	pthread_mutex_lock(&t->lock);
	if (!nbread_thr_cq_ready(t, &ready)) {
		pthread_mutex_unlock(&t->lock);
		return -EINVAL;
	}
	room = ready + t->reserved > t->cq_entries ? 0 : t->cq_entries - ready - t->reserved;
	if (nr > room)
		nr = room;
	t->reserved += nr;
	pthread_mutex_unlock(&t->lock);
	return (int)nr;
}

int nbread_thr_submit(struct nbread_thr *t, __u32 nr)
{
	struct nbread_thr_batch b = { .t = t };
	struct nbread_thr_look look;
	int i, err, taken, saved = errno;

	memset(&look, 0, sizeof(look));
	pthread_mutex_lock(&t->sq_lock);
	taken = reserve(t, nr);
	for (i = 0; i < taken; i++) {
		struct nbread_sqe sqe = t->sqes[(t->sq_head + i) & (t->sq_entries - 1)];
		struct read rd = { .sqe = &sqe };

		err = check_sqe(t, &sqe);
		if (err || sqe.opcode == NBREAD_OP_NOP) {
			nbread_thr_post(&b, sqe.user_data, err, 0);
			continue;
		}
		submit_read(&b, &look, &rd);
		free(rd.vectors);
	}
	if (taken > 0) {
		t->sq_head += (__u32)taken;
		/* Pairs with the acquire in nbread_sq_ready(): the slots may be filled anew. */
		nbread_store_release(&t->sh->sq_head, t->sq_head);
	}
	nbread_thr_flush(&b);
	pthread_mutex_unlock(&t->sq_lock);
	/* Not with the lock: the close of the last reference may wait for a server. */
	nbread_thr_look_end(t, &look);
	errno = saved; /* of allocations that failed */
	return taken;
}

static struct found try_one(struct nbread_thr *t, struct nbread_thr_look *look,
			    const struct nbread_try *r, bool own_mm)
{
	const __u32 known = NBREAD_SQE_FIXED_FILE | NBREAD_SQE_CACHED | NBREAD_SQE_NOIO;
	struct iovec iov = { (void *)(uintptr_t)r->addr, r->len };
	struct found f = { .res = -EINVAL };

	if (r->resv || (r->flags & ~known))
		return f;
	f.res = check_flags(t, r->flags | NBREAD_SQE_CACHED);
	if (!f.res)
		f.res = check_range(r->addr, r->len, r->off);
	if (f.res)
		return f;
	nbread_thr_look(t, look, r->fd, r->flags & NBREAD_SQE_FIXED_FILE, own_mm);
	f.res = look->err;
	if (!f.res && (r->flags & NBREAD_SQE_NOIO) && !nbread_thr_oracle(look))
		f.res = -EPERM;
	if (f.res)
		return f;
	f = try_cached(look, &iov, 1, r->len, r->off);
	if (own_mm)
		start_readahead(t, look, r->flags, r->off, r->len, &f);
	return f;
}

/* NBREAD_IOC_TRY: needs no ring, so a child of the owner may do it too. */
int nbread_thr_try(struct nbread *ring, struct nbread_try *reqs, unsigned n)
{
	struct nbread_thr *t = nbread_thr_of(ring);
	bool own_mm = !nbread_thr_foreign(t);
	struct nbread_thr_look look;
	int hits = 0, saved = errno;
	unsigned i;

	memset(&look, 0, sizeof(look));
	for (i = 0; i < n; i++) {
		struct found f = try_one(t, &look, &reqs[i], own_mm);

		reqs[i].res = f.res;
		reqs[i].cqe_flags = f.complete && nbread_thr_oracle(&look) ? NBREAD_CQE_HIT : 0;
		hits += f.complete;
	}
	nbread_thr_look_end(t, &look);
	errno = saved;
	return hits;
}
