// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which bytes are read in which order: the same for all engines.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>

#include "nbtest.h"

/* xorshift64* */
static uint64_t next_random(uint64_t *x)
{
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return *x * UINT64_C(2685821657736338717);
}

/* Of a seed that may be small. */
static uint64_t random_from(uint64_t seed)
{
	uint64_t x = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);

	next_random(&x);
	return x;
}

/* By Fisher and Yates. */
void plan_order(unsigned int *order, unsigned int n, uint64_t seed)
{
	uint64_t x = random_from(seed);
	unsigned int i, k, other;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		k = (unsigned int)((next_random(&x) >> 32) % i);
		other = order[k];
		order[k] = order[i - 1];
		order[i - 1] = other;
	}
}

static void place(struct op *op, const struct files *f, unsigned int file, uint64_t block,
		  uint32_t len)
{
	*op = (struct op){ .off = block * len, .len = len, .fd = f->fd[file], .file = file };
}

void plan_random(struct op *op, unsigned int n, const struct files *f, uint32_t len, uint64_t seed)
{
	uint64_t x = random_from(seed);
	unsigned int file, i;

	for (i = 0; i < n; i++) {
		/* The upper bits are the better ones. */
		file = f->n > 1 ? (next_random(&x) >> 32) % f->n : 0;
		place(&op[i], f, file, (next_random(&x) >> 16) % (f->size / len), len);
	}
}

void plan_once(struct op *op, unsigned int n, const struct files *f, uint32_t len,
	       unsigned int turn)
{
	unsigned int blocks = (unsigned int)(f->size / len);
	unsigned int *order = calloc(blocks, sizeof(*order));
	uint64_t at = (uint64_t)turn * n;
	unsigned int i;

	if (!order)
		nbtest_fatal("bench: no memory");
	plan_order(order, blocks, blocks);
	for (i = 0; i < n; i++)
		place(&op[i], f, 0, order[(at + i) % blocks], len);
	free(order);
}

void plan_sequence(struct op *op, unsigned int n, const struct files *f, uint32_t len)
{
	uint64_t blocks = f->size / len;
	unsigned int i;

	for (i = 0; i < n; i++)
		place(&op[i], f, 0, i % blocks, len);
}

/* The first rank whose running sum is not below @u. */
static unsigned int rank_of(const double *sum, unsigned int n, double u)
{
	unsigned int low = 0;
	unsigned int high = n - 1;
	unsigned int middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (sum[middle] < u)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void plan_zipf(struct op *op, unsigned int n, const struct files *f, uint32_t len, uint64_t seed,
	       double theta, double share)
{
	unsigned int blocks = (unsigned int)(f->size / len);
	double *sum = calloc(blocks, sizeof(*sum));
	uint64_t x = random_from(seed);
	double all = 0;
	unsigned int i, rank;

	if (!sum)
		nbtest_fatal("bench: no memory");
	for (i = 0; i < blocks; i++) {
		all += pow(i + 1, -theta);
		sum[i] = all;
	}
	for (i = 0; i < n; i++) {
		rank = rank_of(sum, blocks, (double)(next_random(&x) >> 11) * 0x1p-53 * all);
		/* The wanted blocks lie all over the file. */
		place(&op[i], f, 0, (uint64_t)rank * 2654435761u % blocks, len);
		op[i].hot = sum[rank] <= share * all;
	}
	free(sum);
}
