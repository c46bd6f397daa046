/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the portable backend (check_threads_*.c) share: a ring of it, a file,
 * a buffer, reads that go to its threads, and an end that leaves nothing behind.
 */
#ifndef NB_THR_H
#define NB_THR_H

#include <errno.h>
#include "nbtest.h"
#include "fake_threads.h"

#define PG ((size_t)4096)
#define KB(n) ((size_t)(n) << 10)
#define SEC UINT64_C(1000000000)

/* Reads up to this size are one; a larger one is done in pieces of it. */
#define THR_CHUNK KB(256)
/* How many threads a ring has when it is not said. */
#define THR_WORKERS 32

#define THR_SIZE KB(1024)
#define THR_POISON 0xa5

struct thr_file {
	int fd;
	unsigned id;
};

/* The ring; of two files the first is read unless said otherwise; where it is read to. */
extern struct nbread thr_ring;
extern struct thr_file thr_file, thr_other;
extern unsigned char thr_buf[THR_SIZE];

/** thr_start - a ring of so many threads at most (0: as many as there can be), and the files */
void thr_start(unsigned entries, unsigned max_workers);

/** thr_start_params - the same; p->sq_entries says how many */
void thr_start_params(struct nbread_setup *p);

/**
 * thr_end - give the ring up, let go of whom was held: no thread, memory or descriptor stays
 */
void thr_end(void);

/** thr_prep - the next entry: a read of thr_file at @off to the same place of thr_buf */
struct nbread_sqe *thr_prep(size_t len, size_t off, uint64_t user_data);

/** thr_async - likewise; a thread reads it, without a try before */
struct nbread_sqe *thr_async(size_t len, size_t off, uint64_t user_data);

/** thr_submit - what was prepared is taken, all of it */
void thr_submit(unsigned nr);

/** thr_next - the next completion, waited for and reaped */
struct nbread_cqe thr_next(void);

/** thr_ends - and it is this one */
void thr_ends(uint64_t user_data, int res);

/** thr_posted - and it is there already */
void thr_posted(uint64_t user_data, int res);

/** thr_none - there is none, and a call does not bring one */
void thr_none(void);

/** thr_settled - none either when @asleep threads are left, all of which have nothing to do */
void thr_settled(unsigned asleep);

/** thr_right - the bytes of thr_file are at their place in thr_buf */
void thr_right(size_t len, size_t off);

/** thr_untouched - nobody wrote there */
void thr_untouched(size_t len, size_t off);

#endif /* NB_THR_H */
