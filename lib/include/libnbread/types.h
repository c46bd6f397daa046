/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libnbread's structs. Included by <libnbread.h>; the members are for the inline
 * functions and for backends. Their places are part of the ABI of the library.
 */
#ifndef LIBNBREAD_TYPES_H
#define LIBNBREAD_TYPES_H

#include <sched.h> /* struct timespec, in strict C99 too, where <time.h> has none */
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h> /* sigset_t, likewise */
#include <sys/types.h>
#include <sys/uio.h>
#include <linux/nbread.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum nbread_backend - what serves a ring
 * @NBREAD_BACKEND_MODULE: the kernel module, through /dev/nbread
 * @NBREAD_BACKEND_THREADS: preadv2(RWF_NOWAIT) and a bounded pool of threads
 */
enum nbread_backend {
	NBREAD_BACKEND_MODULE = 1,
	NBREAD_BACKEND_THREADS = 2,
};

/**
 * struct nbread_sq - the submission side; use the functions, not the members
 * @khead:	shared: entries below it were taken
 * @ktail:	shared: entries below it were published
 * @kflags:	shared
 * @sqes:	shared: the entries
 * @ring_mask:	entries - 1
 * @ring_entries: a power of two
 * @sqe_tail:	entries below it were handed out by nbread_get_sqe()
 * @resv0:	0
 * @resv:	0
 */
struct nbread_sq {
	__u32 *khead;
	__u32 *ktail;
	__u32 *kflags;
	struct nbread_sqe *sqes;
	__u32 ring_mask;
	__u32 ring_entries;
	__u32 sqe_tail;
	__u32 resv0;
	__u64 resv[2];
};

/**
 * struct nbread_cq - the completion side; use the functions, not the members
 * @khead:	shared: entries below it were reaped
 * @ktail:	shared: entries below it were posted
 * @kflags:	shared
 * @cqes:	shared: the entries
 * @ring_mask:	entries - 1
 * @ring_entries: a power of two
 * @resv:	0
 */
struct nbread_cq {
	__u32 *khead;
	__u32 *ktail;
	__u32 *kflags;
	struct nbread_cqe *cqes;
	__u32 ring_mask;
	__u32 ring_entries;
	__u64 resv[2];
};

struct nbread_backend_ops;

/**
 * struct nbread - a ring
 * @sq:		submission side
 * @cq:		completion side
 * @ops:	backend
 * @priv:	of the backend
 * @ring_ptr:	the rings' memory
 * @ring_size:	its size in bytes
 * @ring_fd:	see nbread_ring_fd()
 * @setup_flags: NBREAD_SETUP_*
 * @max_try:	entries that the backend takes in one batch of tries
 * @max_len:	bytes that it takes in one read
 * @locks:	of nbread_submit_sqes() and nbread_reap_cqes(); an address
 * @resv:	0
 *
 * The caller owns the memory and may place it anywhere; it must not move
 * between nbread_queue_init() and nbread_queue_exit().
 */
struct nbread {
	struct nbread_sq sq;
	struct nbread_cq cq;
	const struct nbread_backend_ops *ops;
	void *priv;
	void *ring_ptr;
	size_t ring_size;
	int ring_fd;
	__u32 setup_flags;
	__u32 max_try;
	__u32 max_len;
	__u64 locks;
	__u64 resv[7];
};

#ifdef __cplusplus
}
#endif

#endif /* LIBNBREAD_TYPES_H */
