/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The portable backend at the mercy of a test: its threads stand where the test wants them
 * to, the clock moves when it says so, and threads and memory run out on demand. What the
 * system calls answer is in fake.h.
 *
 * Nothing here sleeps for a time: each wait ends by what it waits for, or the test times out.
 */
#ifndef NB_FAKE_THREADS_H
#define NB_FAKE_THREADS_H

#include "fake.h"

/* Where a thread of the backend can be held. */
enum fake_gate {
	FAKE_READ, /* in a blocking read of a file, whose bytes it has already */
	FAKE_COPY, /* before it copies to the program's memory */
	FAKE_FORGET, /* before it gives the memory of its place back */
	FAKE_CLOSE, /* before it, or any other, closes a descriptor */
	FAKE_NR_GATES
};

/** fake_hold - who comes there stays there */
void fake_hold(enum fake_gate gate);

/** fake_let_go - and goes on, as will all that come */
void fake_let_go(enum fake_gate gate);

/** fake_let_some_go - only the @nr that came first go on */
void fake_let_some_go(enum fake_gate gate, unsigned nr);

/** fake_held - how many are there */
unsigned fake_held(enum fake_gate gate);

/** fake_wait_held - until @nr are there, or more */
void fake_wait_held(enum fake_gate gate, unsigned nr);

/* For the fake's own system calls. */
void fake_pass_gate(enum fake_gate gate);

/*
 * Threads of the backend: fake_libc.c stands between it and the C library. Those that a
 * test makes itself, without attributes, do not count.
 */

/** fake_threads_made - since the test began, the failed ones left out */
unsigned fake_threads_made(void);

/** fake_threads_tried - and with them */
unsigned fake_threads_tried(void);

/** fake_wait_threads - until so many are left, no more and no fewer */
void fake_wait_threads(unsigned nr);

/** fake_wait_asleep - until so many wait for work, or for a deadline */
void fake_wait_asleep(unsigned nr);

/** fake_wait_blocked - until so many wait for others, with no end */
void fake_wait_blocked(unsigned nr);

/** fake_advance - the clock of fake.now_ns moves; who slept till then, or before, wakes up */
void fake_advance(__u64 ns);

/** fake_fail_alloc - the @nth allocation of this thread from now on fails */
void fake_fail_alloc(unsigned nth);

/** fake_alloc_failed - whether it came to that; after this none fails */
bool fake_alloc_failed(void);

/** fake_signal_mask - which signals this thread blocks: bit n - 1 is signal n */
__u64 fake_signal_mask(void);

#endif /* NB_FAKE_THREADS_H */
