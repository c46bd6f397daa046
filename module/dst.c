// SPDX-License-Identifier: GPL-2.0-only
/*
 * dst.c - where the bytes of a read go.
 *
 * Role: make iterators over a program's buffer, write to a registered one, and take the
 * vectors of a 32-bit one. A leaf. Callers: submit.c (vectors); cached.c, filemap.c, stacked.c,
 * resident.c, miss.c and blocking.c (iterator); filemap.c (write). Context: any that may touch
 * user memory; of a registered buffer, any task. No locks, no references.
 */
#include <linux/compat.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* The piece of a registered buffer that holds the byte @at; the last one for its end. */
static u32 find_piece(const struct nb_buf *buf, size_t at)
{
	u32 first = 0, behind = buf->nr;

	while (behind - first > 1) {
		u32 mid = first + (behind - first) / 2;

		if (buf->start[mid] <= at)
			first = mid;
		else
			behind = mid;
	}
	return first;
}

static void buf_iter(const struct nb_dst *dst, size_t done, struct iov_iter *iter)
{
	const struct nb_buf *buf = dst->buf;
	size_t at = dst->addr - buf->addr + done;
	u32 i = find_piece(buf, at);
	size_t skip = at - buf->start[i];

	iov_iter_bvec(iter, ITER_DEST, &buf->bv[i], buf->nr - i, skip + dst->len - done);
	iov_iter_advance(iter, skip);
}

/* Make the iterator for what is left; an iterator is never kept over a wait. */
void nb_dst_iter(const struct nb_dst *dst, size_t done, struct iov_iter *iter)
{
	switch (dst->kind) {
	case NB_DST_USER:
		iov_iter_ubuf(iter, ITER_DEST, u64_to_user_ptr(dst->addr + done), dst->len - done);
		return;
	case NB_DST_IOV:
		iov_iter_init(iter, ITER_DEST, dst->iov, dst->nr_segs, dst->len);
		iov_iter_advance(iter, done);
		return;
	case NB_DST_BUF:
		buf_iter(dst, done, iter);
	}
}

/**
 * nb_dst_write() - write to a registered buffer
 * @dst: of that kind
 * @done: behind so many bytes
 * @from: kernel memory; may be that of the buffer itself, which shmem can share with a file
 * @bytes: how many, no more than @dst still takes
 */
void nb_dst_write(const struct nb_dst *dst, size_t done, const void *from, size_t bytes)
{
	const struct nb_buf *buf = dst->buf;
	size_t at = dst->addr - buf->addr + done, n, skip;
	u32 i = find_piece(buf, at);
	void *to;

	for (; bytes; i++, at += n, from += n, bytes -= n) {
		skip = at - buf->start[i];
		n = min_t(size_t, bytes, buf->bv[i].bv_len - skip);
		to = page_address(buf->bv[i].bv_page) + buf->bv[i].bv_offset + skip;
		if (unlikely(to < from + n && from < to + n))
			memmove(to, from, n);
		else
			memcpy(to, from, n);
	}
}

/**
 * nb_dst_compat_vectors() - take the vectors of a 32-bit program
 * @addr: its array
 * @nr: how many, at most UIO_MAXIOV
 * @fast: room for UIO_FASTIOV
 * @iov: out: what was allocated, or NULL: they are in @fast
 *
 * As import_iovec(), which asks current whether the program is one: the thread of an
 * SQTHREAD ring is not. Return: bytes in all, -EFAULT, -EINVAL, -ENOMEM.
 */
ssize_t nb_dst_compat_vectors(u64 addr, unsigned int nr, struct iovec *fast, struct iovec **iov)
{
#ifdef CONFIG_COMPAT
	const struct compat_iovec __user *from = u64_to_user_ptr(addr);
	struct iovec *to = fast;
	struct compat_iovec v;
	ssize_t total = 0;
	unsigned int i;

	*iov = NULL;
	if (nr > UIO_FASTIOV) {
		to = kmalloc_array(nr, sizeof(*to), GFP_KERNEL);
		if (!to)
			return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		if (copy_from_user(&v, from + i, sizeof(v)) ||
		    !access_ok(compat_ptr(v.iov_base), v.iov_len)) {
			total = -EFAULT;
			break;
		}
		if ((compat_ssize_t)v.iov_len < 0) {
			total = -EINVAL;
			break;
		}
		to[i].iov_base = compat_ptr(v.iov_base);
		to[i].iov_len = min_t(size_t, v.iov_len, MAX_RW_COUNT - total);
		total += to[i].iov_len;
	}
	if (to != fast && total < 0)
		kfree(to);
	else if (to != fast)
		*iov = to;
	return total;
#else
	return -EOPNOTSUPP; /* there are no such programs */
#endif
}
