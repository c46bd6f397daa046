// SPDX-License-Identifier: GPL-2.0-only
/*
 * pin.c - user memory that stays where it is: make a registered buffer, and end it.
 *
 * Role: pin the memory of a buffer, count it (memlock.c), and let go of it.
 * Callers: buffers.c (slots); request.c, cancel.c and miss.c (references of requests).
 * Context: task; nb_buf_put() also a worker or under a spinlock, but no interrupt.
 * Locks: nb_ctx.lock while a buffer is made.
 * References: a slot holds one of its buffer, and so does a request that may still write
 * to it. Whoever drops the last unpins, which may sleep: in place where that is allowed,
 * else in a work.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

/* Pages that are pinned at a time: an array of one page. */
#define NB_PIN_CHUNK ((int)(PAGE_SIZE / sizeof(struct page *)))

/* Folios that are walked over under a lock, to let go of those that are large. */
#define NB_UNCOUNT_NOW 64

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

/**
 * nb_buf_pin() - pin memory of the caller
 * @l: the account it goes to; a reference of its own is taken
 * @b: what the program asks for, checked
 *
 * Under nb_ctx.lock. Return: the buffer, with one reference, or ERR_PTR(): -ENOMEM also
 * above the limit of the account, -EFAULT for memory that cannot be pinned, -EINTR.
 */
struct nb_buf *nb_buf_pin(struct nb_locked *l, const struct nbread_buffer *b)
{
	u32 nr = DIV_ROUND_UP(offset_in_page(b->addr) + b->len, PAGE_SIZE);
	struct nb_counted counted;
	struct nb_pinned p = {};
	struct nb_buf *buf;
	int err;

	if (!nb_locked_may_add(l, nr))
		return ERR_PTR(-ENOMEM);
	/* As many as there are pages, until it is known how few will do. */
	p.bv = kvmalloc_array(nr, sizeof(*p.bv), GFP_KERNEL_ACCOUNT);
	err = p.bv ? pin_pages(&p, b->addr & PAGE_MASK, nr) : -ENOMEM;
	if (err)
		goto unpin;
	err = nb_locked_add(l, p.bv, p.nr, &counted);
	if (err)
		goto unpin;
	buf = make_buf(&p, b->addr, b->len);
	if (!buf) {
		nb_locked_drop(l, p.bv, p.nr, &counted);
		err = -ENOMEM;
		goto unpin;
	}
	buf->counted = counted;
	buf->locked = nb_locked_ref(l);
	kvfree(p.bv);
	return buf;

unpin:
	unpin(p.bv, p.nr, false);
	kvfree(p.bv);
	return ERR_PTR(err);
}

/*
 * Sleeps on the lock of a page that is not dirty yet. Nobody holds that over I/O on memory
 * that is pinned: it is not swapped out, nor read from anywhere.
 */
static void free_buf(struct nb_buf *buf)
{
	unpin(buf->bv, buf->nr, true);
	nb_locked_put(buf->locked);
	kvfree(buf);
}

/* Unpinned or soon to be: it counts no more. The mm may be dead, and is grabbed. */
static void uncount(struct nb_buf *buf)
{
	nb_locked_drop(buf->locked, buf->bv, buf->nr, &buf->counted);
	buf->counted = (struct nb_counted){};
}

static void nb_buf_work(struct work_struct *work)
{
	struct nb_buf *buf = container_of(work, struct nb_buf, work);

	uncount(buf);
	free_buf(buf);
}

/**
 * nb_buf_put() - give a reference back
 * @buf: the buffer; may be gone on return
 *
 * Does not sleep. What is about to be unpinned counts no longer when this returns, so before
 * the CQE of its last read tells the program; unless that takes many steps, since the caller
 * may hold a lock, and have many to put: then it is left to the work too. Who calls it holds
 * the module or is waited for by its exit, which drains the workqueue after that.
 */
void nb_buf_put(struct nb_buf *buf)
{
	if (!refcount_dec_and_test(&buf->refs))
		return;
	if (!buf->counted.large || buf->counted.small + buf->counted.large <= NB_UNCOUNT_NOW)
		uncount(buf);
	INIT_WORK(&buf->work, nb_buf_work);
	queue_work(nb_ctx_wq, &buf->work);
}

/* That of a slot, or NULL: memory and its account are given back before the call returns. */
void nb_buf_put_now(struct nb_buf *buf)
{
	if (!buf || !refcount_dec_and_test(&buf->refs))
		return;
	uncount(buf);
	free_buf(buf);
}
