/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The behaviour suite: what a program sees through <libnbread.h>, by the same tests on
 * either backend.
 *
 *   nbread-behave [--backend module|threads] [--differences] [--list] [--part I/N]
 *
 * Each suite is a promise. A test is the same for both backends, unless it carries a
 * struct behave_differs: what each of them does, and by design. --differences prints
 * docs/backends.md out of those, and runs nothing. What a backend does not report by
 * QUERY is skipped.
 */
#ifndef NBREAD_TESTS_BEHAVE_H
#define NBREAD_TESTS_BEHAVE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>
#include <libnbread.h>
#include "nbtest.h"

#define PG ((size_t)4096)
#define KB(n) ((size_t)(n) << 10)
#define MB(n) ((size_t)(n) << 20)
#define MS UINT64_C(1000000)

/* What a buffer holds before a read. */
#define POISON 0xa5

/**
 * struct behave_differs - a difference by design
 * @what:	of a program's point of view
 * @module:	what the module does, as docs/backends.md says it, and
 * @threads:	what the portable backend does
 * @module_value: what the test asserts with the module, where it is a number, and
 * @threads_value: with the portable backend
 */
struct behave_differs {
	const char *what;
	const char *module;
	const char *threads;
	int module_value;
	int threads_value;
};

/** behave_promise - a suite: what its tests hold, as docs/backends.md says it */
Suite *behave_promise(const char *name, const char *text);

/** behave_add - a test that is the same on both */
#define behave_add(suite, fn)                        \
	do {                                         \
		behave_note(suite, #fn, NULL, NULL); \
		nbtest_add(suite, fn);               \
	} while (0)

/** behave_add_table - a test a row, as nbtest_add_table(); each has a member 'name' */
#define behave_add_table(suite, fn, table)                                     \
	do {                                                                   \
		for (size_t bh_i = 0; bh_i < NBTEST_ARRAY_SIZE(table); bh_i++) \
			behave_note(suite, (table)[bh_i].name, NULL, NULL);    \
		nbtest_add_table(suite, fn, table);                            \
	} while (0)

/** behave_add_differs - a test that is not */
#define behave_add_differs(suite, fn, d)          \
	do {                                      \
		behave_note(suite, #fn, d, NULL); \
		nbtest_add(suite, fn);            \
	} while (0)

/** behave_untested - a difference that no test can show, and why */
#define behave_untested(suite, d, why) behave_note(suite, NULL, d, why)

void behave_note(Suite *suite, const char *test, const struct behave_differs *d, const char *why);

/** behave_value - what this backend is to do */
int behave_value(const struct behave_differs *d);

/** behave_threads - the portable backend serves */
bool behave_threads(void);

/** behave_ring - a ring of the backend that is to be tested */
void behave_ring(struct nbread *ring, unsigned entries);

/** behave_ring_params - the same; whatever cannot be set up here fails the test */
void behave_ring_params(struct nbread *ring, unsigned entries, struct nbread_setup *p);

/** behave_query - what it reports */
const struct nbread_query *behave_query(void);

/* These end the test as skipped, where the backend does not report it. */
void behave_need_opcode(unsigned op);
void behave_need_register(unsigned op);
void behave_need_sqe(unsigned flag);
void behave_need_cancel(unsigned flag);
/* Has no place in QUERY: a read with a deadline is tried. */
void behave_need_deadlines(void);

/** behave_buf - @len bytes of POISON, aligned to a page */
void *behave_buf(size_t len);

/** behave_untouched - they are still so */
void behave_untouched(const void *buf, size_t len);

/** behave_warm_file - a resident file with the bytes of @id, generation 1 */
int behave_warm_file(size_t size, unsigned id);

/** behave_cold_file - and one of which nothing is resident */
int behave_cold_file(size_t size, unsigned id);

/** behave_prep - fills the next submission entry */
struct nbread_sqe *behave_prep(struct nbread *ring, int fd, void *buf, size_t len, uint64_t off,
			       unsigned flags, uint64_t user_data);

/** behave_submit - hands over what is prepared: so many */
void behave_submit(struct nbread *ring, int taken);

/** behave_next - the next completion, reaped; it has to come */
struct nbread_cqe behave_next(struct nbread *ring);

/** behave_none - there is no completion, and a call does not make one */
void behave_none(struct nbread *ring);

/** behave_read - one read, from submission to completion */
struct nbread_cqe behave_read(struct nbread *ring, int fd, void *buf, size_t len, uint64_t off,
			      unsigned flags);

/** behave_readable - what poll(2) says of the ring's descriptor */
bool behave_readable(const struct nbread *ring);

/*
 * A file whose reads a worker has to do, and which take as long as the test wants: a
 * FUSE server in the test's own process. Skips the test where nothing can be mounted.
 */
int behave_slow_file(size_t size, unsigned id);
void behave_hold(void);
void behave_let_go(void);
/* So many reads have come to the server. */
void behave_held(unsigned nr);

/* A ring of one worker, which hangs in a read of the slow file: user_data 1, into @buf. */
int behave_busy_ring(struct nbread *ring, void *buf);

#define behave_check(buf, len, off, id) nbtest_check_bytes(buf, len, off, id, 1)

#endif /* NBREAD_TESTS_BEHAVE_H */
