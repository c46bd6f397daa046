// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Register: files, buffers, eventfd, credentials, workers. Each call fills the
 * argument of NBREAD_IOC_REGISTER, reserved members zero, and hands it to the
 * backend.
 *
 * Buffers are struct iovec for the caller and struct nbread_buffer for the ABI,
 * which has one layout for 32 and 64 bits. The copy is bounded by what the backend
 * takes at all, so a wrong count allocates nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include "internal.h"

/* Buffers of one update; more of them are handed on in pieces. */
#define UPDATE_PIECE 64

static int reg(struct nbread *ring, __u32 op, __u32 flags, const void *array, unsigned nr,
	       unsigned off)
{
	struct nbread_register r;

	memset(&r, 0, sizeof(r));
	r.op = op;
	r.flags = flags;
	r.addr = (uintptr_t)array;
	r.nr = nr;
	r.off = off;
	return ring->ops->reg(ring, &r);
}

/* For operations that return nothing but 0. */
static int done(int ret)
{
	return ret < 0 ? ret : 0;
}

int nbread_register_files(struct nbread *ring, const int *files, unsigned nr)
{
	return done(reg(ring, NBREAD_REGISTER_FILES, 0, files, nr, 0));
}

int nbread_register_files_sparse(struct nbread *ring, unsigned nr)
{
	return done(reg(ring, NBREAD_REGISTER_FILES, NBREAD_REGISTER_SPARSE, NULL, nr, 0));
}

int nbread_register_files_update(struct nbread *ring, unsigned off, const int *files, unsigned nr)
{
	return reg(ring, NBREAD_REGISTER_FILES_UPDATE, 0, files, nr, off);
}

int nbread_unregister_files(struct nbread *ring)
{
	return done(reg(ring, NBREAD_UNREGISTER_FILES, 0, NULL, 0, 0));
}

static void to_buffers(struct nbread_buffer *to, const struct iovec *from, unsigned nr)
{
	while (nr--) {
		to->addr = (uintptr_t)from->iov_base;
		to->len = from->iov_len;
		to++;
		from++;
	}
}

/* malloc() that leaves errno alone. */
static struct nbread_buffer *alloc_buffers(unsigned nr)
{
	int saved = errno;
	struct nbread_buffer *buffers = calloc(nr ? nr : 1, sizeof(*buffers));

	errno = saved;
	return buffers;
}

int nbread_register_buffers(struct nbread *ring, const struct iovec *iovecs, unsigned nr)
{
	struct nbread_buffer *buffers;
	struct nbread_query q;
	int ret = ring->ops->query(ring, &q);

	if (ret < 0)
		return ret;
	/* Without a limit there is no such operation: it is older than the library. */
	if (nr > q.max_buffers)
		return q.max_buffers ? -EINVAL : -EOPNOTSUPP;
	if (nr && !iovecs)
		return -EFAULT;
	buffers = alloc_buffers(nr);
	if (!buffers)
		return -ENOMEM;
	to_buffers(buffers, iovecs, nr);
	ret = done(reg(ring, NBREAD_REGISTER_BUFFERS, 0, buffers, nr, 0));
	free(buffers);
	return ret;
}

int nbread_register_buffers_sparse(struct nbread *ring, unsigned nr)
{
	return done(reg(ring, NBREAD_REGISTER_BUFFERS, NBREAD_REGISTER_SPARSE, NULL, nr, 0));
}

int nbread_register_buffers_update(struct nbread *ring, unsigned off, const struct iovec *iovecs,
				   unsigned nr)
{
	struct nbread_buffer piece[UPDATE_PIECE];
	unsigned set = 0;

	if (nr > INT_MAX || nr > UINT_MAX - off)
		return -EINVAL;
	if (nr && !iovecs)
		return -EFAULT;
	do {
		unsigned n = nr - set < UPDATE_PIECE ? nr - set : UPDATE_PIECE;
		int ret;

		to_buffers(piece, iovecs + set, n);
		ret = reg(ring, NBREAD_REGISTER_BUFFERS_UPDATE, 0, piece, n, off + set);
		if (ret < 0)
			return set ? (int)set : ret;
		set += (unsigned)ret;
		if ((unsigned)ret < n)
			break;
	} while (set < nr);
	return (int)set;
}

int nbread_unregister_buffers(struct nbread *ring)
{
	return done(reg(ring, NBREAD_UNREGISTER_BUFFERS, 0, NULL, 0, 0));
}

int nbread_register_eventfd(struct nbread *ring, int fd)
{
	return done(reg(ring, NBREAD_REGISTER_EVENTFD, 0, &fd, 1, 0));
}

int nbread_register_eventfd_async(struct nbread *ring, int fd)
{
	return done(reg(ring, NBREAD_REGISTER_EVENTFD, NBREAD_REGISTER_EVENTFD_ASYNC, &fd, 1, 0));
}

int nbread_unregister_eventfd(struct nbread *ring)
{
	return done(reg(ring, NBREAD_UNREGISTER_EVENTFD, 0, NULL, 0, 0));
}

int nbread_register_creds(struct nbread *ring)
{
	return done(reg(ring, NBREAD_REGISTER_CREDS, 0, NULL, 0, 0));
}

int nbread_register_workers(struct nbread *ring, unsigned nr)
{
	return done(reg(ring, NBREAD_REGISTER_WORKERS, 0, NULL, nr, 0));
}
