// SPDX-License-Identifier: GPL-2.0-only
/* Writes, appends, extends, truncates, punches, clones, drops caches; see mutate.h. */
#include "mutate.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MUTATORS 2
#define MAX_WRITE (128u << 10)
#define LEAST_SIZE (64u << 10)
#define BLOCK 4096u

const char *const mutation_name[MUTATIONS] = { "writes",  "appends", "extensions", "truncates",
					       "punches", "clones",  "drops" };

static struct {
	struct model *models;
	unsigned int n;
	bool stop;
	bool drop_all;
	struct worker {
		pthread_t thread;
		sem_t go;
		unsigned int index;
		struct rng rng;
		uint64_t counts[MUTATIONS];
	} worker[MUTATORS + 1]; /* the last one drops caches */
	uint64_t ticks;
} mut;

static void failed(const struct model *m, const char *what)
{
	printf("Bail out! file %u: %s: %s\n", m->id, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/*
 * Opened for writing at the first mutation, where it was not before: then overlayfs
 * copies it up, under readers that have it open since it was in the lower layer.
 */
static int writer(struct model *m)
{
	if (m->wfd < 0)
		__atomic_store_n(&m->wfd, open(m->name, O_RDWR | O_CLOEXEC), __ATOMIC_RELEASE);
	if (m->wfd < 0)
		failed(m, "open for writing");
	return m->wfd;
}

static void write_units(struct model *m, uint64_t from, uint64_t to, void *buf)
{
	uint64_t size = to > model_size(m) ? to : model_size(m);
	uint32_t seq = model_begin(m, from, to, false, size);
	ssize_t n;

	model_fill(m, from, to - from, seq, buf);
	n = pwrite(writer(m), buf, to - from, m->start + from);
	if (n != (ssize_t)(to - from))
		failed(m, n < 0 ? "pwrite" : "pwrite wrote less than asked");
	model_end(m, seq, from, to, false);
}

static void resize(struct model *m, uint64_t size)
{
	bool shrinks = size < model_size(m);
	uint64_t from = shrinks ? size : 0;
	uint64_t to = shrinks ? m->max : 0;
	uint32_t seq = model_begin(m, from, to, true, size);

	if (ftruncate(writer(m), size))
		failed(m, "ftruncate");
	model_end(m, seq, from, to, true);
}

static void punch(struct model *m, uint64_t from, uint64_t to)
{
	uint32_t seq = model_begin(m, from, to, true, model_size(m));

	if (fallocate(writer(m), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from))
		failed(m, "fallocate(PUNCH_HOLE)");
	model_end(m, seq, from, to, true);
}

/* What a write would have put there, by way of another file whose blocks it gets (reflink). */
static void reflink(struct model *m, uint64_t from, uint64_t to, void *buf)
{
	struct file_clone_range range = { m->clone_fd, 0, to - from, from };
	uint32_t seq = model_begin(m, from, to, false, model_size(m));

	model_fill(m, from, to - from, seq, buf);
	if (pwrite(m->clone_fd, buf, to - from, 0) != (ssize_t)(to - from) ||
	    ioctl(writer(m), FICLONERANGE, &range))
		failed(m, "FICLONERANGE");
	model_end(m, seq, from, to, false);
}

static uint64_t units_up(uint64_t n)
{
	return (n + UNIT - 1) / UNIT * UNIT;
}

static enum mutation choose(const struct model *m, struct rng *r, uint64_t size)
{
	unsigned int dice = rnd_below(r, 100);

	if (m->clone_fd >= 0 && dice < 8 && size >= BLOCK)
		return MUT_CLONE;
	if (m->window || (dice < 50 && size >= UNIT))
		return MUT_WRITE;
	if (size < LEAST_SIZE || (dice < 70 && size + 2 * MAX_WRITE < m->max))
		return dice & 1 || size < UNIT ? MUT_APPEND : MUT_EXTEND;
	return dice < 85 || m->no_punch ? MUT_TRUNCATE : MUT_PUNCH;
}

void mutate_once(struct model *m, struct rng *r, uint64_t counts[MUTATIONS], void *buf)
{
	uint64_t size = model_size(m);
	uint64_t len = UNIT + rnd_log(r, 17) / UNIT * UNIT;
	enum mutation what = choose(m, r, size);
	uint64_t from, to;

	if (len > MAX_WRITE)
		len = MAX_WRITE;
	switch (what) {
	case MUT_WRITE:
	case MUT_PUNCH:
		from = rnd_below(r, size) / UNIT * UNIT;
		to = from + len < m->max ? from + len : m->max;
		/* Appending is the other case's task, but a write may end beyond EOF. */
		if (what == MUT_WRITE)
			write_units(m, from, to, buf);
		else
			punch(m, from, to);
		break;
	case MUT_CLONE: /* whole blocks */
		from = rnd_below(r, size / BLOCK) * BLOCK;
		to = (from + len + BLOCK - 1) / BLOCK * BLOCK;
		to = to < from + MAX_WRITE ? to : from + MAX_WRITE;
		reflink(m, from, to < size ? to : size / BLOCK * BLOCK, buf);
		break;
	case MUT_APPEND: /* half of them leave a hole */
		from = units_up(size) + (rnd(r) & 1 ? rnd_log(r, 16) / UNIT * UNIT : 0);
		write_units(m, from, from + len, buf);
		break;
	case MUT_EXTEND:
		resize(m, size + len / 8 * 8 + 8 * rnd_below(r, UNIT / 8));
		break;
	default: /* mostly near the end, where readers cross it */
		from = rnd_below(r, 8) ? size - rnd_below(r, size < MAX_WRITE ? size : MAX_WRITE) :
					 rnd_below(r, size);
		resize(m, from / 8 * 8);
	}
	counts[what]++;
}

static void drop_all(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "1", 1) != 1) {
		printf("Bail out! /proc/sys/vm/drop_caches: %s\n", strerror(errno));
		_exit(1);
	}
	close(fd);
}

/*
 * To swap, where there is some: these pages are no other file's, and clean ones are
 * the only copy. They have to be mapped for that, and by nobody else.
 */
static void page_out(const struct model *m, uint64_t from, uint64_t len)
{
	void *p;

	from -= from % 4096;
	p = mmap(NULL, len, PROT_READ, MAP_SHARED, m->fd[0], from);
	if (p == MAP_FAILED)
		failed(m, "mmap");
	/* Behind the end of the file, which moves, there are none to be mapped. */
	madvise(p, len, MADV_POPULATE_READ);
	madvise(p, len, MADV_PAGEOUT);
	munmap(p, len);
}

static void drop(struct worker *w)
{
	struct model *m = &mut.models[rnd_below(&w->rng, mut.n)];
	uint64_t from = rnd_below(&w->rng, m->max);
	uint64_t len = m->max - from;
	int wfd = __atomic_load_n(&m->wfd, __ATOMIC_ACQUIRE);

	/* A part of the file, or all from there on. Only clean pages can be dropped. */
	if (rnd(&w->rng) & 1)
		len = rnd_below(&w->rng, len) + 1;
	if (m->pageout)
		page_out(m, from, len);
	if (!m->quiet && rnd(&w->rng) & 1 && wfd >= 0 &&
	    sync_file_range(wfd, m->start + from, len,
			    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER))
		failed(m, "sync_file_range");
	errno = posix_fadvise(m->fd[0], m->start + from, len, POSIX_FADV_DONTNEED);
	if (errno)
		failed(m, "posix_fadvise");
	if (mut.drop_all && !rnd_below(&w->rng, 64))
		drop_all();
	w->counts[MUT_DROP]++;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	void *buf = aligned_alloc(4096, MAX_WRITE);
	struct model *m;

	if (!buf)
		abort();
	for (;;) {
		while (sem_wait(&w->go))
			;
		if (__atomic_load_n(&mut.stop, __ATOMIC_ACQUIRE))
			break;
		if (w->index == MUTATORS) {
			drop(w);
			continue;
		}
		m = &mut.models[rnd_below(&w->rng, mut.n)];
		/* Each file has one mutator. */
		if (!m->quiet && m->id % MUTATORS == w->index)
			mutate_once(m, &w->rng, w->counts, buf);
		else
			sem_post(&w->go);
	}
	free(buf);
	return NULL;
}

int mutate_start(struct model *models, unsigned int n, uint64_t seed, bool drop_everything)
{
	unsigned int i;

	mut.models = models;
	mut.n = n;
	mut.drop_all = drop_everything;
	for (i = 0; i <= MUTATORS; i++) {
		mut.worker[i].index = i;
		mut.worker[i].rng.state = seed * 31 + i + 1;
		if (sem_init(&mut.worker[i].go, 0, 0) ||
		    pthread_create(&mut.worker[i].thread, NULL, run, &mut.worker[i]))
			return -1;
	}
	return 0;
}

/* A read completed: a mutation is due, and now and then a drop. */
void mutate_tick(void)
{
	sem_post(&mut.worker[mut.ticks % MUTATORS].go);
	if (mut.ticks++ % 8 == 0)
		sem_post(&mut.worker[MUTATORS].go);
}

void mutate_stop(uint64_t counts[MUTATIONS])
{
	unsigned int i, k;

	__atomic_store_n(&mut.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i <= MUTATORS; i++)
		sem_post(&mut.worker[i].go);
	memset(counts, 0, sizeof(*counts) * MUTATIONS);
	for (i = 0; i <= MUTATORS; i++) {
		pthread_join(mut.worker[i].thread, NULL);
		for (k = 0; k < MUTATIONS; k++)
			counts[k] += mut.worker[i].counts[k];
	}
}
