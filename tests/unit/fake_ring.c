// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings over the fake device; contract in fake.h.
 */
#include <check.h>
#include "fake.h"

void fake_ring(struct nbread *ring, unsigned entries)
{
	ck_assert_int_eq(nbread_queue_init(entries, ring, 0), 0);
}

void fake_thread_ring(struct nbread *ring, unsigned entries)
{
	fake.query.setup_flags |= NBREAD_SETUP_SQTHREAD;
	ck_assert_int_eq(nbread_queue_init(entries, ring, NBREAD_SETUP_SQTHREAD), 0);
	fake_thread_sleep();
}

void fake_queue_nops(struct nbread *ring, unsigned n, __u64 first)
{
	while (n--) {
		struct nbread_sqe *sqe = nbread_get_sqe(ring);

		ck_assert_ptr_nonnull(sqe);
		nbread_prep_nop(sqe);
		nbread_sqe_set_data64(sqe, first++);
	}
}
