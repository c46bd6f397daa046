// SPDX-License-Identifier: GPL-2.0-only
/*
 * A seeded mix of reads, equal to pread(2), while other threads write, append,
 * truncate, extend, punch and drop caches.
 *
 *	mix [--reads N] [--seed S] [--dir DIR | --dev DEV] [--engine NAME]
 *	mix --self-test
 *
 * Without --dir and --dev: $NBREAD_MNT, else $NBREAD_DEV. DEV is overwritten.
 * The seed fixes what each thread asks for, not how the threads interleave (an
 * offset depends on the file's size at that time). Exit status 0, 1 (a wrong
 * answer, or none that could have been wrong), or 2 (wrong use). lib/model.h says what is
 * provable and on what that rests. NAME: nbread (default), nbread_sqwq and nbread_sqthread
 * (a ring of that kind), pread, or one of the engines that give wrong answers (lib/engine.c), with
 * which --self-test shows that the checker can fail.
 */
#include "lib/choose.h"
#include "lib/engine.h"
#include "lib/files.h"
#include "lib/model.h"
#include "lib/mutate.h"
#include "lib/selftest.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/nbread.h>

#define DEPTH 32
#define ARENA (MAX_READ + 8192)

static struct slot {
	struct answer a;
	bool busy;
	unsigned char *arena;
} slots[DEPTH];

static struct {
	const struct engine *engine;
	struct files files;
	struct rng rng;
	uint64_t seed;
	uint64_t reads, issued, completed;
	unsigned int flying;
	bool failed;
	uint64_t kinds[KINDS], asked, vecs;
	uint64_t hits, waited, punted, missed, eagain, shorts, zeroes, raced;
} mix;

static void mismatch(const struct answer *a, const char *text)
{
	/* The first one says it all: later ones may be its children. */
	if (mix.failed)
		return;
	mix.failed = true;
	printf("# first mismatch: %s\n", text);
	printf("# seed %llu, read number %llu, kind %s%s, %s %u (size now %llu%s), offset %llu, length %u, res %d, flags %#x\n",
	       (unsigned long long)mix.seed, (unsigned long long)a->number, kind_name[a->kind],
	       a->vec ? " with vectors" : "", a->m->window ? "window" : "file", a->m->id,
	       (unsigned long long)model_size(a->m), a->m->quiet ? ", quiet" : "",
	       (unsigned long long)a->off, a->len, a->res, a->flags);
}

static void answered(struct slot *s)
{
	struct answer *a = &s->a;
	struct fault why;

	if (!model_check(a, &why) || !buffer_check(a, &why))
		mismatch(a, why.text);
	mix.hits += !!(a->flags & NBREAD_CQE_HIT);
	mix.waited += !!(a->flags & NBREAD_CQE_WAITED);
	mix.punted += !!(a->flags & NBREAD_CQE_PUNTED);
	mix.missed += a->kind != KIND_ASYNC &&
		      (a->flags & (NBREAD_CQE_WAITED | NBREAD_CQE_PUNTED) || a->res == -EAGAIN);
	mix.eagain += a->res == -EAGAIN;
	mix.raced += why.raced;
	mix.zeroes += a->res == 0;
	mix.shorts += a->res > 0 && (uint32_t)a->res < a->len;
	mix.asked += a->len;
	mix.completed++;
	s->busy = false;
	mutate_tick();
}

/* user_data: the read's number and the slot, so that a second completion is seen. */
static void done(uint64_t user_data, int res, unsigned int flags)
{
	struct slot *s = &slots[user_data % DEPTH];

	if (!s->busy || s->a.number != user_data / DEPTH) {
		s->a.res = res;
		s->a.flags = flags;
		mismatch(
			&s->a,
			"a completion for a read that is not in flight (the last one of its slot is shown)");
		return;
	}
	s->a.res = res;
	s->a.flags = flags;
	mix.flying--;
	answered(s);
}

/*
 * One buffer or several, with canaries around each. File offset and address
 * agree modulo 8 (see model.h), except where nobody writes.
 */
static void place(struct slot *s, struct rng *r)
{
	struct answer *a = &s->a;
	unsigned char *p = s->arena + CANARY;
	uint32_t left = a->len;
	uint32_t n;

	p += a->m->quiet ? rnd_below(r, 4096) : rnd_below(r, 512) * 8 + a->off % 8;
	a->niov = a->vec ? 1 + rnd_below(r, MAX_IOV) : 1;
	for (unsigned int i = 0; i < a->niov; i++) {
		n = i == a->niov - 1 ? left : rnd_below(r, left + 1);
		if (!a->m->quiet && i < a->niov - 1) {
			n = n / 8 * 8;
			if (i == 0 && n)
				n = n - a->off % 8;
		}
		a->iov[i].iov_base = p;
		a->iov[i].iov_len = n;
		left -= n;
		/* An empty or cut vector leaves the phase of the offset as it is. */
		p += n + (a->m->quiet ? 1 + rnd_below(r, 60) : 8 * (1 + rnd_below(r, 8)));
		if (!a->m->quiet)
			p += ((a->off + a->len - left) - (uintptr_t)p) % 8;
	}
}

static int choose_read(struct slot *s)
{
	struct answer *a = &s->a;
	/* Of its own: what a read asks for must not depend on what completed when. */
	struct rng own = { mix.seed * 1000003 + mix.issued };
	struct rng *r = &own;
	unsigned int fd = rnd(r) & 1;

	a->m = &mix.files.m[rnd_below(r, mix.files.n)];
	a->number = mix.issued++;
	a->have_flags = mix.engine->flags;
	a->flags = 0;
	a->len = rnd_below(r, 64) ? rnd_log(r, 20) + 1 : 0;
	if (a->len > a->m->max / 2 && a->m->window)
		a->len /= 2;
	a->off = choose_offset(a->m, r, a->len);
	choose_kind(a, r);
	place(s, r);
	buffer_poison(a);
	mix.kinds[a->kind]++;
	mix.vecs += a->vec;
	s->busy = true;
	model_sample(a->m, a);
	return a->m->fd[fd];
}

static struct slot *free_slot(void)
{
	struct slot *s = slots;

	while (s->busy)
		s++;
	return s;
}

/* Fills the queue up to a random depth; a TRY is collected and answered at once. */
static int issue(void)
{
	unsigned int depth = 1 + rnd_below(&mix.rng, DEPTH);
	unsigned int tries = 0;
	struct answer *try[DEPTH];
	struct slot *try_slot[DEPTH];
	int try_fd[DEPTH];
	struct slot *s;
	int ret, fd;

	while (mix.flying + tries < depth && mix.issued < mix.reads) {
		s = free_slot();
		fd = choose_read(s);
		if (s->a.kind == KIND_TRY) {
			try_slot[tries] = s;
			try_fd[tries] = fd;
			try[tries++] = &s->a;
			continue;
		}
		ret = mix.engine->queue(&s->a, fd, s->a.number * DEPTH + (s - slots));
		if (ret < 0)
			return ret;
		mix.flying++;
	}
	ret = mix.engine->submit();
	if (ret < 0 || !tries)
		return ret;
	ret = mix.engine->try_batch(try, try_fd, tries);
	while (ret >= 0 && tries)
		answered(try_slot[--tries]);
	return ret;
}

static void say_lost(int err)
{
	unsigned int i;

	printf("# %u of %llu reads never completed: %s\n", mix.flying,
	       (unsigned long long)mix.issued, strerror(-err));
	for (i = 0; i < DEPTH; i++) {
		if (slots[i].busy)
			mismatch(&slots[i].a, "no completion (res is of an earlier read)");
	}
	mix.failed = true;
}

static void run(void)
{
	unsigned int rounds;
	int ret;

	while (mix.completed < mix.reads && !mix.failed) {
		ret = issue();
		if (ret < 0) {
			printf("# %s: call failed: %s\n", mix.engine->name, strerror(-ret));
			mix.failed = true;
		}
		rounds = 1 + rnd_below(&mix.rng, 4);
		while (mix.flying && rounds-- && !mix.failed) {
			ret = mix.engine->reap(true, done);
			if (ret < 0)
				say_lost(ret);
		}
	}
	/* Nothing may come behind the last one. */
	if (!mix.failed && mix.engine->flags && mix.engine->reap(false, done) != 0)
		mix.failed = true;
}

static void report(const uint64_t counts[MUTATIONS], double seconds)
{
	unsigned int k;

	printf("# reads: %llu", (unsigned long long)mix.completed);
	for (k = 0; k < KINDS; k++)
		printf("%s%llu %s", k ? ", " : " (", (unsigned long long)mix.kinds[k],
		       kind_name[k]);
	printf("; %llu with vectors), mean length %llu, %llu short, %llu at end of file, %llu -EAGAIN\n",
	       (unsigned long long)mix.vecs,
	       (unsigned long long)(mix.completed ? mix.asked / mix.completed : 0),
	       (unsigned long long)mix.shorts, (unsigned long long)mix.zeroes,
	       (unsigned long long)mix.eagain);
	if (mix.engine->flags)
		printf("# hits: %llu, waited: %llu, punted: %llu\n", (unsigned long long)mix.hits,
		       (unsigned long long)mix.waited, (unsigned long long)mix.punted);
	printf("# reads that a mutation overlapped with: %llu\n", (unsigned long long)mix.raced);
	printf("# mutations:");
	for (k = 0; k < MUTATIONS; k++)
		printf("%s %llu %s", k ? "," : "", (unsigned long long)counts[k], mutation_name[k]);
	printf("; %.1f s\n", seconds);
}

/* A mix in which something never came up proves nothing of it. */
static const char *vacuous(void)
{
	if (!mix.raced)
		return "no mutation overlapped with a read";
	if (!mix.engine->flags)
		return NULL;
	if (!mix.hits && (!mix.files.m[0].worker || strstr(mix.engine->name, "sqwq")))
		return "no read was a hit";
	return mix.missed ? NULL : "no read was a miss";
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int mix_on(const char *dir, const char *dev)
{
	uint64_t counts[MUTATIONS];
	char served[64] = "?";
	double began;
	unsigned int i;
	int ret;

	printf("1..1\n# seed %llu, %llu reads, engine %s\n", (unsigned long long)mix.seed,
	       (unsigned long long)mix.reads, mix.engine->name);
	for (i = 0; i < DEPTH; i++) {
		slots[i].arena = aligned_alloc(4096, ARENA);
		if (!slots[i].arena)
			return 1;
	}
	ret = mix.engine->init(DEPTH, mix.seed);
	if (ret < 0) {
		printf("Bail out! %s cannot be set up: %s\n", mix.engine->name, strerror(-ret));
		return 1;
	}
	if (dev ? files_on_device(&mix.files, dev) : files_in_dir(&mix.files, dir)) {
		printf("Bail out! no files to read\n");
		return 1;
	}
	for (i = mix.files.n; i--;)
		mix.files.m[i].worker =
			mix.engine->served(mix.files.m[i].fd[0], served, sizeof(served)) == 1;
	printf("# %s: %s\n", mix.files.kind, served);
	mix.rng.state = mix.seed;
	/* Dropping all caches is for a machine that is there for the test. */
	began = now();
	if (mutate_start(mix.files.m, mix.files.n, mix.seed, getenv("NBREAD_VM") != NULL))
		return 1;
	run();
	mutate_stop(counts);
	report(counts, now() - began);
	if (!mix.failed && vacuous()) {
		printf("# %s\n", vacuous());
		mix.failed = true;
	}
	printf("%s integrity_mix_on_%s_is_equal_to_pread\n", mix.failed ? "not ok" : "ok",
	       mix.files.kind);
	mix.engine->exit();
	files_close(&mix.files);
	for (i = 0; i < DEPTH; i++)
		free(slots[i].arena);
	return mix.failed;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "reads", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "dir", required_argument, NULL, 'd' },
		{ "dev", required_argument, NULL, 'b' },
		{ "engine", required_argument, NULL, 'e' },
		{ "self-test", no_argument, NULL, 't' },
		{ 0 },
	};
	const char *dir = getenv("NBREAD_MNT");
	const char *dev = getenv("NBREAD_DEV");
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (dir && *dir)
		dev = NULL;
	mix.engine = engine_find("nbread");
	mix.reads = 20000;
	mix.seed = time(NULL);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 't')
			return selftest();
		if (c == 'n')
			mix.reads = strtoull(optarg, NULL, 0);
		else if (c == 's')
			mix.seed = strtoull(optarg, NULL, 0);
		else if (c == 'd')
			dir = optarg, dev = NULL;
		else if (c == 'b')
			dev = optarg;
		else if (c == 'e')
			mix.engine = engine_find(optarg);
		if (c == '?' || !mix.engine)
			return 2;
	}
	if ((!dir || !*dir) && !dev) {
		fprintf(stderr, "mix: say what to read: --dir DIR or --dev DEV\n");
		return 2;
	}
	return mix_on(dir, dev);
}
