// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cached and cold reads: each engine in its turn, several times over.
 *
 * A run is a process that opens the engine, and all runs of one turn read the same blocks. For
 * each turn the engines are shuffled, in each bench alike, so that nobody always inherits what the
 * one before has left. The first turn of an engine is preceded by a pass in which the bytes are
 * compared; one that fails there, or later, has no figures.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nbtest.h"

#define EACH_FILE (64u << 10)
#define VERIFIED 256

static bool counted; /* is 1 ns one instruction? */
static struct job job[MAX_JOBS];
static pthread_barrier_t start;

/*
 * What is left of a read if the switches are taken off, each at what one costs by itself.
 * Measured anew in each run, since it is not the same on each machine.
 */
static void note_switches(const struct take *t, double ops, struct figures *f)
{
	double each = switch_ns();

	figure(f, SWITCH_NS, each);
	if (counted)
		figure(f, SWITCHLESS_INSNS_PER_OP,
		       ((double)t->ns - each * (double)t->all_switches) / ops);
}

static void note(const struct cell *c, const struct take *t, struct figures *f)
{
	double ops = (double)job[0].nr_ops * c->threads;

	f->runs++;
	if (counted && !job[0].cold)
		figure(f, INSNS_PER_OP, (double)t->ns / ops);
	figure(f, NS_PER_OP, (double)t->ns / ops);
	figure(f, OPS_PER_S, ops * 1e9 / (double)t->ns);
	figure(f, CPU_NS_PER_OP, (double)t->cpu / ops);
	if (t->machine)
		figure(f, MACHINE_CPU_NS_PER_OP, (double)t->machine / ops);
	figure(f, CONTEXT_SWITCHES, (double)t->switches);
	if (c->threads == 1 && (c->switches || job[0].cold))
		figure(f, MACHINE_SWITCHES, (double)t->all_switches);
	if (c->switches && c->threads == 1 && !job[0].cold)
		note_switches(t, ops, f);
	figure(f, BANDWIDTH_KIB_S, ops * c->len / 1024 * 1e9 / (double)t->ns);
	if (job[0].e->flags & E_TELLS_HITS)
		figure(f, INLINE_SHARE, (double)job[0].inline_hits / job[0].nr_ops);
}

/* One batch, so that what is only done once is done. */
static int warm_up(struct job *j)
{
	unsigned int all = j->nr_ops;
	int ret;

	j->nr_ops = j->depth;
	ret = drive_batches(j);
	j->nr_ops = all;
	j->inline_hits = 0;
	return ret;
}

static void *job_thread(void *arg)
{
	struct job *j = arg;
	cpu_set_t cpus;
	bool opened;
	long ret;

	CPU_ZERO(&cpus);
	CPU_SET(j - job, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	/* Here, since some rings belong to the thread that made them. */
	ret = job_open(j);
	opened = !ret;
	j->verify = opened;
	if (opened)
		ret = warm_up(j);
	j->verify = false;
	pthread_barrier_wait(&start); /* the clock is started */
	pthread_barrier_wait(&start);
	if (!ret)
		ret = drive_batches(j);
	pthread_barrier_wait(&start);
	if (opened)
		job_close(j);
	return (void *)ret;
}

/* Several rings at a time, each with its own thread and CPU. */
static int run_threads(const struct cell *c, struct take *t)
{
	pthread_t thread[MAX_JOBS];
	void *ret;
	int bad = 0;
	unsigned int i;

	pthread_barrier_init(&start, NULL, c->threads + 1);
	for (i = 0; i < c->threads; i++) {
		if (pthread_create(&thread[i], NULL, job_thread, &job[i]))
			nbtest_fatal("bench: no thread");
	}
	pthread_barrier_wait(&start);
	take_begin(t, false);
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&start);
	take_end(t, false);
	for (i = 0; i < c->threads; i++) {
		pthread_join(thread[i], &ret);
		if (ret && !bad) {
			bad = -1;
			job[0].why = job[i].why;
			job[0].err = job[i].err;
		}
	}
	pthread_barrier_destroy(&start);
	return bad;
}

static int run_cached(const struct cell *c, struct take *t)
{
	int ret;

	if (c->threads > 1)
		return run_threads(c, t);
	if (job_open(&job[0]))
		return -1;
	ret = warm_up(&job[0]);
	if (!ret) {
		t->all_switches = c->switches ? machine_switches() : 0;
		take_begin(t, false);
		ret = drive_batches(&job[0]);
		take_end(t, false);
		t->all_switches = c->switches ? machine_switches() - t->all_switches : 0;
	}
	job_close(&job[0]);
	return ret;
}

static int run_cold(struct take *t, bool split)
{
	int ret;

	files_evict(job[0].files);
	if (job_open(&job[0]))
		return -1;
	take_begin(t, true);
	ret = drive_stream(&job[0], 0, split);
	take_end(t, true);
	job_close(&job[0]);
	return ret;
}

/* Whether it reads the right bytes; and how long its reads take, one by one. */
static int passes(const struct cell *c, struct figures *f)
{
	struct job *j = &job[0];
	unsigned int all = j->nr_ops;
	struct take t;
	unsigned int i;
	int ret;

	for (i = 0; i < all; i++)
		j->ops[i].hot = !j->cold;
	j->verify = true;
	j->nr_ops = all < VERIFIED ? all : VERIFIED;
	if (j->cold) {
		ret = run_cold(&t, false);
	} else {
		ret = job_open(j);
		if (!ret) {
			ret = drive_batches(j);
			job_close(j);
		}
	}
	j->verify = false;
	j->nr_ops = all;
	if (ret || c->threads > 1)
		return ret;
	j->lat = calloc(all, sizeof(*j->lat));
	j->hit_lat = calloc(all, sizeof(*j->hit_lat));
	if (!j->lat || !j->hit_lat)
		nbtest_fatal("bench: no memory");
	if (j->cold) {
		ret = run_cold(&t, true);
	} else {
		ret = job_open(j);
		if (!ret) {
			ret = drive_stream(j, 0, false);
			job_close(j);
		}
	}
	if (!ret) {
		figure_latency(f, LAT_P10_NS, j->lat, j->nr_lat);
		figure_latency(f, HIT_P10_NS, j->hit_lat, j->nr_hit_lat);
		figure(f, SUBMIT_MAX_NS, (double)j->submit_max);
	}
	free(j->lat);
	free(j->hit_lat);
	j->lat = NULL;
	j->hit_lat = NULL;
	job_buffers(j);
	return ret;
}

static void plan(const struct cell *c, const struct files *f, unsigned int turn, bool sequential)
{
	unsigned int i;

	for (i = 0; i < c->threads; i++) {
		if (!job[i].cold)
			plan_random(job[i].ops, job[i].nr_ops, f, c->len,
				    20261126 + turn * MAX_JOBS + i);
		else if (sequential)
			plan_sequence(job[i].ops, job[i].nr_ops, f, c->len);
		else
			plan_once(job[i].ops, job[i].nr_ops, f, c->len, turn);
		job_buffers(&job[i]);
	}
}

static void one_run(const struct turn *t)
{
	const struct cell *c = t->cell;
	struct figures *f = t->figures;
	struct take took = { 0 };
	int ret;

	ret = t->nr ? 0 : passes(c, f);
	if (!ret)
		ret = job[0].cold ? run_cold(&took, false) : run_cached(c, &took);
	if (ret)
		refuse(f, &job[0]);
	else
		note(c, &took, f);
}

static void take_turn(const struct cell *c, const struct engine *e, unsigned int nr,
		      struct figures *f)
{
	struct turn t = { c, e, nr, f };
	unsigned int i;

	for (i = 0; i < c->threads; i++)
		job[i].e = e;
	if (!f->why)
		in_child(one_run, &t);
}

bool report_refused(const struct cell *c, const struct figures *f)
{
	bool sound = true;
	unsigned int k;

	for (k = 0; k < c->nr_engines; k++) {
		if (!f[k].why)
			continue;
		emit_unreported(c, c->engines[k], &f[k]);
		if (!strncmp(c->engines[k]->name, "nbread", 6) || strstr(f[k].why, "wrong bytes"))
			sound = false;
	}
	return sound;
}

static bool is_sequential(const struct cell *c)
{
	return !strcmp(c->workload, "cold_sequential");
}

static void set_up(const struct cell *c, struct files *files)
{
	bool cold = strcmp(c->workload, "cached_random");
	unsigned int i;

	files_open(files, c->where, c->nr_files, c->nr_files > 1 ? EACH_FILE : ONE_FILE);
	if (cold)
		files_advise(files, is_sequential(c));
	else
		files_warm(files);
	for (i = 0; i < c->threads; i++) {
		job[i].files = files;
		job[i].depth = c->depth;
		job[i].cold = cold;
		job[i].nr_ops = c->ops;
		job[i].ops = shared_memory(c->ops * sizeof(*job[i].ops));
	}
}

void measure(const struct cell *c, struct figures *f)
{
	bool sequential = is_sequential(c);
	struct files files;
	unsigned int i, k, turn, order[MAX_ENGINES];

	counted = clock_counts_instructions();
	set_up(c, &files);
	for (turn = 0; turn < c->runs; turn++) {
		plan(c, &files, turn, sequential);
		plan_order(order, c->nr_engines, turn);
		for (k = 0; k < c->nr_engines; k++)
			take_turn(c, c->engines[order[k]], turn, &f[order[k]]);
	}
	for (i = 0; i < c->threads; i++)
		munmap(job[i].ops, c->ops * sizeof(*job[i].ops));
	files_close(&files);
}

bool measure_and_report(const struct cell *c)
{
	struct figures *f = shared_memory(c->nr_engines * sizeof(*f));
	unsigned int k;
	bool sound;

	measure(c, f);
	for (k = 0; k < c->nr_engines; k++) {
		if (!f[k].why)
			emit(c, c->workload, c->engines[k], &f[k], c->ops * c->threads);
	}
	sound = report_refused(c, f);
	munmap(f, c->nr_engines * sizeof(*f));
	return sound;
}

static void make_file(const char *prefix, const char *suffix)
{
	char name[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s.%s", prefix, suffix);
	f = fopen(name, "we");
	if (!f || fclose(f))
		nbtest_fatal("bench: %s: %m", name);
}

int measure_steady(const struct cell *c, const char *prefix)
{
	struct job *j = &job[0];
	struct files files;
	unsigned int i;
	char go[512];
	int ret;

	snprintf(go, sizeof(go), "%s.go", prefix);
	set_up(c, &files);
	j->e = c->engines[0];
	plan(c, &files, 0, is_sequential(c));
	if (j->cold)
		files_evict(&files);
	ret = job_open(j);
	/* So often that each folio is known to be in use. */
	for (i = 0; !ret && !j->cold && i < 4; i++)
		ret = drive_batches(j);
	if (!ret) {
		make_file(prefix, "ready");
		/* The other side is a script on the host. */
		while (access(go, F_OK))
			usleep(10000);
		if (j->cold)
			ret = drive_stream(j, 0, false);
		while (!ret && !j->cold && !access(go, F_OK))
			ret = drive_batches(j);
		job_close(j);
	}
	if (ret)
		fprintf(stderr, "bench: %s: %s: %s\n", j->e->name, j->why ? j->why : "it failed",
			strerror(j->err));
	make_file(prefix, "done");
	files_close(&files);
	return ret;
}
