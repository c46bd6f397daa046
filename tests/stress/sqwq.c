// SPDX-License-Identifier: GPL-2.0-only
/*
 * sqwq.c - what an SQWQ ring makes of a file system whose files cannot wait by callback.
 *
 *   sqwq [--times] KIND [CACHED]    CACHED: how many cached reads, 100000 if it is not given
 *
 * KIND is one of tests/vm/kind, made on a null_blk that takes 10 ms a read. Reads cold
 * pages at random, 4 KiB each, one at a time and 32 at a time; then CACHED resident ones.
 * Prints the throughputs, how long the calls that submitted took, and two TAP lines: one in a
 * thousand of those calls slept at most (with PREEMPT_RT one in fifty, since a task sleeps
 * there for a spin lock too), no cached read needs a worker. Times are no criterion, since an
 * emulated CPU on a busy machine has no say in them. --times is for 'tests/vm/run --icount',
 * where time is instructions, and adds two lines: depth 32 reads at least eight times as much
 * as depth 1, and 99.9 in a hundred of those calls end within a tenth of the device's latency.
 * It skips all where time is not, and on the debug kernel, which spends it on its checks.
 * Exit status: 0 passed, or skipped since this kernel does not have KIND; 1 not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"
#include "nbtest.h"
#include "raw.h"

#define PG 4096
#define DEPTH 32
#define FILE_PAGES 8192
#define FEW 100 /* reads at depth 1 */
#define MANY 2000 /* reads at depth 32 */
#define DIR_PATH "/run/nbt-sqwq"
#define ID 46

static struct raw ring;
static unsigned char bufs[DEPTH][PG] __attribute__((aligned(PG)));
static uint64_t took[FEW + MANY];
/* Of those the ones whose thread was on its CPU all the time */
static uint64_t undisturbed[FEW + MANY];
static unsigned int calls, nr_undisturbed, punted, slept;

/* Each page once: an odd multiplier is a permutation of a power of two. */
static uint64_t nth_off(unsigned int n)
{
	return (uint64_t)(n * 2654435761U % FILE_PAGES) * PG;
}

/* How often this thread gave its CPU up of its own will: it slept; and had to. */
static void switches(long *slept_now, long *preempted_now)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	*slept_now = usage.ru_nvcsw;
	*preempted_now = usage.ru_nivcsw;
}

static void submit(int fd, unsigned int n, unsigned int slot)
{
	struct nbread_sqe *sqe = raw_sqe(&ring);
	long slept_before, slept_after, preempted_before, preempted_after;
	uint64_t start, ns;

	switches(&slept_before, &preempted_before);

	raw_prep_read(sqe, fd, bufs[slot], PG, nth_off(n), (uint64_t)slot << 32 | n);
	raw_publish(&ring);
	start = now_ns();
	if (raw_enter(&ring, 1, 0) != 1)
		nbtest_fatal("ENTER did not take the read");
	ns = now_ns() - start;
	switches(&slept_after, &preempted_after);
	took[calls++] = ns;
	slept += slept_before != slept_after;
	if (preempted_before == preempted_after)
		undisturbed[nr_undisturbed++] = ns;
}

static unsigned int reap(void)
{
	struct nbread_cqe cqe;

	if (!raw_cq_ready(&ring) && raw_enter_ns(&ring, 0, 1, UINT64_C(60000000000)))
		nbtest_fatal("no completion came");
	raw_reap(&ring, &cqe);
	if (cqe.res != PG)
		nbtest_fatal("read: %s", strerror(-cqe.res));
	nbtest_check_bytes(bufs[cqe.user_data >> 32], PG, nth_off((unsigned int)cqe.user_data), ID,
			   1);
	punted += !!(cqe.flags & NBREAD_CQE_PUNTED);
	return (unsigned int)(cqe.user_data >> 32);
}

/* @nr reads from the @from'th on, @depth at a time. Return: reads a second. */
static double cold(int fd, unsigned int from, unsigned int nr, unsigned int depth)
{
	uint64_t start = now_ns();
	unsigned int next = 0;

	for (; next < depth; next++)
		submit(fd, from + next, next);
	for (; next < nr; next++)
		submit(fd, from + next, reap());
	for (unsigned int i = 0; i < depth; i++)
		reap();
	return nr * 1e9 / (double)(now_ns() - start);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_rt(void)
{
	struct utsname u;

	return !uname(&u) && strstr(u.version, "PREEMPT_RT");
}

static int line(int good, const char *kind, const char *test)
{
	printf("%s on_%s_%s\n", good ? "ok" : "not ok", kind, test);
	return !good;
}

/* Return: why times are no criterion here; NULL if they are. */
static const char *no_times(void)
{
	if (!clock_counts_instructions())
		return "the clock does not count instructions: run it under tests/vm/run --icount";
	if (!access("/sys/kernel/debug/kmemleak", F_OK))
		return "this is the debug kernel";
	return NULL;
}

/* The server's cache too: all of it. */
static void make_cold(int fd)
{
	nbtest_evict(fd);
	nbtest_drop_caches();
	nbtest_evict(fd);
}

static int run(const char *kind, unsigned int cached, bool times)
{
	struct nbtest_file file;
	double one, many;
	int bad;

	nbtest_file_new_in(&file, DIR_PATH, ID, FILE_PAGES * PG);
	if (posix_fadvise(file.fd, 0, 0, POSIX_FADV_RANDOM))
		nbtest_fatal("fadvise");
	ring.p.sq_entries = DEPTH;
	ring.p.flags = NBREAD_SETUP_SQWQ;
	if (raw_open_p(&ring))
		nbtest_fatal("no SQWQ ring");
	make_cold(file.fd);
	one = cold(file.fd, 0, FEW, 1);
	many = cold(file.fd, FEW, MANY, DEPTH);
	qsort(took, calls, sizeof(took[0]), by_value);
	printf("# %s: depth 1 %.0f/s, depth %d %.0f/s, %.1f times; %u of %u by a worker\n", kind,
	       one, DEPTH, many, many / one, punted, FEW + MANY);
	printf("# %s: submitting calls: half %.0f us, 99 %% %.0f us, 99.9 %% %.0f us, longest %.0f us\n",
	       kind, (double)took[calls / 2] / 1e3, (double)took[calls * 99 / 100] / 1e3,
	       (double)took[calls * 999 / 1000] / 1e3, (double)took[calls - 1] / 1e3);
	qsort(undisturbed, nr_undisturbed, sizeof(undisturbed[0]), by_value);
	printf("# %s: %u of these calls slept; %u had to wait for their CPU; of the others: 99.9 %% %.0f us, longest %.0f us\n",
	       kind, slept, calls - nr_undisturbed,
	       nr_undisturbed ? (double)undisturbed[nr_undisturbed * 999 / 1000] / 1e3 : 0,
	       nr_undisturbed ? (double)undisturbed[nr_undisturbed - 1] / 1e3 : 0);
	bad = line(slept <= calls / (is_rt() ? 50 : 1000), kind,
		   "the_call_does_not_wait_for_a_miss");
	if (times) {
		bad |= line(many >= 8 * one, kind, "reads_at_depth_32_run_side_by_side");
		bad |= line(took[calls * 999 / 1000] <= 1000000, kind,
			    "the_call_takes_a_tenth_of_a_miss_at_most");
	}

	nbtest_warm(file.fd);
	punted = 0;
	for (unsigned int i = 0; i < cached; i++) {
		calls = 0;
		nr_undisturbed = 0;
		submit(file.fd, i, 0);
		reap();
	}
	printf("# %s: %u cached reads, %u by a worker\n", kind, cached, punted);
	bad |= line(!punted, kind, "cached_reads_need_no_worker");
	raw_close(&ring);
	nbtest_file_free(&file);
	return bad;
}

static int skip(const char *kind, const char *why)
{
	printf("1..1\nok on_%s # SKIP %s\n", kind, why);
	return 0;
}

int main(int argc, char **argv)
{
	bool times = argc > 1 && !strcmp(argv[1], "--times");
	char why[256] = "";
	int ret;

	argc -= times;
	argv += times;
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: sqwq [--times] KIND [CACHED]\n");
		return 2;
	}
	if (times && no_times())
		return skip(argv[1], no_times());
	if (nbtest_sh("modprobe null_blk nr_devices=1 memory_backed=1 gb=1 irqmode=2 "
		      "completion_nsec=10000000"))
		return skip(argv[1], "this kernel has no null_blk");
	ret = nbtest_sh("tests/vm/kind up %s /dev/nullb0 " DIR_PATH " 2>" DIR_PATH ".err", argv[1]);
	if (ret) {
		nbtest_must_sh("rmmod null_blk");
		nbtest_read_text(DIR_PATH ".err", why, sizeof(why));
		if (ret == 77)
			return skip(argv[1], why);
		printf("1..1\nnot ok on_%s %s\n", argv[1], why);
		return 1;
	}
	printf("1..%d\n", times ? 4 : 2);
	ret = run(argv[1], argc == 3 ? (unsigned int)atoi(argv[2]) : 100000, times);
	nbtest_must_sh("tests/vm/kind down %s " DIR_PATH " && rmmod null_blk", argv[1]);
	return ret;
}
