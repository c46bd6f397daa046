// SPDX-License-Identifier: GPL-2.0-only
/*
 * dst.c - where the bytes of a read go.
 *
 * Role: check what a program said of offset and length, and make iterators over its
 * buffer. A leaf. Callers: submit.c and try.c (check); cached.c, filemap.c, miss.c and
 * worker.c (iterator). Context: any that may touch user memory. No locks, no references.
 */
#include "internal.h"

/* Make the iterator for what is left; an iterator is never kept over a wait. */
void nb_dst_iter(const struct nb_dst *dst, size_t done, struct iov_iter *iter)
{
	if (!dst->iov) {
		iov_iter_ubuf(iter, ITER_DEST, u64_to_user_ptr(dst->addr + done), dst->len - done);
		return;
	}
	iov_iter_init(iter, ITER_DEST, dst->iov, dst->nr_segs, dst->len);
	iov_iter_advance(iter, done);
}

/* Check what a program said of offset and length; the address comes after the fd. */
int nb_dst_check(u64 addr, u32 len, u64 off)
{
	loff_t end;

	if (len > NB_MAX_LEN || (loff_t)off < 0 || addr != (unsigned long)addr)
		return -EINVAL;
	return check_add_overflow((loff_t)off, (loff_t)len, &end) ? -EINVAL : 0;
}
