// SPDX-License-Identifier: GPL-2.0-only
/*
 * spread.c - cold random reads of 4 KiB from a fast disk, by depth: what copying on
 * several cores is good for.
 *
 *   tests/vm/run --cpus 2 --mttcg --fs none -- build/tests/spread [ROUNDS [READS]]
 *
 * Three ways to read the same pages, in one run:
 *   callbacks  nbread with the module's parameter spread=0: one task copies all
 *   threads    DEPTH threads that call pread(2)
 *   nbread     nbread as it is by default
 * Each round runs them all at each depth, the first one another each time; the table has
 * the median of the rounds, in reads a second, and how many reads of 'nbread' were handed to
 * another core. Every page is read once a run, and its first word checked. TAP lines: whether
 * nbread is at least as fast as the faster of the other two, up to the noise, which is the
 * distance of the 2nd and the 4th of five rounds. Those are for reading: the exit status
 * is 0 unless a read was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libnbread.h>

#define PG 4096
#define PAGES 16384
#define MAX_DEPTH 128
#define MAX_ROUNDS 21
#define DIR_PATH "/run/nbread-spread"
#define PARAM "/sys/module/nbread/parameters/spread"

enum { CALLBACKS, THREADS, NBREAD, ENGINES };

static const char *const names[] = { "callbacks", "threads", "nbread" };
static const unsigned int depths[] = { 1, 2, 4, 8, 16, 32, 64, 128 };
#define DEPTHS (sizeof(depths) / sizeof(depths[0]))

static unsigned char bufs[MAX_DEPTH][PG] __attribute__((aligned(PG)));
static size_t reads = 4096, base;
static double handed[DEPTHS];
static int fd;

static void fail(const char *what, int err)
{
	printf("Bail out! %s: %s\n", what, strerror(err));
	exit(1);
}

static uint64_t word_of(size_t page)
{
	return 0x6e62726561640000 ^ page * 0x9e3779b97f4a7c15;
}

/* Each page once: an odd multiplier is a permutation of a power of two. */
static size_t nth_page(size_t n)
{
	return (base + n) * 2654435761u % PAGES;
}

static void check(const unsigned char *buf, size_t page)
{
	uint64_t word = word_of(page);

	if (memcmp(buf, &word, sizeof(word)))
		fail("a page has the wrong bytes", EILSEQ);
}

static void make_file(void)
{
	unsigned char page[PG] = { 0 };

	if (system("modprobe null_blk nr_devices=1 memory_backed=1 gb=1 irqmode=2 "
		   "completion_nsec=10000 && mkfs.ext4 -q /dev/nullb0 && mkdir -p " DIR_PATH
		   " && mount /dev/nullb0 " DIR_PATH))
		fail("null_blk with ext4", EIO);
	fd = open(DIR_PATH "/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		fail("open", errno);
	for (size_t i = 0; i < PAGES; i++) {
		uint64_t word = word_of(i);

		memcpy(page, &word, sizeof(word));
		if (write(fd, page, PG) != PG)
			fail("write", errno);
	}
	if (fsync(fd))
		fail("fsync", errno);
}

static void evict(void)
{
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ||
	    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		fail("eviction", errno);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void set_spread(bool on)
{
	int param = open(PARAM, O_WRONLY | O_CLOEXEC);

	if (param < 0 || write(param, on ? "1" : "0", 1) != 1)
		fail(PARAM, errno);
	close(param);
}

static double handed_over(const struct nbread *ring)
{
	char path[64], line[256];
	double n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", nbread_ring_fd(ring));
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "nbread-spread:", 14))
			n = strtod(line + 14, NULL);
	if (f)
		fclose(f);
	return n;
}

static void prep(struct nbread *ring, size_t *page, size_t slot, size_t n)
{
	struct nbread_sqe *sqe = nbread_get_sqe(ring);

	page[slot] = nth_page(n);
	nbread_prep_read(sqe, fd, bufs[slot], PG, page[slot] * PG);
	nbread_sqe_set_data64(sqe, slot);
}

static double run_nbread(unsigned int d, bool on)
{
	size_t page[MAX_DEPTH], next = 0, done = 0;
	struct nbread_cqe *cqe;
	struct nbread ring;
	double start, took;
	int ret;

	set_spread(on);
	ret = nbread_queue_init(MAX_DEPTH, &ring, 0);
	if (ret)
		fail("ring", -ret);
	start = now();
	for (; next < depths[d]; next++)
		prep(&ring, page, next, next);
	while (done < reads) {
		ret = nbread_submit_and_wait(&ring, 1);
		if (ret < 0)
			fail("submit and wait", -ret);
		while (!nbread_peek_cqe(&ring, &cqe)) {
			size_t slot = nbread_cqe_get_data64(cqe);

			if (cqe->res != PG)
				fail("a read", cqe->res < 0 ? -cqe->res : EIO);
			check(bufs[slot], page[slot]);
			nbread_cqe_seen(&ring, cqe);
			done++;
			if (next < reads)
				prep(&ring, page, slot, next++);
		}
	}
	took = now() - start;
	if (on)
		handed[d] += handed_over(&ring);
	nbread_queue_exit(&ring);
	return took;
}

static _Atomic size_t next_read;

static void *read_on(void *buf)
{
	size_t n;

	while ((n = next_read++) < reads) {
		size_t page = nth_page(n);

		if (pread(fd, buf, PG, (off_t)(page * PG)) != PG)
			fail("pread", errno);
		check(buf, page);
	}
	return NULL;
}

static double run_threads(unsigned int d)
{
	pthread_t threads[MAX_DEPTH];
	double start = now();

	next_read = 0;
	for (unsigned int i = 0; i < depths[d]; i++)
		if (pthread_create(&threads[i], NULL, read_on, bufs[i]))
			fail("thread", EAGAIN);
	for (unsigned int i = 0; i < depths[d]; i++)
		pthread_join(threads[i], NULL);
	return now() - start;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double rate[DEPTHS][ENGINES][MAX_ROUNDS];
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 5;

	if (argc > 2)
		reads = (size_t)atol(argv[2]);
	if (rounds < 1 || rounds > MAX_ROUNDS || reads < MAX_DEPTH || reads > PAGES) {
		fprintf(stderr, "usage: %s [ROUNDS (1-%d) [READS (%d-%d)]]\n", argv[0], MAX_ROUNDS,
			MAX_DEPTH, PAGES);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%zu\n", DEPTHS);
	make_file();
	for (unsigned int r = 0; r < rounds; r++) {
		for (unsigned int d = 0; d < DEPTHS; d++) {
			for (unsigned int i = 0; i < ENGINES; i++) {
				unsigned int e = (r + i) % ENGINES;
				double took;

				evict();
				took = e == THREADS ? run_threads(d) : run_nbread(d, e == NBREAD);
				rate[d][e][r] = (double)reads / took;
				base += reads;
			}
		}
	}
	set_spread(true);
	printf("# reads/s, median of %u rounds of %zu reads, %ld CPUs\n", rounds, reads,
	       sysconf(_SC_NPROCESSORS_ONLN));
	printf("# %5s %10s %10s %10s %8s %10s\n", "depth", names[0], names[1], names[2], "ratio",
	       "handed");
	for (unsigned int d = 0; d < DEPTHS; d++) {
		double median[ENGINES], noise, best;

		for (unsigned int e = 0; e < ENGINES; e++) {
			qsort(rate[d][e], rounds, sizeof(double), compare);
			median[e] = rate[d][e][rounds / 2];
		}
		noise = rate[d][NBREAD][rounds * 3 / 4] - rate[d][NBREAD][rounds / 4];
		best = median[CALLBACKS] > median[THREADS] ? median[CALLBACKS] : median[THREADS];
		printf("# %5u %10.0f %10.0f %10.0f %8.2f %9.0f%%\n", depths[d], median[0],
		       median[1], median[2], median[NBREAD] / best,
		       handed[d] / rounds / (double)reads * 100);
		printf("%s depth_%u_is_as_fast_as_callbacks_and_threads\n",
		       median[NBREAD] + noise >= best ? "ok" : "not ok", depths[d]);
	}
	close(fd);
	if (system("umount " DIR_PATH " && rmmod null_blk"))
		fail("umount", EBUSY);
	return 0;
}
