// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a cached read costs: instructions a read, by engine and size, and whether nbread's
 * paths keep their budgets (lib/budget.h).
 *
 *	tests/vm/run --icount -- build/tests/cost [DIR]
 *
 * The engines and the way in which they are measured are those of bench/: one file, all of
 * it in the page cache; random aligned offsets, the same for all engines; the bytes
 * compared in a pass before. Under -icount shift=0 CLOCK_MONOTONIC goes on by 1 ns with
 * each instruction, user space and kernel alike; without that nothing is judged. The
 * miss has its budget in cold.c.
 */
/* LIBS: -luring -laio -lm */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "budget.h"

#define SIZES 3
/* What 4 KiB by the ring may cost on any kernel. */
#define MOST_OF_PREAD 85 /* hundredths of pread(2)'s of the same run */

static const struct engine *const measured[] = { &engine_pread,	   &engine_preadv2_nowait,
						 &engine_io_uring, &engine_io_uring_fixed,
						 &engine_nbread,   &engine_nbread_try };
enum { PREAD, PREADV2, IO_URING, IO_URING_FIXED, NBREAD, TRY, ENGINES };

/* By size at depth 32; and 4 KiB, one at a time. */
static struct figures batch[SIZES][ENGINES], alone[ENGINES];

static void take(const char *where, uint32_t len, unsigned int depth, struct figures *f)
{
	struct cell c = { .workload = "cached_random",
			  .where = where,
			  .len = len,
			  .depth = depth,
			  .nr_files = 1,
			  .threads = 1,
			  .runs = 5,
			  .ops = len > 4096 ? 512 : 2048,
			  .engines = measured,
			  .nr_engines = ENGINES };
	struct figures *shared = shared_memory(ENGINES * sizeof(*f));

	measure(&c, shared);
	memcpy(f, shared, ENGINES * sizeof(*f));
}

static void print(unsigned int e)
{
	unsigned int s;

	printf("# %-16s", measured[e]->name);
	for (s = 0; s < SIZES; s++)
		printf(" %10.0f", figure_median(&batch[s][e], NS_PER_OP));
	printf(" %10.0f%s%s\n", figure_median(&alone[e], NS_PER_OP), alone[e].why ? "  " : "",
	       alone[e].why ? alone[e].why : "");
}

static const struct {
	const char *name;
	const struct figures *figures;
	unsigned int budget;
} tests[] = {
	{ "a_cached_read_of_512_bytes_keeps_its_budget", &batch[0][NBREAD], 600 },
	{ "a_cached_4k_read_keeps_its_budget", &batch[1][NBREAD], 1040 },
	{ "a_cached_read_of_64_kib_keeps_its_budget", &batch[2][NBREAD], 12200 },
	{ "a_cached_read_by_try_keeps_its_budget", &batch[1][TRY], 985 },
	{ "a_cached_read_that_is_alone_keeps_its_budget", &alone[NBREAD], 3190 },
	{ "a_try_of_one_keeps_its_budget", &alone[TRY], 2590 },
};

/* Return: 1 if it failed. */
static int judge(const char *name, unsigned int budget, const struct figures *f)
{
	double inline_share = figure_median(f, INLINE_SHARE);

	if (f->why)
		return budget_broken(name, f->why);
	/* TRY has no flags that would be counted; it is judged by its results. */
	if (f->n[INLINE_SHARE] && inline_share < 1)
		return budget_broken(name, "a read of what is cached was no hit");
	return budget_judge(name, budget, figure_median(f, NS_PER_OP));
}

static int below_pread(void)
{
	double nbread = figure_median(&batch[1][NBREAD], NS_PER_OP);
	double pread = figure_median(&batch[1][PREAD], NS_PER_OP);
	bool exact = clock_counts_instructions();
	bool below = nbread && nbread * 100 < pread * MOST_OF_PREAD;

	printf("%s a_cached_4k_read_costs_less_than_pread%s\n", below || !exact ? "ok" : "not ok",
	       exact ? "" : " # SKIP the clock does not count instructions");
	return exact && !below;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[SIZES] = { 512, 4096, 65536 };
	const char *dir = argc > 1 ? argv[1] : getenv("NBREAD_MNT");
	unsigned int e, s;
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!dir || !*dir) {
		fprintf(stderr, "cost: name a folder on the file system to read from\n");
		return 2;
	}
	printf("1..7\n");
	for (s = 0; s < SIZES; s++)
		take(dir, sizes[s], 32, batch[s]);
	take(dir, 4096, 1, alone);
	printf("# %s a cached read, median of 5 runs\n",
	       clock_counts_instructions() ? "instructions" : "ns (not under --icount)");
	printf("# %-16s %10s %10s %10s %10s\n", "depth 32 unless said", "512 B", "4 KiB", "64 KiB",
	       "4K depth 1");
	for (e = 0; e < ENGINES; e++)
		print(e);
	for (e = 0; e < sizeof(tests) / sizeof(tests[0]); e++)
		failed += judge(tests[e].name, tests[e].budget, tests[e].figures);
	failed += below_pread();
	return failed != 0;
}
