// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mix that the non-blocking buffered reads were published with: a program reads by
 * three ways at once, 16 KiB at a time, each its own file and its own instance of the engine.
 *
 *	f1	random, mostly cached: Zipf's law over a file of which the most wanted
 *		blocks, 70.63 % of the reads (the share that was published), are resident
 *	f2	random, each block once, not cached
 *	f3	sequential, not cached
 *
 * A run is a span of time, at the end of which each counts what it has; it ends early when all
 * of f2 or f3 has been read, since a second time it would be cached. 'Hits' are the reads of f1
 * whose block was resident before the run, for every engine alike.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nbtest.h"

#define WAYS 3
#define LEN (16u << 10)
#define OPS 65536u
#define THETA 0.9
#define SHARE 0.7063
#define VERIFY_NS (20 * UINT64_C(1000000))

static struct {
	const char *name;
	uint64_t size;
	unsigned int depth;
} const way[WAYS] = {
	/* The sizes tell the files apart. */
	{ "mix_f1", 254u << 20, 32 },
	{ "mix_f2", 128u << 20, 32 },
	{ "mix_f3", 127u << 20, 1 },
};

static struct files file[WAYS];
static struct job job[WAYS];
static pthread_barrier_t start;
static _Atomic uint64_t until;

static void *way_thread(void *arg)
{
	struct job *j = arg;
	long ret = job_open(j);
	bool opened = !ret;

	pthread_barrier_wait(&start); /* the clock is started */
	pthread_barrier_wait(&start);
	if (!ret)
		ret = drive_stream(j, &until, false);
	pthread_barrier_wait(&start);
	if (opened)
		job_close(j);
	return (void *)ret;
}

/* What is hot is in the page cache, nothing else is. */
static void prepare(void)
{
	unsigned int blocks = (unsigned int)(file[0].size / LEN);
	unsigned char *seen = calloc(blocks, 1);
	unsigned char *buf = malloc(LEN);
	unsigned int i;
	struct op *op;

	if (!seen || !buf)
		nbtest_fatal("bench: no memory");
	for (i = 0; i < WAYS; i++) {
		files_evict(&file[i]);
		job_buffers(&job[i]);
	}
	for (i = 0; i < job[0].nr_ops; i++) {
		op = &job[0].ops[i];
		if (!op->hot || seen[op->off / LEN]++)
			continue;
		if (pread(op->fd, buf, LEN, (off_t)op->off) != LEN)
			nbtest_fatal("bench: mix: %s", strerror(errno));
	}
	free(seen);
	free(buf);
}

/* @span: how long it may take, and how long it took. */
static int run(const struct engine *e, uint64_t *span, struct take *t, struct figures *f)
{
	pthread_t thread[WAYS];
	uint64_t began;
	unsigned int i;
	int bad = 0;
	void *ret;

	prepare();
	pthread_barrier_init(&start, NULL, WAYS + 1);
	for (i = 0; i < WAYS; i++) {
		job[i].e = e;
		if (pthread_create(&thread[i], NULL, way_thread, &job[i]))
			nbtest_fatal("bench: no thread");
	}
	pthread_barrier_wait(&start);
	take_begin(t, true);
	began = now_ns();
	until = began + *span;
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&start);
	take_end(t, true);
	*span = until - began;
	for (i = 0; i < WAYS; i++) {
		pthread_join(thread[i], &ret);
		if (!ret)
			continue;
		bad = -1;
		refuse(f, &job[i]);
	}
	pthread_barrier_destroy(&start);
	return bad;
}

static void note(const struct take *t, uint64_t span, struct figures *f)
{
	uint64_t all = job[0].nr_reaped + job[1].nr_reaped + job[2].nr_reaped;
	double s = (double)span / 1e9;
	unsigned int i;

	for (i = 0; i < WAYS; i++) {
		f[i].runs++;
		f[i].ops = (unsigned int)job[i].nr_ended;
		figure(&f[i], OPS_PER_S, (double)job[i].nr_ended / s);
		figure(&f[i], BANDWIDTH_KIB_S, (double)job[i].nr_ended * LEN / 1024 / s);
		/* These two are of the whole program. */
		figure(&f[i], CPU_NS_PER_OP, (double)t->cpu / (double)all);
		figure(&f[i], CONTEXT_SWITCHES, (double)t->switches);
		figure(&f[i], MACHINE_SWITCHES, (double)t->all_switches);
		if (t->machine)
			figure(&f[i], MACHINE_CPU_NS_PER_OP, (double)t->machine / (double)all);
		if (job[i].e->flags & E_TELLS_HITS)
			figure(&f[i], INLINE_SHARE,
			       (double)job[i].inline_hits / (double)job[i].nr_reaped);
		if (!i)
			figure(&f[i], HOT_SHARE, (double)job[i].nr_hot / (double)job[i].nr_reaped);
		figure_latency(&f[i], LAT_P10_NS, job[i].lat, job[i].nr_lat);
		figure_latency(&f[i], HIT_P10_NS, job[i].hit_lat, job[i].nr_hit_lat);
	}
}

static void one_run(const struct turn *t)
{
	uint64_t span = t->cell->ops * UINT64_C(1000000), verify = VERIFY_NS;
	struct take took;
	unsigned int i;
	int ret = 0;

	if (!t->nr) {
		for (i = 0; i < WAYS; i++)
			job[i].verify = true;
		ret = run(t->engine, &verify, &took, t->figures);
		for (i = 0; i < WAYS; i++)
			job[i].verify = false;
	}
	if (!ret && !run(t->engine, &span, &took, t->figures))
		note(&took, span, t->figures);
}

static void open_ways(const struct cell *c)
{
	unsigned int i, n;

	for (i = 0; i < WAYS; i++) {
		n = i ? (unsigned int)(way[i].size / LEN) : OPS;
		files_open(&file[i], c->where, 1, way[i].size);
		files_advise(&file[i], i == 2);
		job[i] = (struct job){ .files = &file[i],
				       .depth = way[i].depth,
				       .cold = true,
				       .once = i > 0,
				       .nr_ops = n,
				       .mem = job[i].mem,
				       .ops = shared_memory(n * sizeof(struct op)),
				       .lat = calloc(n, sizeof(uint32_t)),
				       .hit_lat = calloc(n, sizeof(uint32_t)) };
		if (!job[i].lat || !job[i].hit_lat)
			nbtest_fatal("bench: no memory");
	}
	plan_zipf(job[0].ops, OPS, &file[0], LEN, 1, THETA, SHARE);
	plan_once(job[1].ops, job[1].nr_ops, &file[1], LEN, 0);
	plan_sequence(job[2].ops, job[2].nr_ops, &file[2], LEN);
}

bool measure_mix(const struct cell *c)
{
	struct figures(*f)[WAYS] = shared_memory(c->nr_engines * sizeof(*f));
	struct figures *first = calloc(c->nr_engines, sizeof(*first));
	struct cell of = *c;
	unsigned int i, k, turn, order[MAX_ENGINES];
	bool sound;

	if (!first)
		nbtest_fatal("bench: no memory");
	open_ways(c);
	for (turn = 0; turn < c->runs; turn++) {
		plan_order(order, c->nr_engines, turn);
		for (k = 0; k < c->nr_engines; k++) {
			unsigned int at = order[k];
			struct turn t = { c, c->engines[at], turn, f[at] };

			if (!f[at][0].why)
				in_child(one_run, &t);
		}
	}
	for (k = 0; k < c->nr_engines; k++) {
		first[k] = f[k][0];
		first[k].why = f[k][0].why ? first[k].text : NULL;
		for (i = 0; !first[k].why && i < WAYS; i++) {
			of.len = LEN;
			of.depth = way[i].depth;
			emit(&of, way[i].name, c->engines[k], &f[k][i], f[k][i].ops);
		}
	}
	sound = report_refused(c, first);
	for (i = 0; i < WAYS; i++) {
		munmap(job[i].ops, job[i].nr_ops * sizeof(struct op));
		free(job[i].lat);
		free(job[i].hit_lat);
		files_close(&file[i]);
	}
	free(first);
	munmap(f, c->nr_engines * sizeof(*f));
	return sound;
}
