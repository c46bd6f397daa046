/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who answers the reads: the library, or pread(2) and preadv2(RWF_NOWAIT) on the
 * caller's own thread (delayed and in random order, so that the checker is
 * tried with wide windows too).
 */
#ifndef STRESS_ENGINE_H
#define STRESS_ENGINE_H

#include "model.h"

typedef void engine_done(uint64_t user_data, int res, unsigned int flags);

/* Calls return 0 or more, or -errno. */
struct engine {
	const char *name;
	bool flags; /* says HIT, WAITED, PUNTED */
	int (*init)(unsigned int depth, uint64_t seed);
	int (*queue)(const struct answer *a, int fd, uint64_t user_data);
	int (*submit)(void);
	/* Waits for one completion at least, if @wait; -ETIME after a minute. */
	int (*reap)(bool wait, engine_done *done);
	int (*try_batch)(struct answer *const *a, const int *fd, unsigned int n);
	/* 1 where cached reads may always be refused, 0 where not. */
	int (*served)(int fd, char *text, size_t size);
	void (*exit)(void);
};

const struct engine *engine_find(const char *name);

/* The engines with a fault of their own, ended by NULL. */
extern const char *const engine_faulty[];

#endif /* STRESS_ENGINE_H */
