// SPDX-License-Identifier: GPL-2.0-only
/*
 * buffers.c - registered buffers: user memory that stays where it is.
 *
 * Role: the table and its operations of REGISTER; pin the memory, and let go of it.
 * READ_FIXED writes through the pinned pages, so that it reaches the memory that was
 * registered whatever the program maps at that address since.
 * Callers: register.c (operations), submit.c (look-up), request.c and dst.c, close.c.
 * Context: task; nb_buf_put() also a worker or under a spinlock, but no interrupt.
 * Locks: nb_ctx.lock, which every operation and every look-up holds.
 * References: a slot holds one of its buffer, a request another one. Whoever drops the
 * last unpins, which may sleep: in place where that is allowed, else in a work.
 *
 * What is pinned counts as locked memory of the user, where io_uring counts its own, and
 * not as mlock(2) does for the mm: it may outlive that (exec, exit of a process whose ring
 * another one has open), and a counter needs no lock, so that nothing the user does to his
 * mm can hold up the module's workqueue.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

#define NB_MAX_BUFFER_LEN SZ_1G

/* Pages that are pinned at a time: an array of one page. */
#define NB_PIN_CHUNK ((int)(PAGE_SIZE / sizeof(struct page *)))

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

/* Memory that is pinned so far: whole pages, neighbours as one piece. */
struct nb_pinned {
	struct bio_vec *bv;
	u32 nr;
};

/* Is @page the memory behind @bv? Pages that have neighbours in memory may lack them as pages. */
static bool follows(const struct bio_vec *bv, struct page *page)
{
	unsigned long nr = bv->bv_len >> PAGE_SHIFT;

	return page == bv->bv_page + nr && page_to_pfn(page) == page_to_pfn(bv->bv_page) + nr;
}

static void add_page(struct nb_pinned *p, struct page *page)
{
	struct bio_vec *last = p->bv + p->nr - 1;

	if (p->nr && follows(last, page)) {
		last->bv_len += PAGE_SIZE;
		return;
	}
	p->bv[p->nr++] = (struct bio_vec){ .bv_page = page, .bv_len = PAGE_SIZE };
}

static void unpin(const struct bio_vec *bv, u32 nr, bool dirty)
{
	unsigned long pages, done, chunk;
	u32 i;

	for (i = 0; i < nr; i++) {
		pages = DIV_ROUND_UP(bv[i].bv_offset + bv[i].bv_len, PAGE_SIZE);
		for (done = 0; done < pages; done += chunk) {
			chunk = min_t(unsigned long, pages - done, NB_PIN_CHUNK);
			unpin_user_page_range_dirty_lock(bv[i].bv_page + done, chunk, dirty);
			cond_resched();
		}
	}
}

/* Pin @nr pages from @at on; what was pinned before an error is in @p too. */
static int pin_pages(struct nb_pinned *p, unsigned long at, u32 nr)
{
	struct page **pages = kmalloc_array(NB_PIN_CHUNK, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	int i, got, err = pages ? 0 : -ENOMEM;

	while (nr && !err) {
		got = pin_user_pages_fast(at, min_t(u32, nr, NB_PIN_CHUNK),
					  FOLL_WRITE | FOLL_LONGTERM, pages);
		if (got <= 0)
			err = got ? got : -EFAULT;
		for (i = 0; i < got; i++) {
			if (!nb_may_stay_pinned(pages[i]))
				err = -EFAULT;
			add_page(p, pages[i]);
		}
		if (got > 0) {
			at += (unsigned long)got << PAGE_SHIFT;
			nr -= got;
		}
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	kfree(pages);
	/* What only some kernels tell of memory of a file. */
	return err == -EOPNOTSUPP ? -EFAULT : err;
}

/* The buffer of what is pinned, and where in it each piece begins. */
static struct nb_buf *make_buf(const struct nb_pinned *p, u64 addr, size_t len)
{
	struct nb_buf *buf;
	size_t at = 0;
	u32 i;

	buf = kvmalloc(struct_size(buf, bv, p->nr) + p->nr * sizeof(u32), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return NULL;
	refcount_set(&buf->refs, 1);
	buf->addr = addr;
	buf->len = len;
	buf->nr = p->nr;
	buf->start = (u32 *)&buf->bv[p->nr];
	memcpy(buf->bv, p->bv, p->nr * sizeof(*p->bv));
	buf->bv[0].bv_offset = offset_in_page(addr);
	buf->bv[0].bv_len -= offset_in_page(addr);
	for (i = 0; i < p->nr; i++) {
		buf->start[i] = at;
		at += buf->bv[i].bv_len;
	}
	buf->bv[p->nr - 1].bv_len -= at - len;
	return buf;
}

/*
 * Count @nr pages that are about to be pinned: for @user, against the caller's limit, unless
 * it is NULL, and to be seen as VmPin of the mm.
 */
static int charge(struct user_struct *user, struct mm_struct *mm, unsigned long nr)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long now;

	if (user) {
		now = atomic_long_read(&user->locked_vm);
		do {
			if (now + nr > limit)
				return -ENOMEM;
		} while (!atomic_long_try_cmpxchg(&user->locked_vm, &now, now + nr));
	}
	atomic64_add(nr, &mm->pinned_vm);
	return 0;
}

static void uncharge(struct user_struct *user, struct mm_struct *mm, unsigned long nr)
{
	if (user)
		atomic_long_sub(nr, &user->locked_vm);
	atomic64_sub(nr, &mm->pinned_vm);
}

static struct nb_buf *pin(struct mm_struct *mm, const struct nbread_buffer *b)
{
	struct user_struct *user = capable(CAP_IPC_LOCK) ? NULL : current_user();
	u32 nr = DIV_ROUND_UP(offset_in_page(b->addr) + b->len, PAGE_SIZE);
	struct nb_pinned p = {};
	struct nb_buf *buf = NULL;
	int err;

	err = charge(user, mm, nr);
	if (err)
		return ERR_PTR(err);
	/* As many as there are pages, until it is known how few will do. */
	p.bv = kvmalloc_array(nr, sizeof(*p.bv), GFP_KERNEL_ACCOUNT);
	err = p.bv ? pin_pages(&p, b->addr & PAGE_MASK, nr) : -ENOMEM;
	if (!err) {
		buf = make_buf(&p, b->addr, b->len);
		err = buf ? 0 : -ENOMEM;
	}
	if (err) {
		unpin(p.bv, p.nr, false);
		uncharge(user, mm, nr);
	} else {
		buf->nr_pages = nr;
		buf->user = user ? get_uid(user) : NULL;
		buf->mm = mm;
		mmgrab(mm);
	}
	kvfree(p.bv);
	return err ? ERR_PTR(err) : buf;
}

/*
 * Sleeps on the lock of a page that is not dirty yet. Nobody holds that over I/O on memory
 * that is pinned: it is not swapped out, nor read from anywhere.
 */
static void free_buf(struct nb_buf *buf)
{
	unpin(buf->bv, buf->nr, true);
	free_uid(buf->user);
	mmdrop(buf->mm);
	kvfree(buf);
}

static void nb_buf_work(struct work_struct *work)
{
	free_buf(container_of(work, struct nb_buf, work));
}

/* Return: true for who gave the last reference back, and shall free the buffer. */
static bool is_last(struct nb_buf *buf)
{
	if (!refcount_dec_and_test(&buf->refs))
		return false;
	/*
	 * At once, before the CQE of its last read tells the program that the buffer is free. The
	 * mm may be dead; its counter is there as long as it is grabbed.
	 */
	uncharge(buf->user, buf->mm, buf->nr_pages);
	return true;
}

/**
 * nb_buf_put() - give a reference back
 * @buf: the buffer; may be gone on return
 *
 * Does not sleep. Who calls it holds the module or is waited for by its exit, which
 * drains the workqueue after that.
 */
void nb_buf_put(struct nb_buf *buf)
{
	if (!is_last(buf))
		return;
	INIT_WORK(&buf->work, nb_buf_work);
	queue_work(nb_ctx_wq, &buf->work);
}

/* That of a slot: memory and its account are given back before the call returns. */
static void put_now(struct nb_buf *buf)
{
	if (buf && is_last(buf))
		free_buf(buf);
}

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
static struct nb_buf *take(struct nb_ctx *ctx, const struct nbread_buffer __user *from)
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
	return pin(ctx->mm, &b);
}

/* Up to the first that cannot be set. Return: how many were; *err says why not all. */
static u32 set_slots(struct nb_ctx *ctx, struct nb_bufs *t, const struct nbread_register *p,
		     int *err)
{
	const struct nbread_buffer __user *from = u64_to_user_ptr(p->addr);
	struct nb_buf *buf;
	u32 i;

	lockdep_assert_held(&ctx->lock);
	for (i = 0; i < p->nr; i++) {
		*err = -EINTR;
		if (fatal_signal_pending(current))
			break;
		buf = take(ctx, from + i);
		*err = PTR_ERR_OR_ZERO(buf);
		if (*err)
			break;
		swap(t->bufs[array_index_nospec(p->off + i, t->nr)], buf);
		t->set += !!t->bufs[p->off + i] - !!buf;
		put_now(buf);
		cond_resched();
	}
	return i;
}

static void free_table(struct nb_bufs *t)
{
	u32 i;

	for (i = 0; i < t->nr; i++)
		put_now(t->bufs[i]);
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
}
