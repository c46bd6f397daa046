// SPDX-License-Identifier: MIT
/*
 * nbhttpd: reads by a pool of threads, as servers do it that cannot wait: a queue there, a
 * list of finished jobs back, an eventfd that wakes the loop. Jobs are handed over once a
 * turn, all under one lock, and the loop is woken once for all that finish together.
 *
 * 'try+pool' first asks preadv2(RWF_NOWAIT) and hands over only what it does not answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>
#include "nbhttpd.h"

static struct link work; /* of the loop: jobs of this turn */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER;
static struct link queue, done; /* below the lock */
static unsigned idle; /* likewise: threads that wait */
static int wake = -1;

static void *thread(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct conn *c;
		ssize_t n;

		while (link_empty(&queue)) {
			idle++;
			pthread_cond_wait(&wanted, &lock);
			idle--;
		}
		c = container(queue.next, struct conn, work);
		link_del(&c->work);
		pthread_mutex_unlock(&lock);

		do {
			n = pread(c->file->fd, c->buf, c->want, (off_t)c->off);
		} while (n < 0 && errno == EINTR);
		c->res = n < 0 ? -errno : (int)n;

		pthread_mutex_lock(&lock);
		if (link_empty(&done))
			eventfd_write(wake, 1);
		link_add_tail(&c->work, &done);
	}
	return NULL;
}

static int pool_start(void)
{
	pthread_attr_t attr;
	pthread_t t;
	unsigned i;
	int ret;

	link_init(&work);
	link_init(&queue);
	link_init(&done);
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0)
		die("eventfd", errno);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	for (i = 0; i < opt.threads; i++) {
		ret = pthread_create(&t, &attr, thread, NULL);
		if (ret)
			die("thread", ret);
	}
	pthread_attr_destroy(&attr);
	return wake;
}

static void pool_read(struct conn *c)
{
	link_add_tail(&c->work, &work);
}

static void hand_over(struct link *jobs)
{
	unsigned n = 0, sleeping;

	pthread_mutex_lock(&lock);
	while (!link_empty(jobs)) {
		struct link *l = jobs->next;

		link_del(l);
		link_add_tail(l, &queue);
		n++;
	}
	sleeping = idle;
	pthread_mutex_unlock(&lock);
	for (; n && sleeping; n--, sleeping--)
		pthread_cond_signal(&wanted);
}

static void take_back(void)
{
	eventfd_t count;
	struct link now;

	eventfd_read(wake, &count);
	pthread_mutex_lock(&lock);
	link_take(&done, &now);
	pthread_mutex_unlock(&lock);
	while (!link_empty(&now)) {
		struct conn *c = container(now.next, struct conn, work);

		link_del(&c->work);
		conn_read_done(c, c->res);
	}
}

static bool pool_flush(bool ready)
{
	if (!link_empty(&work)) {
		hand_over(&work);
		stats.calls++;
	}
	if (ready)
		take_back();
	return !link_empty(&work);
}

static bool try_pool_flush(bool ready)
{
	struct link now, missed;

	link_init(&missed);
	link_take(&work, &now);
	while (!link_empty(&now)) {
		struct conn *c = container(now.next, struct conn, work);
		struct iovec iov = { c->buf, c->want };
		ssize_t n = preadv2(c->file->fd, &iov, 1, (off_t)c->off, RWF_NOWAIT);

		link_del(&c->work);
		stats.calls++;
		if (n > 0) {
			/* A part will do: it is sent, and the rest asked for after it. */
			stats.hits++;
			conn_read_done(c, (int)n);
		} else {
			stats.punted++;
			link_add_tail(&c->work, &missed);
		}
	}
	if (!link_empty(&missed))
		hand_over(&missed);
	if (ready)
		take_back();
	return !link_empty(&work);
}

const struct engine pool_engine = {
	.name = "pool",
	.start = pool_start,
	.read = pool_read,
	.flush = pool_flush,
};

const struct engine try_pool_engine = {
	.name = "try+pool",
	.start = pool_start,
	.read = pool_read,
	.flush = try_pool_flush,
};
