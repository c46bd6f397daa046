// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time, CPU time, context switches.
 */
#include "bench.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/*
 * The seventh number of a cpu line of /proc/schedstat: nanoseconds that all tasks but
 * the idle one have run there. A task is added when it leaves the CPU, so we leave it.
 */
uint64_t machine_cpu_ns(void)
{
	struct timespec moment = { .tv_nsec = 1 };
	unsigned long long ran, sum = 0;
	char line[512];
	FILE *f;

	nanosleep(&moment, NULL);
	f = fopen("/proc/schedstat", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "cpu%*d %*u %*u %*u %*u %*u %*u %llu", &ran) == 1)
			sum += ran;
	}
	if (f)
		fclose(f);
	return sum;
}

uint64_t context_switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_nvcsw + u.ru_nivcsw);
}

uint64_t machine_switches(void)
{
	unsigned long long n = 0;
	char line[512];
	FILE *f;

	f = fopen("/proc/stat", "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "ctxt %llu", &n) != 1)
		;
	if (f)
		fclose(f);
	return n;
}

void take_begin(struct take *t, bool machine)
{
	t->machine = machine ? machine_cpu_ns() : 0;
	if (machine)
		t->all_switches = machine_switches();
	t->switches = context_switches();
	t->cpu = process_cpu_ns();
	t->ns = now_ns();
}

void take_end(struct take *t, bool machine)
{
	t->ns = now_ns() - t->ns;
	t->cpu = process_cpu_ns() - t->cpu;
	t->switches = context_switches() - t->switches;
	if (machine)
		t->all_switches = machine_switches() - t->all_switches;
	t->machine = machine && t->machine ? machine_cpu_ns() - t->machine : 0;
}

/* A loop of a known number of instructions tells; the quickest of some, since interrupts come in. */
bool clock_counts_instructions(void)
{
#if defined(__x86_64__)
	uint64_t least = UINT64_MAX;

	for (unsigned int i = 0; i < 5; i++) {
		uint64_t loops = 500000;
		uint64_t began = now_ns();
		uint64_t took;

		__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(loops) : : "cc");
		took = now_ns() - began;
		least = took < least ? took : least;
	}
	return least > 980000 && least < 1020000;
#else
	return false;
#endif
}
