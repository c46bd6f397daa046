// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gates; contract in fake_threads.h. Each has its own queue, first come, first served, so
 * that a test can tell whom it lets go.
 */
#include <check.h>
#include <pthread.h>
#include "fake_libc.h"
#include "fake_threads.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/** struct gate - tickets below @passed may go on, those below @next were given out */
static struct gate {
	bool shut;
	unsigned next, passed;
} gates[FAKE_NR_GATES];

void fake_hold(enum fake_gate gate)
{
	pthread_mutex_lock(&lock);
	gates[gate].shut = true;
	pthread_mutex_unlock(&lock);
}

static void let_go(enum fake_gate gate, unsigned nr, bool open)
{
	struct gate *g = &gates[gate];

	pthread_mutex_lock(&lock);
	if (open) {
		g->shut = false;
		nr = g->next - g->passed;
	}
	ck_assert_uint_le(nr, g->next - g->passed);
	g->passed += nr;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

void fake_let_go(enum fake_gate gate)
{
	let_go(gate, 0, true);
}

void fake_let_some_go(enum fake_gate gate, unsigned nr)
{
	let_go(gate, nr, false);
}

unsigned fake_held(enum fake_gate gate)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = gates[gate].next - gates[gate].passed;
	pthread_mutex_unlock(&lock);
	return n;
}

void fake_wait_held(enum fake_gate gate, unsigned nr)
{
	pthread_mutex_lock(&lock);
	while (gates[gate].next - gates[gate].passed < nr)
		__real_pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void fake_pass_gate(enum fake_gate gate)
{
	struct gate *g = &gates[gate];
	unsigned ticket;

	pthread_mutex_lock(&lock);
	ticket = g->next++;
	if (!g->shut)
		g->passed = g->next;
	pthread_cond_broadcast(&changed);
	/* The tickets wrap. */
	while ((int)(ticket - g->passed) >= 0)
		__real_pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}
