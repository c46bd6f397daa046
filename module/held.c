// SPDX-License-Identifier: GPL-2.0-only
/*
 * held.c - a part of a program's buffer, pinned for one blocking read.
 *
 * Role: let a worker wait for a disk or a server without the program's memory map. Who holds
 * mm_users keeps all of a program's memory, and what that maps, after it was killed; a worker
 * has no signal that would end its wait; and what it faults in when no task has the mm any more
 * is charged to the root cgroup. With the pages pinned before, it holds just these, as direct
 * I/O does (fs/direct-io.c, fs/iomap/direct-io.c), and faults nothing in.
 * Callers: blocking.c. Context: worker; nb_held_pin() with the owner's mm, the others with or
 * without. No locks. References: a pin of each page, from nb_held_pin() to nb_held_unpin().
 *
 * The pins may last as long as a server is silent, so they are long ones: not of memory of a file
 * whose file system must be told before a page gets dirty, and not in the way of hot-unplug. A
 * worker's part is NB_HELD_BYTES at most, and a ring's workers are bounded, so they are not counted
 * as locked memory.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

/* Pages that are pinned by one call. */
#define NB_PIN_FEW 16U

/* Pin what of [@addr, @addr + @len) there is room for. Return: bytes. */
static size_t pin_segment(struct nb_held *held, unsigned long addr, size_t len)
{
	struct page *pages[NB_PIN_FEW];
	size_t done = 0, n;
	int i, nr, got;

	while (done < len && held->nr < NB_HELD_PAGES) {
		nr = min_t(size_t, DIV_ROUND_UP(offset_in_page(addr) + len - done, PAGE_SIZE),
			   min(NB_PIN_FEW, NB_HELD_PAGES - held->nr));
		got = pin_user_pages_fast(addr, nr, FOLL_WRITE | FOLL_LONGTERM, pages);
		for (i = 0; i < got; i++) {
			n = min_t(size_t, len - done, PAGE_SIZE - offset_in_page(addr));
			held->bv[held->nr++] = (struct bio_vec){ .bv_page = pages[i],
								 .bv_offset = offset_in_page(addr),
								 .bv_len = n };
			held->odd |= !nb_may_stay_pinned(pages[i]);
			addr += n;
			done += n;
		}
		if (got < nr)
			break;
	}
	return done;
}

/**
 * nb_held_pin() - pin where the next bytes of a read go
 * @held: empty
 * @dst: of the owner's memory, not a registered buffer
 * @done: bytes of it that were read
 * @len: how many are wanted next, at most NB_HELD_BYTES
 *
 * Return: whether all of them are pinned. If not (a hole, memory of a file, more vectors than
 * there is room for) nothing is: the copy will say what there is to say.
 */
bool nb_held_pin(struct nb_held *held, const struct nb_dst *dst, size_t done, size_t len)
{
	size_t left = len, n;
	unsigned int i;

	held->nr = 0;
	held->odd = false;
	if (WARN_ON_ONCE(len > dst->len - done))
		return false;
	if (dst->kind == NB_DST_USER) {
		left -= pin_segment(held, dst->addr + done, left);
	} else {
		for (i = 0; i < dst->nr_segs && left; i++) {
			n = dst->iov[i].iov_len;
			if (done >= n) {
				done -= n;
				continue;
			}
			n = min(n - done, left);
			if (pin_segment(held, (unsigned long)dst->iov[i].iov_base + done, n) < n)
				break;
			left -= n;
			done = 0;
		}
	}
	if (!left && !held->odd)
		return true;
	nb_held_unpin(held, false);
	return false;
}

/* The iterator over what is pinned. */
void nb_held_iter(const struct nb_held *held, size_t len, struct iov_iter *iter)
{
	iov_iter_bvec(iter, ITER_DEST, held->bv, held->nr, len);
}

/* Let go. @dirty: it was written to, by the kernel's own mapping. */
void nb_held_unpin(struct nb_held *held, bool dirty)
{
	unsigned int i;

	for (i = 0; i < held->nr; i++) {
		if (dirty)
			flush_dcache_page(held->bv[i].bv_page);
		unpin_user_page_range_dirty_lock(held->bv[i].bv_page, 1, dirty);
	}
	held->nr = 0;
}
