// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four ways to read many chunks of many files. Each counts itself what it can
 * know; time, threads and context switches are taken by the caller.
 */
#include "demo.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <liburing.h>
#include <sys/uio.h>
#include <libnbread.h>

static int wrong(struct pass *p, long res)
{
	p->why = res < 0 ? strerror(-res) : "end of file within the file";
	return -1;
}

static unsigned char *place(const struct chunk *c)
{
	return c->file->data + c->off;
}

static void advance(struct chunk *c, size_t n)
{
	c->off += n;
	c->len -= n;
}

/* Blocking; 0 or -errno. */
static int read_rest(struct chunk c)
{
	ssize_t n;

	while (c.len) {
		n = pread(c.file->fd, place(&c), c.len, c.off);
		if (n <= 0)
			return n ? -errno : -ENODATA;
		advance(&c, n);
	}
	return 0;
}

static int no_init(void)
{
	return 0;
}

static void no_exit(void)
{
}

static int run_pread(const struct chunks *c, struct pass *p)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < c->n; i++)
		ret = read_rest(c->chunk[i]);
	return ret ? wrong(p, ret) : 0;
}

/*
 * The pattern of servers without an asynchronous read: ask the page cache by
 * RWF_NOWAIT, and hand what is missing to a pool of threads.
 */
static struct {
	pthread_t thread[DEPTH];
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	struct chunk queue[DEPTH];
	unsigned int head, tail, busy;
	bool stop;
	int error;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
};

static void *pool_thread(void *arg)
{
	struct chunk c;
	int ret;

	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (pool.head == pool.tail && !pool.stop)
			pthread_cond_wait(&pool.work, &pool.lock);
		if (pool.head == pool.tail)
			break;
		c = pool.queue[pool.head++ % DEPTH];
		pthread_mutex_unlock(&pool.lock);
		ret = read_rest(c);
		pthread_mutex_lock(&pool.lock);
		if (ret)
			pool.error = ret;
		pool.busy--;
		pthread_cond_signal(&pool.idle);
	}
	pthread_mutex_unlock(&pool.lock);
	return arg;
}

static int pool_init(void)
{
	unsigned int i;
	int ret = 0;

	pool.stop = false;
	pool.error = 0;
	for (i = 0; !ret && i < DEPTH; i++)
		ret = pthread_create(&pool.thread[i], NULL, pool_thread, NULL);
	return -ret;
}

static void pool_exit(void)
{
	unsigned int i;

	pthread_mutex_lock(&pool.lock);
	pool.stop = true;
	pthread_cond_broadcast(&pool.work);
	pthread_mutex_unlock(&pool.lock);
	for (i = 0; i < DEPTH; i++)
		pthread_join(pool.thread[i], NULL);
}

/* At most DEPTH chunks are with the pool at a time. */
static void pool_wait_below(unsigned int most)
{
	while (pool.busy >= most)
		pthread_cond_wait(&pool.idle, &pool.lock);
}

static int run_pool(const struct chunks *c, struct pass *p)
{
	struct chunk now;
	struct iovec iov;
	unsigned int i;
	ssize_t n;

	for (i = 0; i < c->n; i++) {
		now = c->chunk[i];
		iov = (struct iovec){ place(&now), now.len };
		n = preadv2(now.file->fd, &iov, 1, now.off, RWF_NOWAIT);
		if (n < 0 && errno != EAGAIN && errno != EOPNOTSUPP)
			return wrong(p, -errno);
		advance(&now, n > 0 ? n : 0);
		if (!now.len) {
			p->hits++;
			continue;
		}
		p->punted++;
		pthread_mutex_lock(&pool.lock);
		pool_wait_below(DEPTH);
		pool.queue[pool.tail++ % DEPTH] = now;
		pool.busy++;
		pthread_cond_signal(&pool.work);
		pthread_mutex_unlock(&pool.lock);
	}
	pthread_mutex_lock(&pool.lock);
	pool_wait_below(1);
	pthread_mutex_unlock(&pool.lock);
	return pool.error ? wrong(p, pool.error) : 0;
}

static struct io_uring uring;

static int uring_init(void)
{
	return io_uring_queue_init(DEPTH, &uring, 0);
}

static void uring_exit(void)
{
	io_uring_queue_exit(&uring);
}

static void uring_push(struct chunk *c)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);

	io_uring_prep_read(sqe, c->file->fd, place(c), c->len, c->off);
	io_uring_sqe_set_data(sqe, c);
}

static int run_uring(const struct chunks *c, struct pass *p)
{
	unsigned int next = 0;
	unsigned int flying = 0;
	struct io_uring_cqe *cqe;
	struct chunk *done;
	int ret;

	while (next < c->n || flying) {
		for (; next < c->n && flying < DEPTH; flying++)
			uring_push(&c->chunk[next++]);
		ret = io_uring_submit_and_wait(&uring, 1);
		if (ret < 0)
			return wrong(p, ret);
		while (!io_uring_peek_cqe(&uring, &cqe)) {
			done = io_uring_cqe_get_data(cqe);
			ret = cqe->res;
			io_uring_cqe_seen(&uring, cqe);
			if (ret <= 0)
				return wrong(p, ret);
			advance(done, ret);
			/* A short read is the caller's to go on with. */
			if (done->len)
				uring_push(done);
			else
				flying--;
		}
	}
	return 0;
}

static struct nbread ring;

static int nb_init(void)
{
	return nbread_queue_init(DEPTH, &ring, 0);
}

static void nb_exit(void)
{
	nbread_queue_exit(&ring);
}

static int run_nbread(const struct chunks *c, struct pass *p)
{
	unsigned int next = 0;
	unsigned int flying = 0;
	struct nbread_cqe *cqe;
	struct nbread_sqe *sqe;
	struct chunk *now;
	unsigned int head;
	unsigned int n;
	int ret;

	while (next < c->n || flying) {
		for (; next < c->n && flying < DEPTH; flying++) {
			now = &c->chunk[next++];
			sqe = nbread_get_sqe(&ring);
			nbread_prep_read(sqe, now->file->fd, place(now), now->len, now->off);
			nbread_sqe_set_data(sqe, now);
		}
		ret = nbread_submit_and_wait(&ring, 1);
		if (ret < 0)
			return wrong(p, ret);
		n = 0;
		nbread_for_each_cqe(&ring, head, cqe) {
			now = nbread_cqe_get_data(cqe);
			/* A read is whole, or it failed: there is nothing to go on with. */
			if (cqe->res != (int)now->len)
				return wrong(p, cqe->res);
			p->hits += !!(cqe->flags & NBREAD_CQE_HIT);
			p->waited += !!(cqe->flags & NBREAD_CQE_WAITED);
			p->punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
			n++;
		}
		nbread_cq_advance(&ring, n);
		flying -= n;
	}
	return 0;
}

const struct engine engines[] = {
	{ "pread, 1 thread", false, false, no_init, run_pread, no_exit },
	{ "preadv2 + 32 threads", true, false, pool_init, run_pool, pool_exit },
	{ "io_uring, depth 32", false, false, uring_init, run_uring, uring_exit },
	{ "nbread, depth 32", true, true, nb_init, run_nbread, nb_exit },
};

const unsigned int nr_engines = sizeof(engines) / sizeof(engines[0]);
