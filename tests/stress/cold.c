// SPDX-License-Identifier: GPL-2.0-only
/*
 * cold.c - cold random reads by a program that sleeps in ENTER until one is done:
 * 4 KiB, 32 in flight, ext4 on a null_blk that takes 80 us a read.
 *
 *   tests/vm/run --icount --fs none -- build/tests/cold
 *
 * To be run under -icount, where the guest's clock counts instructions, so that how
 * often the disk is slower than the program does not depend on this machine, and where
 * the process's CPU time tells how many instructions a miss costs it. Prints two TAP
 * lines. Exit status: 0 passed, 1 not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <libnbread.h>

#include "bench.h"
#include "budget.h"

#define DEPTH 32
#define READS 8192
#define PG 4096
#define DIR_PATH "/run/nbread-cold"
#define TEST_BUDGET "a_cold_read_keeps_its_budget"
#define BUDGET 13200 /* instructions of the process a read, see lib/budget.h */
#define TEST "cold_random_reads_that_are_waited_for_cost_one_context_switch_in_a_hundred_at_most"

static uint64_t word_of(size_t page)
{
	return 0x6e62726561640000 ^ page * 0x9e3779b97f4a7c15;
}

static void fail(const char *what, int err)
{
	printf("not ok %s: %s: %s\n", TEST, what, strerror(err));
	exit(1);
}

/* A file whose every page begins with its own word, on the disk alone. */
static int make_file(void)
{
	unsigned char page[PG] = { 0 };
	uint64_t word;
	size_t i;
	int fd;

	if (system("modprobe null_blk nr_devices=1 memory_backed=1 gb=1 irqmode=2 "
		   "completion_nsec=80000 && mkfs.ext4 -q /dev/nullb0 && mkdir -p " DIR_PATH
		   " && mount /dev/nullb0 " DIR_PATH))
		fail("null_blk with ext4", EIO);
	fd = open(DIR_PATH "/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		fail("open", errno);
	for (i = 0; i < READS; i++) {
		word = word_of(i);
		memcpy(page, &word, sizeof(word));
		if (write(fd, page, PG) != PG)
			fail("write", errno);
	}
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ||
	    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		fail("eviction", errno);
	return fd;
}

/* Each page once: an odd multiplier is a permutation of a power of two. */
static size_t nth_page(size_t n)
{
	return n * 2654435761u % READS;
}

int main(void)
{
	static unsigned char buf[DEPTH][PG];
	size_t page[DEPTH], next = 0, done = 0;
	unsigned int waited = 0, punted = 0;
	struct rusage before, after;
	struct nbread_cqe *cqe;
	struct nbread ring;
	uint64_t cpu;
	long switches;
	int fd, ret;

	puts("1..2");
	fd = make_file();
	ret = nbread_queue_init(DEPTH, &ring, 0);
	if (ret)
		fail("ring", -ret);
	getrusage(RUSAGE_SELF, &before);
	cpu = process_cpu_ns();
	for (; next < DEPTH; next++) {
		page[next] = nth_page(next);
		nbread_prep_read(nbread_get_sqe(&ring), fd, buf[next], PG, page[next] * PG);
		nbread_sqe_set_data64(&ring.sq.sqes[next], next);
	}
	while (done < READS) {
		ret = nbread_submit_and_wait(&ring, 1);
		if (ret < 0)
			fail("submit and wait", -ret);
		while (!nbread_peek_cqe(&ring, &cqe)) {
			size_t slot = nbread_cqe_get_data64(cqe);
			uint64_t word = word_of(page[slot]);

			if (cqe->res != PG || memcmp(buf[slot], &word, sizeof(word)))
				fail("wrong answer", cqe->res < 0 ? -cqe->res : EILSEQ);
			waited += !!(cqe->flags & NBREAD_CQE_WAITED);
			punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
			nbread_cqe_seen(&ring, cqe);
			done++;
			if (next < READS) {
				struct nbread_sqe *sqe = nbread_get_sqe(&ring);

				page[slot] = nth_page(next++);
				nbread_prep_read(sqe, fd, buf[slot], PG, page[slot] * PG);
				nbread_sqe_set_data64(sqe, slot);
			}
		}
	}
	cpu = process_cpu_ns() - cpu;
	getrusage(RUSAGE_SELF, &after);
	nbread_queue_exit(&ring);
	close(fd);
	if (system("umount " DIR_PATH " && rmmod null_blk"))
		fail("umount", EBUSY);
	switches = after.ru_nvcsw - before.ru_nvcsw;
	printf("# %d reads: %u waited, %u punted, %ld voluntary context switches\n", READS, waited,
	       punted, switches);
	ret = waited && !punted && switches < READS / 100;
	printf("%s %s\n", ret ? "ok" : "not ok", TEST);
	return budget_judge(TEST_BUDGET, BUDGET, (double)cpu / READS) || !ret;
}
