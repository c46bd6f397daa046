// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a switch costs on this machine, without any of the engines: two threads on one CPU
 * that wake each other by futex. The system calls are taken off, so what is left is the
 * wake-up, going to sleep and the switch itself, which is what handing a read to another task
 * costs whatever the read is.
 */
#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nbtest.h"

#define ROUNDS 2000

struct pair {
	uint32_t turn; /* whose; the other one sleeps on it */
	unsigned long waits[2], wakes[2];
};

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void rounds(struct pair *p, uint32_t me)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		while (__atomic_load_n(&p->turn, __ATOMIC_ACQUIRE) != me) {
			futex(&p->turn, FUTEX_WAIT, !me);
			p->waits[me]++;
		}
		__atomic_store_n(&p->turn, !me, __ATOMIC_RELEASE);
		futex(&p->turn, FUTEX_WAKE, 1);
		p->wakes[me]++;
	}
}

static void *other(void *arg)
{
	rounds(arg, 1);
	return NULL;
}

/* The same calls where nobody sleeps: of a value that is not there, of nobody. */
static double of_a_call(int op)
{
	uint32_t word = 0;
	uint64_t began = now_ns();
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		futex(&word, op, 1);
	return (double)(now_ns() - began) / ROUNDS;
}

double switch_ns(void)
{
	double wait = of_a_call(FUTEX_WAIT), wake = of_a_call(FUTEX_WAKE);
	struct pair p = { 0 };
	cpu_set_t before, one;
	pthread_t thread;
	struct take t;
	double ns;

	/* The thread that is made inherits it. */
	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	take_begin(&t, false);
	if (pthread_create(&thread, NULL, other, &p))
		nbtest_fatal("bench: no thread");
	rounds(&p, 0);
	pthread_join(thread, NULL);
	take_end(&t, false);
	sched_setaffinity(0, sizeof(before), &before);
	ns = (double)t.ns - wait * (double)(p.waits[0] + p.waits[1]) -
	     wake * (double)(p.wakes[0] + p.wakes[1]);
	return t.switches ? ns / (double)t.switches : 0;
}
