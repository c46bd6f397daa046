// SPDX-License-Identifier: GPL-2.0-only
/*
 * memlock.c - what registered buffers count as locked memory.
 *
 * Role: count what is pinned for the user and the mm, and take it back. What a pin holds is
 * the folio: none of a huge page is given back while one byte of it is pinned. So folios
 * are counted whole, and each once for a table of buffers, however many of them lie in it.
 * Callers: pin.c; buffers.c (begin and end). Context: task; nb_locked_drop() also a
 * worker or under a spinlock, but no interrupt.
 * Locks: nb_ctx.lock while folios are added; the xarray's own over its counts.
 * References: the context has one of the account of who registered last, each buffer has one.
 *
 * The memory counts where io_uring counts its own, in user_struct.locked_vm, and not as
 * mlock(2) does, for the mm: it may outlive that (exec, exit of a process whose ring another
 * one has open), and a counter needs no lock, so that nothing the user does to his mm can
 * hold up the module's workqueue.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "internal.h"

/**
 * struct nb_locked - an account of pinned memory
 * @refs:	the context's while it is the current one, and those of buffers
 * @user:	whose locked memory it is, with a reference; NULL: nobody's (CAP_IPC_LOCK)
 * @mm:		whose pinned memory it is, itself pinned by mmgrab()
 * @folios:	large folios by frame number: how many runs of pages of buffers are in each
 */
struct nb_locked {
	refcount_t refs;
	struct user_struct *user;
	struct mm_struct *mm;
	struct xarray folios;
};

/* Where a walk over pinned memory is. */
struct nb_walk {
	const struct bio_vec *bv;
	const struct bio_vec *end;
	unsigned long page;
	struct folio *folio;
};

/* The next folio, if it is not that of the page before; NULL: no more. */
static struct folio *next_folio(struct nb_walk *w)
{
	struct folio *folio;
	unsigned long pages;
	struct page *page;

	for (; w->bv < w->end; w->bv++, w->page = 0) {
		pages = DIV_ROUND_UP(w->bv->bv_offset + w->bv->bv_len, PAGE_SIZE);
		while (w->page < pages) {
			page = w->bv->bv_page + w->page;
			folio = page_folio(page);
			w->page += folio_nr_pages(folio) - folio_page_idx(folio, page);
			if (folio == w->folio)
				continue;
			w->folio = folio;
			return folio;
		}
	}
	return NULL;
}

/*
 * One run more in a large folio, which is pinned, so that nobody splits it. Return: whether
 * it is the first, or -ENOMEM. Only this stores an entry that was not there, so that none
 * comes up while the store lets go of the lock to allocate.
 */
static int hold(struct nb_locked *l, struct folio *folio)
{
	unsigned long held;
	void *old;
	int err;

	xa_lock(&l->folios);
	old = xa_load(&l->folios, folio_pfn(folio));
	held = old ? xa_to_value(old) : 0;
	err = xa_err(__xa_store(&l->folios, folio_pfn(folio), xa_mk_value(held + 1),
				GFP_KERNEL_ACCOUNT));
	xa_unlock(&l->folios);
	return err ? err : !held;
}

/* One less. Return: whether it was the last. */
static bool let_go(struct nb_locked *l, struct folio *folio)
{
	unsigned long held;

	xa_lock(&l->folios);
	held = xa_to_value(xa_load(&l->folios, folio_pfn(folio)));
	if (held == 1)
		__xa_erase(&l->folios, folio_pfn(folio));
	else /* in place of another value: allocates nothing */
		__xa_store(&l->folios, folio_pfn(folio), xa_mk_value(held - 1), GFP_NOWAIT);
	xa_unlock(&l->folios);
	return held == 1;
}

/* Let go of the first @nr runs in large folios. Return: pages that nobody holds any more. */
static unsigned long let_go_of(struct nb_locked *l, struct nb_walk w, unsigned long nr)
{
	unsigned long pages = 0;
	struct folio *folio;

	while (nr && (folio = next_folio(&w))) {
		if (!folio_test_large(folio))
			continue;
		if (let_go(l, folio))
			pages += folio_nr_pages(folio);
		nr--;
	}
	return pages;
}

/* Count @nr pages, against the caller's limit. */
static int charge(struct nb_locked *l, unsigned long nr)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long now;

	if (l->user) {
		now = atomic_long_read(&l->user->locked_vm);
		do {
			if (now + nr > limit)
				return -ENOMEM;
		} while (!atomic_long_try_cmpxchg(&l->user->locked_vm, &now, now + nr));
	}
	atomic64_add(nr, &l->mm->pinned_vm);
	return 0;
}

static void uncharge(struct nb_locked *l, unsigned long nr)
{
	if (l->user)
		atomic_long_sub(nr, &l->user->locked_vm);
	atomic64_sub(nr, &l->mm->pinned_vm);
}

/**
 * nb_locked_get() - the account that a buffer of the caller goes to
 * @ctx: the ring, whose lock is held
 *
 * Asks for CAP_IPC_LOCK, which an audit may log: once a call. Another user than the last
 * one's, or one with other rights, has an account of his own, where the folios that he
 * shares with the other count anew.
 *
 * Return: the account, with a reference, or NULL: no memory.
 */
struct nb_locked *nb_locked_get(struct nb_ctx *ctx)
{
	struct user_struct *user = capable(CAP_IPC_LOCK) ? NULL : current_user();
	struct nb_locked *l = ctx->locked;

	lockdep_assert_held(&ctx->lock);
	if (!l || l->user != user) {
		l = kmalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
		if (!l)
			return NULL;
		refcount_set(&l->refs, 1);
		l->user = user ? get_uid(user) : NULL;
		l->mm = ctx->mm;
		mmgrab(l->mm);
		xa_init_flags(&l->folios, XA_FLAGS_ACCOUNT);
		if (ctx->locked)
			nb_locked_put(ctx->locked);
		ctx->locked = l;
	}
	return nb_locked_ref(l);
}

struct nb_locked *nb_locked_ref(struct nb_locked *l)
{
	refcount_inc(&l->refs);
	return l;
}

/* Give a reference back. Task or worker. */
void nb_locked_put(struct nb_locked *l)
{
	if (!refcount_dec_and_test(&l->refs))
		return;
	xa_destroy(&l->folios);
	free_uid(l->user);
	mmdrop(l->mm);
	kfree(l);
}

/**
 * nb_locked_may_add() - may it be worth while to pin so many pages?
 * @l: the account
 * @nr: pages
 *
 * Whatever they lie in is counted, so that more than the limit never fits. What does fit is
 * known when they are pinned: so a call holds up to a limit more for as long as it pins, as
 * one of io_uring does. To reserve that would refuse what costs nothing, a buffer more in
 * a huge page, to a user who is at his limit.
 * Return: false if they would be too many in any case.
 */
bool nb_locked_may_add(const struct nb_locked *l, unsigned long nr)
{
	return !l->user || nr <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
}

/**
 * nb_locked_add() - count memory that was pinned
 * @l: the account
 * @bv: the memory, whole pages
 * @nr: pieces
 * @n: out: for nb_locked_drop()
 *
 * Under nb_ctx.lock. Return: 0, or -ENOMEM: no memory, or above the limit; nothing is
 * counted then.
 */
int nb_locked_add(struct nb_locked *l, const struct bio_vec *bv, u32 nr, struct nb_counted *n)
{
	const struct nb_walk begin = { .bv = bv, .end = bv + nr };
	struct nb_walk w = begin;
	unsigned long pages = 0;
	struct folio *folio;
	int first, err = 0;

	*n = (struct nb_counted){};
	while (!err && (folio = next_folio(&w))) {
		cond_resched();
		if (!folio_test_large(folio)) {
			n->small++;
			continue;
		}
		first = hold(l, folio);
		if (first < 0) {
			err = first;
			break;
		}
		n->large++;
		pages += first ? folio_nr_pages(folio) : 0;
	}
	if (!err)
		err = charge(l, n->small + pages);
	/*
	 * Another buffer may have let go of a folio meanwhile, that was charged for it, and left
	 * that to us. What we were the first in nobody else has charged.
	 */
	if (err)
		uncharge(l, let_go_of(l, begin, n->large) - pages);
	return err;
}

/**
 * nb_locked_drop() - count it no more
 * @l: the account
 * @bv: the memory, still pinned, as when it was added
 * @nr: pieces
 * @n: what it counted as
 *
 * Walks over the memory if it has large folios; a caller with a lock looks how many.
 */
void nb_locked_drop(struct nb_locked *l, const struct bio_vec *bv, u32 nr,
		    const struct nb_counted *n)
{
	const struct nb_walk begin = { .bv = bv, .end = bv + nr };

	uncharge(l, n->small + let_go_of(l, begin, n->large));
}
