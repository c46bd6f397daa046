// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - the memory shared with the program. All barriers of the rings are here.
 *
 * Role: allocate it, map it, read SQEs out of it, write CQEs into it.
 * Callers: ctx.c (create, free), main.c (mmap), submit.c (SQ side), complete.c (CQ side);
 * enter.c, wait.c, sq.c and sqthread.c (how full it is, SQ flags). Context: task or worker;
 * nb_ring_cq_ready() also under a folio wait-queue lock, interrupts off.
 * Locks: the SQ side needs nb_ctx.lock, the CQ side nb_ctx.cq_lock; neither is known here.
 * References: pages are refcounted one by one, so a mapping may outlive the ring.
 *
 * The program may write any word at any time. So head and tail are kept in kernel
 * memory (sq_head, cq_tail) and only published; what the program owns (SQ tail, CQ
 * head) is read once and checked; every index is masked with a mask of ours.
 *
 * | written by | word    | store here                  | read by | load there              |
 * | program    | SQ tail | release, nbread_submit     | kernel  | acquire in nb_ring_sq_ready |
 * | kernel     | SQ head | release in nb_ring_take     | program | acquire, sq_space_left  |
 * | kernel     | sq_head | release in nb_ring_take     | kernel  | acquire in nb_ring_sq_is_full |
 * | kernel     | CQ tail | release in nb_ring_publish  | program | acquire, cq_ready/peek  |
 * | program    | CQ head | release, nbread_cq_advance  | kernel  | acquire in nb_ring_cq_ready |
 * | kernel     | flags   | plain, then a full barrier (sqthread.c) | program | plain, after one |
 *
 * The last is a pair of stores and loads that cross: the thread stores NEED_WAKEUP and then
 * looks at SQ tail and CQ head, the program stores one of these and then looks at the
 * flags; a full barrier in between on both sides, so that one of the two sees the other.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"

/* The words that change lie on cache lines of their own: two sides write them. */
struct nb_shared {
	u32 sq_head ____cacheline_aligned;
	u32 sq_tail ____cacheline_aligned;
	u32 cq_head ____cacheline_aligned;
	u32 cq_tail ____cacheline_aligned;
	u32 sq_mask ____cacheline_aligned;
	u32 sq_entries;
	u32 sq_flags;
	u32 cq_mask;
	u32 cq_entries;
	u32 cq_flags;
};

static inline struct nb_shared *shared(const struct nb_ring *ring)
{
	return ring->base;
}

static void free_pages_of(struct nb_ring *ring)
{
	unsigned int i;

	for (i = 0; i < ring->nr_pages && ring->pages[i]; i++)
		__free_page(ring->pages[i]);
	kvfree(ring->pages);
}

void nb_ring_free(struct nb_ring *ring)
{
	if (!ring)
		return;
	vunmap(ring->base);
	free_pages_of(ring);
	kfree(ring);
}

static int alloc_memory(struct nb_ring *ring, size_t size)
{
	unsigned int i, nr = DIV_ROUND_UP(size, PAGE_SIZE);

	ring->pages = kvcalloc(nr, sizeof(*ring->pages), GFP_KERNEL_ACCOUNT);
	if (!ring->pages)
		return -ENOMEM;
	ring->nr_pages = nr;
	for (i = 0; i < nr; i++) {
		ring->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!ring->pages[i])
			goto fail;
	}
	ring->base = vmap(ring->pages, nr, VM_MAP, PAGE_KERNEL);
	if (ring->base)
		return 0;
fail:
	free_pages_of(ring);
	return -ENOMEM;
}

/* Round the wanted sizes up; both are bounded before anything is computed of them. */
static int round_sizes(struct nbread_setup *p)
{
	if (!p->sq_entries || p->sq_entries > NB_MAX_SQ_ENTRIES ||
	    p->cq_entries > NB_MAX_CQ_ENTRIES)
		return -EINVAL;
	p->sq_entries = roundup_pow_of_two(p->sq_entries);
	if (!p->cq_entries)
		p->cq_entries = 2 * p->sq_entries;
	p->cq_entries = roundup_pow_of_two(p->cq_entries);
	return p->cq_entries < p->sq_entries ? -EINVAL : 0;
}

static void tell_offsets(struct nbread_setup *p, size_t cqes, size_t sqes)
{
	memset(&p->sq_off, 0, sizeof(p->sq_off));
	memset(&p->cq_off, 0, sizeof(p->cq_off));
	p->sq_off.head = offsetof(struct nb_shared, sq_head);
	p->sq_off.tail = offsetof(struct nb_shared, sq_tail);
	p->sq_off.mask = offsetof(struct nb_shared, sq_mask);
	p->sq_off.entries = offsetof(struct nb_shared, sq_entries);
	p->sq_off.flags = offsetof(struct nb_shared, sq_flags);
	p->sq_off.sqes = sqes;
	p->cq_off.head = offsetof(struct nb_shared, cq_head);
	p->cq_off.tail = offsetof(struct nb_shared, cq_tail);
	p->cq_off.mask = offsetof(struct nb_shared, cq_mask);
	p->cq_off.entries = offsetof(struct nb_shared, cq_entries);
	p->cq_off.flags = offsetof(struct nb_shared, cq_flags);
	p->cq_off.cqes = cqes;
}

/**
 * nb_ring_create() - allocate rings of the sizes in @p
 * @p: in: wanted sizes; out: the sizes, offsets and length of the mapping
 *
 * Return: the ring, or ERR_PTR(-EINVAL, -ENOMEM).
 */
struct nb_ring *nb_ring_create(struct nbread_setup *p)
{
	size_t cqes, sqes, size;
	struct nb_shared *sh;
	struct nb_ring *ring;
	int ret = round_sizes(p);

	if (ret)
		return ERR_PTR(ret);
	/* At most 64Ki * 16 + 32Ki * 64 bytes and a page: no overflow to check. */
	cqes = ALIGN(sizeof(struct nb_shared), SMP_CACHE_BYTES);
	sqes = ALIGN(cqes + p->cq_entries * sizeof(struct nbread_cqe), sizeof(struct nbread_sqe));
	size = PAGE_ALIGN(sqes + p->sq_entries * sizeof(struct nbread_sqe));

	ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	ret = alloc_memory(ring, size);
	if (ret) {
		kfree(ring);
		return ERR_PTR(ret);
	}
	ring->cqes = ring->base + cqes;
	ring->sqes = ring->base + sqes;
	ring->sq_mask = p->sq_entries - 1;
	ring->cq_mask = p->cq_entries - 1;
	sh = shared(ring);
	sh->sq_mask = ring->sq_mask;
	sh->sq_entries = p->sq_entries;
	sh->cq_mask = ring->cq_mask;
	sh->cq_entries = p->cq_entries;

	tell_offsets(p, cqes, sqes);
	p->ring_size = size;
	return ring;
}

/**
 * nb_ring_mmap() - map the ring, whole or its beginning, at offset 0
 * @ring: the ring
 * @vma: what mmap(2) made
 *
 * Private mappings are refused: the two sides would drift apart unseen.
 * Return: 0 or -EINVAL.
 */
int nb_ring_mmap(struct nb_ring *ring, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff || !(vma->vm_flags & VM_SHARED) || vma_pages(vma) > ring->nr_pages)
		return -EINVAL;
	return vm_map_pages(vma, ring->pages, ring->nr_pages);
}

/* Tell the program of the thread. The word is ours, whatever the program writes there. */
void nb_ring_set_sq_flags(struct nb_ring *ring, u32 flags)
{
	WRITE_ONCE(shared(ring)->sq_flags, flags);
}

/* A snapshot, for who does not take entries: is there something to be taken? */
bool nb_ring_sq_is_empty(const struct nb_ring *ring)
{
	return READ_ONCE(shared(ring)->sq_tail) == READ_ONCE(ring->sq_head);
}

/* Another: must the program wait before it adds an entry? */
bool nb_ring_sq_is_full(const struct nb_ring *ring)
{
	/* Pairs with nb_ring_take(): the program sees this head, too. */
	u32 head = smp_load_acquire(&ring->sq_head);

	return READ_ONCE(shared(ring)->sq_tail) - head > ring->sq_mask;
}

/**
 * nb_ring_sq_ready() - how many SQEs the program published
 * @ring: the ring; nb_ctx.lock is held, or nobody else takes entries
 * @nr: out
 *
 * Return: 0, or -EINVAL for a tail that cannot be.
 */
int nb_ring_sq_ready(const struct nb_ring *ring, u32 *nr)
{
	/* Pairs with the program's release of SQ tail: its SQEs are visible. */
	u32 ready = smp_load_acquire(&shared(ring)->sq_tail) - ring->sq_head;

	if (ready > ring->sq_mask + 1)
		return -EINVAL;
	*nr = ready;
	return 0;
}

/**
 * nb_ring_cq_ready() - how many published CQEs the program has not seen
 * @ring: the ring; exact under nb_ctx.cq_lock, a snapshot without
 * @nr: out
 *
 * Return: 0, or -EINVAL for a head that cannot be.
 */
int nb_ring_cq_ready(const struct nb_ring *ring, u32 *nr)
{
	/* Pairs with nb_ring_publish(): who sees this tail sees the program's too. */
	u32 tail = smp_load_acquire(&ring->cq_shown);
	/* Pairs with the program's release of CQ head: it has read those CQEs. */
	u32 head = smp_load_acquire(&shared(ring)->cq_head);

	*nr = tail - head;
	if (likely(*nr <= ring->cq_mask + 1))
		return 0;
	/*
	 * The program may be quicker than nb_ring_publish(), reap between its two stores,
	 * and come here: then its head lies before the tail that is about to be shown.
	 */
	*nr = 0;
	return READ_ONCE(ring->cq_tail) - head > ring->cq_mask + 1 ? -EINVAL : 0;
}

/* Take @nr SQEs: their slots are the program's again. */
void nb_ring_take(struct nb_ring *ring, u32 nr)
{
	u32 head = ring->sq_head + nr;

	/* Pairs with the program's acquire of SQ head: the SQEs were read before. */
	smp_store_release(&shared(ring)->sq_head, head);
	/* Pairs with nb_ring_sq_is_full(): whom that tells of room finds it. */
	smp_store_release(&ring->sq_head, head);
}

/* Write CQEs into slots that were reserved, and show them. nb_ctx.cq_lock is held. */
void nb_ring_publish(struct nb_ring *ring, const struct nbread_cqe *cqes, u32 nr)
{
	u32 tail = ring->cq_tail, at = tail & ring->cq_mask;
	u32 first = min(nr, ring->cq_mask + 1 - at);

	memcpy(ring->cqes + at, cqes, first * sizeof(*cqes));
	if (unlikely(first < nr))
		memcpy(ring->cqes, cqes + first, (nr - first) * sizeof(*cqes));
	/* Before it is shown: nb_ring_cq_ready() takes no head that is ahead of it. */
	WRITE_ONCE(ring->cq_tail, tail + nr);
	/* Pairs with the program's acquire of CQ tail: the CQEs are visible. */
	smp_store_release(&shared(ring)->cq_tail, ring->cq_tail);
	/* Pairs with nb_ring_cq_ready(): a waiter may return only for what is shown. */
	smp_store_release(&ring->cq_shown, ring->cq_tail);
}
