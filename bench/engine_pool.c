// SPDX-License-Identifier: GPL-2.0-only
/*
 * What servers without an asynchronous read do: ask the page cache by RWF_NOWAIT, and hand
 * what is missing to a bounded pool of threads.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_THREADS MAX_DEPTH

struct pool {
	pthread_t thread[MAX_THREADS];
	unsigned int nr_threads;
	pthread_mutex_t lock;
	pthread_cond_t work, ended;
	struct op *todo[MAX_DEPTH];
	unsigned int head, tail;
	struct op *end[MAX_DEPTH];
	long res[MAX_DEPTH];
	unsigned int nr_ended, wanted;
	bool stop;
};

static void *pool_thread(void *arg)
{
	struct pool *p = arg;
	struct op *op;
	ssize_t got;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->head == p->tail && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->head == p->tail)
			break;
		op = p->todo[p->head++ % MAX_DEPTH];
		pthread_mutex_unlock(&p->lock);
		got = pread(op->fd, op->buf, op->len, (off_t)op->off);
		if (got < 0)
			got = -errno;
		pthread_mutex_lock(&p->lock);
		p->res[p->nr_ended] = got;
		p->end[p->nr_ended++] = op;
		if (p->nr_ended == p->wanted)
			pthread_cond_signal(&p->ended);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void close_pool(struct job *j)
{
	struct pool *p = j->priv;
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->nr_threads; i++)
		pthread_join(p->thread[i], NULL);
	free(p);
}

static int open_pool(struct job *j)
{
	struct pool *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return job_fail(j, "memory", ENOMEM);
	j->priv = p;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->ended, NULL);
	for (; p->nr_threads < j->depth && p->nr_threads < MAX_THREADS; p->nr_threads++) {
		ret = pthread_create(&p->thread[p->nr_threads], NULL, pool_thread, p);
		if (ret) {
			close_pool(j);
			return job_fail(j, "pthread_create", ret);
		}
	}
	return 0;
}

/* All misses of a call at once, and none is woken to a lock that we hold. */
static void hand_over(struct pool *p, struct op *const *missed, unsigned int nr)
{
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	for (i = 0; i < nr; i++)
		p->todo[p->tail++ % MAX_DEPTH] = missed[i];
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < nr; i++)
		pthread_cond_signal(&p->work);
}

static int run_pool(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct pool *p = j->priv;
	struct op *end = op + n, *missed[MAX_DEPTH];
	unsigned int i, nr_missed = 0;
	struct iovec iov;
	ssize_t got;

	for (; op < end; op++) {
		iov.iov_base = op->buf;
		iov.iov_len = op->len;
		got = preadv2(op->fd, &iov, 1, (off_t)op->off, RWF_NOWAIT);
		if (got == (ssize_t)op->len) {
			op_ended(j, op, got);
			j->inline_hits++;
		} else if (got >= 0 || errno == EAGAIN || errno == EOPNOTSUPP) {
			/* The rest of a read of which a part was cached costs as much as all of it. */
			missed[nr_missed++] = op;
		} else {
			op_ended(j, op, -errno);
		}
	}
	if (nr_missed)
		hand_over(p, missed, nr_missed);
	pthread_mutex_lock(&p->lock);
	if (j->nr_done < min) {
		p->wanted = min - j->nr_done;
		while (p->nr_ended < p->wanted)
			pthread_cond_wait(&p->ended, &p->lock);
		p->wanted = 0;
	}
	for (i = 0; i < p->nr_ended; i++)
		op_ended(j, p->end[i], p->res[i]);
	p->nr_ended = 0;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

const struct engine engine_pool = { "pool", E_TELLS_HITS, open_pool, run_pool, close_pool };
