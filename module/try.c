// SPDX-License-Identifier: GPL-2.0-only
/*
 * try.c - NBREAD_IOC_TRY: a batch of cached-only reads, answered in place.
 *
 * Role: the CACHED read without a ring. Callers: main.c. Context: task, any mm.
 * Locks: none. References: a file is looked up once for a run of entries that
 * name the same fd or index; nothing outlives the call.
 */
#include <linux/sched/signal.h>
#include <linux/sched/xacct.h>
#include <linux/uaccess.h>

#include "internal.h"

/* Entries copied at a time: one user access for many, and a small stack. */
#define NB_TRY_CHUNK 8

static void look_up(struct nb_ctx *ctx, struct nb_file *nf, const struct nbread_try *t)
{
	nb_file_put(nf);
	if (t->flags & NBREAD_SQE_FIXED_FILE)
		nb_fixed_file_try(ctx, nf, t->fd);
	else
		nb_file_get(nf, NULL, t->fd);
	nf->fd = t->fd;
	nf->fixed = t->flags & NBREAD_SQE_FIXED_FILE;
}

/* What stands before the first byte of a read. Return: 0, or what it ends with. */
static int check_try(struct nb_ctx *ctx, struct nb_file *nf, const struct nbread_try *t)
{
	int err;

	if (!nf->file || nf->fd != t->fd || nf->fixed != (t->flags & NBREAD_SQE_FIXED_FILE))
		look_up(ctx, nf, t);
	if (nf->err)
		return nf->err;
	err = t->flags & NBREAD_SQE_NOIO ? nb_file_noio(nf, false) : 0;
	if (err)
		return err;
	if (!access_ok(u64_to_user_ptr(t->addr), t->len))
		return -EFAULT;
	return nf->way == NB_WAY_WORKER || nf->blind ? -EAGAIN : nb_file_verify(nf, t->off, t->len);
}

/* Is it like the last one, which found that nothing more is to be asked? */
static bool is_plain(const struct nb_file *nf, const struct nbread_try *t)
{
	return nf->plain && nf->fd == t->fd && nf->fixed == t->flags &&
	       likely(access_ok(u64_to_user_ptr(t->addr), t->len));
}

static struct nb_cached try_one(struct nb_ctx *ctx, struct nb_file *nf, const struct nbread_try *t)
{
	struct nb_dst dst = { .addr = t->addr, .len = t->len };
	struct nb_cached c = {};

	if (t->resv || (t->flags & ~NB_SQE_FLAGS) || (t->flags & NBREAD_SQE_ASYNC)) {
		c.res = -EINVAL;
		return c;
	}
	c.res = nb_dst_check(t->addr, t->len, t->off);
	if (c.res)
		return c;
	if (!is_plain(nf, t)) {
		c.res = check_try(ctx, nf, t);
		if (c.res)
			return c;
		nf->plain = nb_file_is_plain(nf);
	}
	if (unlikely(!nf->plain || nb_fm_read_user(nf, t->addr, t->len, t->off) != NB_FM_ONE_DONE))
		return nb_cached_read(nf, &dst, t->off, t->flags | NBREAD_SQE_CACHED);
	nf->touched = NB_TOUCHED_TIME | NB_TOUCHED_BYTES;
	c.res = t->len;
	c.complete = true;
	return c;
}

/* One is what most ask for: its size is a constant. */
static bool copy_entries(struct nbread_try *to, const struct nbread_try __user *from,
			 unsigned int nr)
{
	if (nr == 1)
		return !copy_from_user(to, from, sizeof(*to));
	return !copy_from_user(to, from, nr * sizeof(*to));
}

static int return_results(struct nbread_try __user *to, const struct nbread_try *from,
			  unsigned int nr)
{
	unsigned int i;

	if (!user_access_begin(to, nr * sizeof(*to)))
		return -EFAULT;
	for (i = 0; i < nr; i++) {
		unsafe_put_user(from[i].res, &to[i].res, fault);
		unsafe_put_user(from[i].cqe_flags, &to[i].cqe_flags, fault);
	}
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/**
 * nb_try() - NBREAD_IOC_TRY
 * @ctx: the open file, for registered files
 * @p: the call, copied
 *
 * Return: see struct nbread_try_batch.
 */
long nb_try(struct nb_ctx *ctx, const struct nbread_try_batch *p)
{
	struct nbread_try __user *to = u64_to_user_ptr(p->reqs);
	struct nbread_try chunk[NB_TRY_CHUNK] __uninitialized;
	unsigned int i, nr, at, hits = 0, step = NB_TRY_CHUNK;
	struct nb_file nf = {};
	struct nb_cached c;
	u64 bytes = 0;
	long ret = 0;

	if (!p->nr || p->nr > NB_MAX_TRY || p->flags || p->resv[0] || p->resv[1] ||
	    p->reqs != (unsigned long)p->reqs)
		return -EINVAL;
	for (at = 0; at < p->nr && !ret; at += nr) {
		nr = min(p->nr - at, step);
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		if (!copy_entries(chunk, to + at, nr)) {
			/* Answer those before the bad one, one by one. */
			ret = nr > 1 ? 0 : -EFAULT;
			step = 1;
			nr = 0;
			continue;
		}
		for (i = 0; i < nr; i++) {
			c = try_one(ctx, &nf, &chunk[i]);
			chunk[i].res = c.res;
			chunk[i].cqe_flags = c.complete && nf.oracle ? NBREAD_CQE_HIT : 0;
			hits += c.complete;
			if (c.res > 0)
				bytes += c.res;
		}
		ret = return_results(to + at, chunk, nr);
		if (at + nr < p->nr)
			cond_resched();
	}
	nb_file_put(&nf);
	if (bytes)
		add_rchar(current, bytes);
	inc_syscr(current);
	return ret ? ret : hits;
}
