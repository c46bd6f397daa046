// SPDX-License-Identifier: GPL-2.0-only
/*
 * sqthread.c - the thread of an SQTHREAD ring, by the million.
 *
 *   sqthread calls N DIR   N cached reads of a file in DIR, submitted and reaped under
 *                          seccomp's strict mode: a system call would kill the program
 *   sqthread race N        N times an entry is published just when the thread may go to
 *                          sleep; how many wake-ups were lost, and how often it slept
 *
 * For the second run it on CPUs that run at the same time (tests/vm/run --mttcg): the
 * window is a store that is still in a CPU's store buffer. A lost one is one whose
 * completion does not come although the thread says that it sleeps; it is then woken, so
 * that the count goes on. Prints one TAP line. Exit status: 0 passed, 1 not, 2 wrong use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "nbtest.h"
#include "raw.h"

#define PG 4096
#define PAGES 256
#define DEPTH 32
#define ID 45
#define CALLS "cached_reads_of_a_ring_with_a_thread_take_no_system_call"
#define RACE "no_wake_up_is_lost_between_the_last_look_and_the_sleep"

static struct raw ring = { .p = { .sq_entries = DEPTH, .flags = NBREAD_SETUP_SQTHREAD } };

static int verdict(const char *test, const char *why)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "1..1\n%s%s%s%s %s\n", why ? "# " : "",
			   why ? why : "", why ? "\n" : "", why ? "not ok" : "ok", test);

	/* write(2) is one of the calls that the strict mode lets through; exit_group is not. */
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		why = "write";
	syscall(SYS_exit, why ? 1 : 0);
	return 1;
}

/* Return: false while the SQ is full, whose head may move after the completion is there. */
static bool prep(uint64_t n, int fd, unsigned char *buf)
{
	struct nbread_sqe *sqe = raw_sqe(&ring);

	if (sqe)
		raw_prep_read(sqe, fd, buf, PG, n * 7 % PAGES * PG, n);
	return sqe;
}

static int calls(uint64_t reads, const char *dir)
{
	static unsigned char buf[DEPTH][PG] __attribute__((aligned(PG)));
	uint64_t next = 0, done = 0, *word;
	struct nbtest_file file;
	struct nbread_cqe cqe;

	nbtest_file_new_in(&file, dir, ID, PAGES * PG);
	nbtest_warm(file.fd);
	unlink(file.path);
	memset(buf, 1, sizeof(buf));
	ring.p.sq_thread_idle_ms = 60000;
	if (raw_open_p(&ring))
		return verdict(CALLS, "no ring");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return verdict(CALLS, "no seccomp");
	while (done < reads) {
		while (next < reads && next - done < DEPTH &&
		       prep(next, file.fd, buf[next % DEPTH]))
			next++;
		raw_publish(&ring);
		while (raw_reap(&ring, &cqe)) {
			word = (uint64_t *)buf[cqe.user_data % DEPTH];
			/* One thread takes them in order. */
			if (cqe.user_data != done || cqe.res != PG)
				return verdict(CALLS, "a completion is wrong");
			if (*word != nbtest_word(ID, 1, done * 7 % PAGES * PG))
				return verdict(CALLS, "a byte is wrong");
			done++;
		}
		/* It polls for a minute after the last read: so long may nothing hold us up. */
		if (raw_asleep(&ring))
			return verdict(CALLS, "the thread went to sleep");
	}
	return verdict(CALLS, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* Wait for the completion. Return: whether its wake-up was lost, and it had to be woken. */
static int lost(void)
{
	uint64_t since = 0;

	for (uint64_t spins = 1; !raw_cq_ready(&ring); spins++) {
		if (spins % 65536)
			continue;
		if (!raw_asleep(&ring) || !since)
			since = now_ns();
		/* Asleep all the time for two seconds, with an entry in the SQ */
		if (now_ns() - since < UINT64_C(2000000000))
			continue;
		raw_enter_flags(&ring, 0, 0, NBREAD_ENTER_SQ_WAKEUP, 0);
		while (!raw_cq_ready(&ring))
			;
		return 1;
	}
	return 0;
}

static int race(uint64_t races)
{
	uint64_t lost_ones = 0, woken = 0, seed = 1;
	struct nbread_cqe cqe;
	int ret = 0;

	puts("1..1");
	ring.p.sq_thread_idle_ms = NBREAD_SQ_IDLE_NONE;
	if (raw_open_p(&ring)) {
		printf("not ok %s: no ring\n", RACE);
		return 1;
	}
	for (uint64_t i = 0; i < races && !ret; i++) {
		memset(raw_sqe(&ring), 0, sizeof(struct nbread_sqe)); /* a NOP */
		ring.sqes[(ring.next - 1) & ring.sq_mask].user_data = i;
		/* At any point of the way from its completion to its sleep, and sometimes in it */
		seed = seed * UINT64_C(6364136223846793005) + 1;
		for (volatile uint64_t n = (seed >> 33) % 512; n; n--)
			;
		ret = raw_hand_over(&ring);
		if (ret < 0)
			break;
		woken += (uint64_t)ret;
		lost_ones += (uint64_t)lost();
		ret = !raw_reap(&ring, &cqe) || cqe.user_data != i || cqe.res;
	}
	printf("# %llu races: %llu wake-ups lost; the thread was awake in %llu\n",
	       (unsigned long long)races, (unsigned long long)lost_ones,
	       (unsigned long long)(races - woken));
	ret = ret || lost_ones;
	printf("%s %s\n", ret ? "not ok" : "ok", RACE);
	return ret;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "calls"))
		return calls(strtoull(argv[2], NULL, 10), argv[3]);
	if (argc == 3 && !strcmp(argv[1], "race"))
		return race(strtoull(argv[2], NULL, 10));
	fprintf(stderr, "usage: %s calls N DIR | race N\n", argv[0]);
	return 2;
}
