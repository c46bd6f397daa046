/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Ordering between the program and the kernel on the shared rings.
 *
 * Each index has one writer. The four pairs (kernel side: module/ring.c), and a
 * fifth for rings with a thread (kernel side: module/sqthread.c):
 *
 *   index    program                               kernel
 *   SQ tail  release in nbread_submit*(), after    acquire in nb_ring_sq_ready(),
 *            the SQEs                              before it copies them
 *   SQ head  acquire in nbread_sq_ready(), before  release in nb_ring_take(), after
 *            get_sqe hands a slot out again        it copied the SQEs
 *   CQ tail  acquire in nbread_cq_ready() and      release in nb_ring_publish(),
 *            for_each_cqe, before it reads CQEs    after the CQEs
 *   CQ head  release in nbread_cq_advance(),       acquire in nb_ring_cq_ready(),
 *            after it read the CQEs                before it fills slots again
 *   SQ flags full barrier in wakeup() (lib/        full barrier in go_to_sleep(), between
 *            queue.c), between the store of SQ     setting NEED_WAKEUP and the last look
 *            tail or CQ head and the look at them  at SQ tail and CQ head
 *
 * The last is a pair of the store-and-look kind: each side stores its word and
 * then looks at the other's. With both barriers at least one of the two sees what
 * the other stored, so no entry waits for a thread that sleeps. Release and acquire
 * would not do: they let the look overtake the store.
 *
 * The indices run from 0 to 2^32 - 1 and wrap; only differences and
 * 'index & mask' mean anything. The builtins are those of gcc and clang, in
 * every dialect of C and C++; C11's <stdatomic.h> would not do for C++.
 */
#ifndef LIBNBREAD_BARRIER_H
#define LIBNBREAD_BARRIER_H

#include <linux/types.h>

/** nbread_load_acquire() - read *p; what follows is not done before it */
static inline __u32 nbread_load_acquire(const __u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/** nbread_store_release() - write *p; what went before is done by then */
static inline void nbread_store_release(__u32 *p, __u32 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/** nbread_load_relaxed() - read *p once; for an index that only the program writes */
static inline __u32 nbread_load_relaxed(const __u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/** nbread_full_barrier() - what went before is done, and seen, before what follows */
static inline void nbread_full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif /* LIBNBREAD_BARRIER_H */
