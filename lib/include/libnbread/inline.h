/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libnbread's fast path: what only moves words in the shared rings is inline.
 * Included by <libnbread.h>; see there for errors and threads.
 *
 * Programs get 'static inline' functions. The library compiles this file once
 * more with an empty NBREAD_INLINE (lib/ffi.c), so that bindings of other
 * languages find each of them as a symbol.
 */
#ifndef LIBNBREAD_INLINE_H
#define LIBNBREAD_INLINE_H

#include <errno.h>
#include <string.h>
#include <libnbread.h>
#include <libnbread/barrier.h>

#ifndef NBREAD_INLINE
#define NBREAD_INLINE static inline
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** nbread_timespec_ns() - nanoseconds; -1 (no end) for NULL, -EINVAL for what is no time */
NBREAD_INLINE __s64 nbread_timespec_ns(const struct timespec *ts)
{
	__s64 sec;

	if (!ts)
		return -1;
	sec = ts->tv_sec;
	if (sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec > 999999999)
		return -EINVAL;
	/* 292 years will do for those that no __s64 can hold. */
	if (sec >= INT64_MAX / 1000000000)
		return INT64_MAX;
	return sec * 1000000000 + ts->tv_nsec;
}

/*
 * Submission side
 */

/** nbread_sq_ready() - entries handed out and not yet taken by the backend */
NBREAD_INLINE unsigned nbread_sq_ready(const struct nbread *ring)
{
	return ring->sq.sqe_tail - nbread_load_acquire(ring->sq.khead);
}

/** nbread_sq_space_left() - how often nbread_get_sqe() would succeed now */
NBREAD_INLINE unsigned nbread_sq_space_left(const struct nbread *ring)
{
	return ring->sq.ring_entries - nbread_sq_ready(ring);
}

/**
 * nbread_get_sqe() - the next free submission entry
 *
 * It is a NOP with user_data 0 until it is prepared, and part of the next
 * nbread_submit() in any case.
 *
 * Return: the entry, or NULL when the queue is full: submit first.
 */
NBREAD_INLINE struct nbread_sqe *nbread_get_sqe(struct nbread *ring)
{
	struct nbread_sqe *sqe;

	/* The acquire in sq_ready(): the kernel has copied what we overwrite. */
	if (nbread_sq_ready(ring) >= ring->sq.ring_entries)
		return NULL;
	sqe = &ring->sq.sqes[ring->sq.sqe_tail & ring->sq.ring_mask];
	ring->sq.sqe_tail++;
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

/** nbread_prep_rw() - what the prep functions share: sets all but user_data */
NBREAD_INLINE void nbread_prep_rw(struct nbread_sqe *sqe, int op, int fd, const void *addr,
				  unsigned len, __u64 offset)
{
	sqe->opcode = (__u8)op;
	sqe->resv0 = 0;
	sqe->flags = 0;
	sqe->fd = fd;
	sqe->off = offset;
	sqe->addr = (uintptr_t)addr;
	sqe->len = len;
	sqe->buf_index = 0;
	sqe->resv1 = 0;
	sqe->deadline_ns = 0;
	sqe->resv2[0] = 0;
	sqe->resv2[1] = 0;
}

/** nbread_prep_nop() - complete with 0 */
NBREAD_INLINE void nbread_prep_nop(struct nbread_sqe *sqe)
{
	nbread_prep_rw(sqe, NBREAD_OP_NOP, 0, NULL, 0, 0);
}

/**
 * nbread_prep_read() - pread(2)
 * @nbytes:	at most nbread_query.max_len
 * @offset:	in bytes; there is no "current position" (-1 is an error)
 *
 * The buffer belongs to the read until its completion.
 */
NBREAD_INLINE void nbread_prep_read(struct nbread_sqe *sqe, int fd, void *buf, unsigned nbytes,
				    __u64 offset)
{
	nbread_prep_rw(sqe, NBREAD_OP_READ, fd, buf, nbytes, offset);
}

/**
 * nbread_prep_readv() - preadv(2)
 *
 * The buffers belong to the read until its completion; the array of vectors
 * only until the entry was taken: until nbread_submit() returned, or with
 * NBREAD_SETUP_SQTHREAD until nbread_sq_ready() no longer counts it.
 */
NBREAD_INLINE void nbread_prep_readv(struct nbread_sqe *sqe, int fd, const struct iovec *iovecs,
				     unsigned nr_vecs, __u64 offset)
{
	nbread_prep_rw(sqe, NBREAD_OP_READV, fd, iovecs, nr_vecs, offset);
}

/**
 * nbread_prep_read_fixed() - pread(2) into a registered buffer
 * @buf:	within the buffer
 * @buf_index:	which one, see nbread_register_buffers()
 */
NBREAD_INLINE void nbread_prep_read_fixed(struct nbread_sqe *sqe, int fd, void *buf,
					  unsigned nbytes, __u64 offset, int buf_index)
{
	nbread_prep_rw(sqe, NBREAD_OP_READ_FIXED, fd, buf, nbytes, offset);
	sqe->buf_index = (__u16)buf_index;
}

/** nbread_sqe_set_flags() - NBREAD_SQE_*; after the prep function, which clears them */
NBREAD_INLINE void nbread_sqe_set_flags(struct nbread_sqe *sqe, unsigned flags)
{
	sqe->flags = (__u16)flags;
}

/**
 * nbread_sqe_set_deadline() - end the read with -ETIME if it still waits then
 * @deadline_ns: point of CLOCK_MONOTONIC in nanoseconds; 0: what the ring has
 *		(nbread_setup.timeout_ns), if anything
 *
 * After the prep function, which sets 0. The read ends at that point exactly like one
 * that was cancelled: its buffer is not touched any more. What is answered in the
 * call, and what a worker has begun, is not ended. If it has passed already a miss is not
 * begun.
 */
NBREAD_INLINE void nbread_sqe_set_deadline(struct nbread_sqe *sqe, __u64 deadline_ns)
{
	sqe->deadline_ns = deadline_ns;
}

/** nbread_sqe_set_timeout() - nbread_sqe_set_timeout_ns() with a timespec; NULL: without end */
NBREAD_INLINE int nbread_sqe_set_timeout(struct nbread_sqe *sqe, const struct timespec *ts)
{
	return nbread_sqe_set_timeout_ns(sqe, nbread_timespec_ns(ts));
}

/** nbread_sqe_set_data64() - a number that comes back in the CQE */
NBREAD_INLINE void nbread_sqe_set_data64(struct nbread_sqe *sqe, __u64 data)
{
	sqe->user_data = data;
}

/** nbread_sqe_set_data() - a pointer that comes back in the CQE */
NBREAD_INLINE void nbread_sqe_set_data(struct nbread_sqe *sqe, void *data)
{
	sqe->user_data = (uintptr_t)data;
}

/*
 * Completion side
 */

/** nbread_cqe_get_data64() - what nbread_sqe_set_data64() put in */
NBREAD_INLINE __u64 nbread_cqe_get_data64(const struct nbread_cqe *cqe)
{
	return cqe->user_data;
}

/** nbread_cqe_get_data() - what nbread_sqe_set_data() put in */
NBREAD_INLINE void *nbread_cqe_get_data(const struct nbread_cqe *cqe)
{
	return (void *)(uintptr_t)cqe->user_data;
}

/** nbread_cq_ready() - completions that are there and not yet reaped */
NBREAD_INLINE unsigned nbread_cq_ready(const struct nbread *ring)
{
	return nbread_load_acquire(ring->cq.ktail) - nbread_load_relaxed(ring->cq.khead);
}

/**
 * nbread_cq_advance() - reap the oldest completions
 * @nr:		how many; their CQEs may be overwritten from now on
 *
 * With NBREAD_SETUP_SQTHREAD it also wakes the kernel's thread, if that went to sleep
 * because the completion queue had no room.
 */
NBREAD_INLINE void nbread_cq_advance(struct nbread *ring, unsigned nr)
{
	if (!nr)
		return;
	nbread_store_release(ring->cq.khead, nbread_load_relaxed(ring->cq.khead) + nr);
	/* Its error, if any, shows up again in the caller's next submit or wait. */
	if (ring->setup_flags & NBREAD_SETUP_SQTHREAD)
		nbread_get_events(ring);
}

/** nbread_cqe_seen() - reap one completion, the oldest; NULL does nothing */
NBREAD_INLINE void nbread_cqe_seen(struct nbread *ring, struct nbread_cqe *cqe)
{
	if (cqe)
		nbread_cq_advance(ring, 1);
}

/**
 * nbread_for_each_cqe() - go over the completions that are there, oldest first
 * @ring:	struct nbread *
 * @head:	unsigned, used by the loop
 * @cqe:	struct nbread_cqe *
 *
 * Reaps nothing: count, and call nbread_cq_advance() after the loop.
 */
#define nbread_for_each_cqe(ring, head, cqe)                                \
	for (head = nbread_load_relaxed((ring)->cq.khead);                  \
	     (cqe = head != nbread_load_acquire((ring)->cq.ktail) ?         \
			    &(ring)->cq.cqes[head & (ring)->cq.ring_mask] : \
			    NULL);                                          \
	     head++)

/** nbread_submit_and_wait_timeout() - nbread_submit_and_wait_ns() with a timespec */
NBREAD_INLINE int nbread_submit_and_wait_timeout(struct nbread *ring, struct nbread_cqe **cqe_ptr,
						 unsigned wait_nr, const struct timespec *ts,
						 const sigset_t *sigmask)
{
	return nbread_submit_and_wait_ns(ring, cqe_ptr, wait_nr, nbread_timespec_ns(ts), sigmask);
}

/** nbread_wait_cqes() - nbread_wait_cqes_ns() with a timespec */
NBREAD_INLINE int nbread_wait_cqes(struct nbread *ring, struct nbread_cqe **cqe_ptr,
				   unsigned wait_nr, const struct timespec *ts,
				   const sigset_t *sigmask)
{
	return nbread_wait_cqes_ns(ring, cqe_ptr, wait_nr, nbread_timespec_ns(ts), sigmask);
}

/** nbread_wait_cqe_timeout() - nbread_wait_cqes() for one, with a time-out */
NBREAD_INLINE int nbread_wait_cqe_timeout(struct nbread *ring, struct nbread_cqe **cqe_ptr,
					  const struct timespec *ts)
{
	return nbread_wait_cqes(ring, cqe_ptr, 1, ts, NULL);
}

/** nbread_reap_cqes() - nbread_reap_cqes_ns() with a timespec */
NBREAD_INLINE int nbread_reap_cqes(struct nbread *ring, struct nbread_cqe *out, unsigned n,
				   unsigned wait_nr, const struct timespec *ts,
				   const sigset_t *sigmask)
{
	return nbread_reap_cqes_ns(ring, out, n, wait_nr, nbread_timespec_ns(ts), sigmask);
}

/** nbread_queue_drain() - nbread_queue_drain_ns() with a timespec */
NBREAD_INLINE int nbread_queue_drain(struct nbread *ring, const struct timespec *ts)
{
	return nbread_queue_drain_ns(ring, nbread_timespec_ns(ts));
}

/** nbread_queue_exit_drain() - nbread_queue_exit_drain_ns() with a timespec */
NBREAD_INLINE int nbread_queue_exit_drain(struct nbread *ring, const struct timespec *ts)
{
	return nbread_queue_exit_drain_ns(ring, nbread_timespec_ns(ts));
}

/**
 * nbread_wait_cqe() - wait for a completion
 * @cqe_ptr:	the oldest; it stays in the ring until nbread_cqe_seen()
 *
 * Waits for ever if nothing was submitted.
 *
 * Return: 0, -EINTR, or another -errno.
 */
NBREAD_INLINE int nbread_wait_cqe(struct nbread *ring, struct nbread_cqe **cqe_ptr)
{
	if (!nbread_cq_ready(ring))
		return nbread_wait_cqes_ns(ring, cqe_ptr, 1, -1, NULL);
	*cqe_ptr = &ring->cq.cqes[nbread_load_relaxed(ring->cq.khead) & ring->cq.ring_mask];
	return 0;
}

/**
 * nbread_peek_cqe() - the oldest completion, if there is one
 * @cqe_ptr:	it, or NULL
 *
 * When there is none but reads are in flight, those whose data came in are
 * finished first; this costs a system call, but never waits.
 *
 * Return: 0, -EAGAIN (none yet), or another -errno.
 */
NBREAD_INLINE int nbread_peek_cqe(struct nbread *ring, struct nbread_cqe **cqe_ptr)
{
	if (!nbread_cq_ready(ring))
		return nbread_wait_cqes_ns(ring, cqe_ptr, 0, -1, NULL);
	*cqe_ptr = &ring->cq.cqes[nbread_load_relaxed(ring->cq.khead) & ring->cq.ring_mask];
	return 0;
}

/*
 * The rest
 */

/**
 * nbread_ring_fd() - the descriptor for poll(2) and epoll(7)
 *
 * Readable when there is a completion, or when a call would make progress; then
 * call nbread_peek_cqe(), nbread_peek_batch_cqe() or nbread_get_events().
 */
NBREAD_INLINE int nbread_ring_fd(const struct nbread *ring)
{
	return ring->ring_fd;
}

/**
 * nbread_try() - read what is cached, without the queues
 * @len:	a request above nbread_query.max_len is cut down to it, as pread(2) does
 * @sqe_flags:	NBREAD_SQE_NOIO (a miss starts no I/O), NBREAD_SQE_FIXED_FILE
 *
 * Never waits for I/O. Inline, so that it has the caller's off_t.
 *
 * Return: the leading resident bytes (at least one), 0 at end of file, -EAGAIN
 * when the first byte is not cached, or another -errno.
 */
NBREAD_INLINE ssize_t nbread_try(struct nbread *ring, int fd, void *buf, size_t len, off_t off,
				 unsigned sqe_flags)
{
	struct nbread_try req;
	int ret;

	memset(&req, 0, sizeof(req));
	req.fd = fd;
	req.flags = sqe_flags;
	req.addr = (uintptr_t)buf;
	req.off = (__u64)off;
	req.len = len < ring->max_len ? (__u32)len : ring->max_len;
	ret = nbread_try_many(ring, &req, 1);
	return ret < 0 ? ret : req.res;
}

#ifdef __cplusplus
}
#endif

#endif /* LIBNBREAD_INLINE_H */
