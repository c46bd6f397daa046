/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The threads that change files and drop caches while others read. Each file
 * has one mutator; mutators go on as reads complete (mutate_tick()), so that
 * the mix does not depend on the machine's speed.
 */
#ifndef STRESS_MUTATE_H
#define STRESS_MUTATE_H

#include "model.h"

enum mutation {
	MUT_WRITE,
	MUT_APPEND,
	MUT_EXTEND,
	MUT_TRUNCATE,
	MUT_PUNCH,
	MUT_CLONE,
	MUT_DROP,
	MUTATIONS
};

extern const char *const mutation_name[MUTATIONS];

struct rng {
	uint64_t state;
};

static inline uint64_t rnd(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline uint64_t rnd_below(struct rng *r, uint64_t n)
{
	return n ? rnd(r) % n : 0;
}

/* 0 to @bits bits, each number of bits as likely as the others. */
static inline uint64_t rnd_log(struct rng *r, unsigned int bits)
{
	return rnd(r) & ((1ull << rnd_below(r, bits + 1)) - 1);
}

/* What one mutator does to a file; exits the program when a system call fails. */
void mutate_once(struct model *m, struct rng *r, uint64_t counts[MUTATIONS], void *buf);

/* @drop_all: also /proc/sys/vm/drop_caches, which hurts the whole machine. */
int mutate_start(struct model *models, unsigned int n, uint64_t seed, bool drop_all);
void mutate_tick(void);
void mutate_stop(uint64_t counts[MUTATIONS]);

#endif /* STRESS_MUTATE_H */
