// SPDX-License-Identifier: GPL-2.0-only
/*
 * buffers.c - registered buffers: user memory that stays where it is.
 *
 * Role: the table and its operations of REGISTER. READ_FIXED writes through the pinned
 * pages, so that it reaches the memory that was registered whatever the program maps at that
 * address since.
 * Callers: register.c (operations), submit.c (look-up), close.c (end, maybe in the thread).
 * Context: task.
 * Locks: nb_ctx.lock, which every operation and every look-up holds.
 * References: a slot holds one of its buffer; see pin.c.
 */
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

#define NB_MAX_BUFFER_LEN SZ_1G

/**
 * struct nb_bufs - the table
 * @nr:	slots
 * @set: those that are not empty
 * @bufs: by index
 */
struct nb_bufs {
	u32 nr;
	u32 set;
	struct nb_buf *bufs[];
};

/**
 * nb_buf_use() - the destination of a READ_FIXED
 * @ctx: the ring, whose lock is held: until then its table's reference is enough
 * @index: the program's
 * @dst: in: address and length; out: the same in the registered memory
 *
 * Return: 0, or -EFAULT: no such buffer, or not within it.
 */
int nb_buf_use(struct nb_ctx *ctx, u32 index, struct nb_dst *dst)
{
	const struct nb_bufs *t = ctx->bufs;
	struct nb_buf *buf;

	lockdep_assert_held(&ctx->lock);
	if (!t || index >= t->nr)
		return -EFAULT;
	buf = t->bufs[array_index_nospec(index, t->nr)];
	if (!buf || dst->addr < buf->addr || dst->addr - buf->addr > buf->len ||
	    dst->len > buf->len - (dst->addr - buf->addr))
		return -EFAULT;
	dst->kind = NB_DST_BUF;
	dst->buf = buf;
	return 0;
}

/* A buffer as the program describes it; NULL: none. */
static struct nb_buf *take(struct nb_locked *l, const struct nbread_buffer __user *from)
{
	struct nbread_buffer b;

	if (copy_from_user(&b, from, sizeof(b)))
		return ERR_PTR(-EFAULT);
	if (!b.addr && !b.len)
		return NULL;
	if (!b.addr || !b.len || b.len > NB_MAX_BUFFER_LEN || b.addr != (unsigned long)b.addr)
		return ERR_PTR(-EINVAL);
	if (!access_ok(u64_to_user_ptr(b.addr), b.len))
		return ERR_PTR(-EFAULT);
	return nb_buf_pin(l, &b);
}

/* Up to the first that cannot be set. Return: how many were; *err says why not all. */
static u32 set_slots(struct nb_ctx *ctx, struct nb_bufs *t, const struct nbread_register *p,
		     int *err)
{
	const struct nbread_buffer __user *from = u64_to_user_ptr(p->addr);
	struct nb_locked *l = nb_locked_get(ctx);
	struct nb_buf *buf;
	u32 i;

	*err = -ENOMEM;
	if (!l)
		return 0;
	for (i = 0; i < p->nr; i++) {
		*err = -EINTR;
		if (fatal_signal_pending(current))
			break;
		buf = take(l, from + i);
		*err = PTR_ERR_OR_ZERO(buf);
		if (*err)
			break;
		swap(t->bufs[array_index_nospec(p->off + i, t->nr)], buf);
		t->set += !!t->bufs[p->off + i] - !!buf;
		nb_buf_put_now(buf);
		cond_resched();
	}
	nb_locked_put(l);
	return i;
}

static void free_table(struct nb_bufs *t)
{
	u32 i;

	for (i = 0; i < t->nr; i++)
		nb_buf_put_now(t->bufs[i]);
	kvfree(t);
}

/* NBREAD_REGISTER_BUFFERS: all or nothing. */
long nb_register_buffers(struct nb_ctx *ctx, const struct nbread_register *p)
{
	bool sparse = p->flags & NBREAD_REGISTER_SPARSE;
	struct nb_bufs *t;
	int err = 0;

	lockdep_assert_held(&ctx->lock);
	if (!p->nr || p->nr > NB_MAX_BUFFERS || (sparse && p->addr))
		return -EINVAL;
	if (ctx->bufs)
		return -EBUSY;
	t = kvzalloc(struct_size(t, bufs, p->nr), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	t->nr = p->nr;
	if (!sparse && set_slots(ctx, t, p, &err) < p->nr) {
		free_table(t);
		return err;
	}
	ctx->bufs = t;
	WRITE_ONCE(ctx->nr_bufs, t->set);
	return 0;
}

/* NBREAD_REGISTER_BUFFERS_UPDATE */
long nb_update_buffers(struct nb_ctx *ctx, const struct nbread_register *p)
{
	u32 end, nr;
	int err = 0;

	lockdep_assert_held(&ctx->lock);
	if (!ctx->bufs)
		return -ENXIO;
	if (!p->nr || check_add_overflow(p->off, p->nr, &end) || end > ctx->bufs->nr)
		return -EINVAL;
	nr = set_slots(ctx, ctx->bufs, p, &err);
	WRITE_ONCE(ctx->nr_bufs, ctx->bufs->set);
	return nr ? nr : err;
}

/* NBREAD_UNREGISTER_BUFFERS */
long nb_unregister_buffers(struct nb_ctx *ctx, const struct nbread_register *p)
{
	lockdep_assert_held(&ctx->lock);
	if (!ctx->bufs)
		return -ENXIO;
	nb_buffers_close(ctx);
	return 0;
}

/* Give the table back. Nobody takes entries off the SQ: by nb_ctx.lock, or it is closed. */
void nb_buffers_close(struct nb_ctx *ctx)
{
	struct nb_bufs *t = ctx->bufs;

	ctx->bufs = NULL;
	WRITE_ONCE(ctx->nr_bufs, 0);
	if (t)
		free_table(t);
	if (ctx->locked)
		nb_locked_put(ctx->locked);
	ctx->locked = NULL;
}
