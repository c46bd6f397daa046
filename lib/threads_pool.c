// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: the threads that read what is not at hand.
 *
 * They are made when there is more to do than threads wait for, up to the ring's limit,
 * and go after a while without work. They have small stacks, block every signal, and never
 * touch the file offset. What a thread does for a job that was cancelled meanwhile, or
 * whose ring is gone, is for nothing: see threads.h.
 */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include "threads.h"

/* How long a thread waits for work before it goes. */
#define IDLE_S 5
/* Beside what the C library needs: a read and its iovecs. */
#define STACK ((size_t)64 << 10)
/*
 * A blocking read that says -EAGAIN all the same is asked so many times, as by the module.
 * So is one that says -EINTR: no signal reaches these threads, but to be stopped, traced or
 * frozen wakes them as one would, and a FUSE server may then answer so.
 */
#define TRIES 8
/* Of a large read that misses; the rest follows when it is read. */
#define HINT_MAX (1U << 20)

/* A detached thread that no signal of the program is delivered to. */
int nbread_thr_spawn(void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN + STACK);
	ret = pthread_create(&thread, &attr, fn, arg);
	if (ret == EINVAL) {
		/* Much thread-local memory of the program: what the C library thinks right. */
		pthread_attr_destroy(&attr);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		ret = pthread_create(&thread, &attr, fn, arg);
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret ? -ENOMEM : 0;
}

/* A descriptor of the program may have been closed, and opened as another file. */
static bool same_file(int fd, __u64 dev, __u64 ino)
{
	struct nbread_sys_id st;

	return nbread_sys_stat(fd, &st) == 0 && st.dev == dev && st.ino == ino;
}

/* Bytes of the file into the thread's place of the arena: how many, 0 at the end, -errno. */
static ssize_t fetch(const struct nbread_thr_job *job, void *place)
{
	size_t left = job->len - job->done;
	struct iovec iov = { place, left < NBREAD_THR_CHUNK ? left : NBREAD_THR_CHUNK };
	int fd = job->file ? job->file->fd : job->fd, tries = 0;
	ssize_t ret;

	do {
		if (!job->file && !same_file(fd, job->dev, job->ino))
			return -EBADF;
		ret = nbread_sys_read(fd, &iov, 1, job->off + job->done, false);
	} while ((ret == -EAGAIN || ret == -EINTR) && ++tries < TRIES);
	/* Here too, since what was read must be of the file that was meant. */
	if (!job->file && !same_file(fd, job->dev, job->ino))
		return -EBADF;
	return ret == -EAGAIN ? -EIO : ret;
}

/*
 * The kernel copies @n bytes of the arena at @at to the program. Return: how many, or
 * -errno; what was delivered is taken off the front of the vectors.
 */
static ssize_t deliver(const struct nbread_thr *t, struct nbread_thr_job *job, __u64 at, size_t n)
{
	size_t sum = 0, whole = 0, put = 0;
	unsigned nr = 0;
	ssize_t ret;

	while (sum < n && nr < job->nr_iov)
		sum += job->iov[nr++].iov_len;
	if (!nr)
		return 0;
	if (sum > n) {
		whole = job->iov[nr - 1].iov_len;
		job->iov[nr - 1].iov_len -= sum - n;
	}
	if (t->arena_is_file)
		ret = nbread_sys_read(t->arena_fd, job->iov, (int)nr, at, false);
	else
		ret = nbread_sys_copy(job->iov, (int)nr, t->arena + at, n);
	if (whole)
		job->iov[nr - 1].iov_len = whole;
	if (ret < 0)
		return ret;
	for (put = (size_t)ret; put && put >= job->iov->iov_len;) {
		put -= job->iov->iov_len;
		job->iov++;
		job->nr_iov--;
	}
	if (put) {
		job->iov->iov_base = (char *)job->iov->iov_base + put;
		job->iov->iov_len -= put;
	}
	return ret;
}

/*
 * Reads for a job until it is full, at the end of the file, or failed. With lock, which is
 * let go of meanwhile. Return: the result; the job is GONE if nobody wants it any more.
 */
static ssize_t read_job(struct nbread_thr *t, struct nbread_thr_job *job, unsigned slot)
{
	__u64 at = slot * (__u64)NBREAD_THR_CHUNK;
	ssize_t got = 0, put;

	while (job->done < job->len) {
		pthread_mutex_unlock(&t->lock);
		got = fetch(job, t->arena + at);
		pthread_mutex_lock(&t->lock);
		if (job->state == NBREAD_THR_GONE)
			return 0;
		if (got <= 0)
			break;
		job->state = NBREAD_THR_DELIVER;
		t->delivering++;
		pthread_mutex_unlock(&t->lock);
		put = deliver(t, job, at, (size_t)got);
		pthread_mutex_lock(&t->lock);
		job->state = NBREAD_THR_RUN;
		if (put > 0)
			job->done += (size_t)put;
		if (!--t->delivering && t->closing) {
			/* It looks again when we let go of the lock. */
			pthread_cond_broadcast(&t->delivered);
			nbread_thr_unlist_job(t, job);
			job->state = NBREAD_THR_GONE;
			return 0;
		}
		if (put < got) {
			got = put < 0 ? put : -EFAULT;
			break;
		}
		if (job->end_with && job->done < job->len)
			return job->end_with;
	}
	/* As pread(2): the bytes before an error, if there are any. */
	return job->done || got > 0 ? (ssize_t)job->done : got;
}

/* With lock, which is let go of meanwhile. */
static void run_job(struct nbread_thr *t, unsigned slot)
{
	struct nbread_thr_job *job = t->first;
	ssize_t res;

	nbread_thr_unqueue(t, job);
	job->state = NBREAD_THR_RUN;
	res = read_job(t, job, slot);
	if (job->state != NBREAD_THR_GONE) {
		nbread_thr_end_job(t, job, (int)res);
		nbread_thr_posted(t, false);
	}
	if (job->file)
		nbread_thr_put_file(t, job->file);
	nbread_thr_free_job(job);
	if (t->doomed) {
		nbread_thr_unlock(t);
		pthread_mutex_lock(&t->lock);
	}
}

static void run_hint(struct nbread_thr *t)
{
	struct nbread_thr_hint hint = t->hints[t->hint_at];

	t->hint_at = (t->hint_at + 1) % NBREAD_THR_HINTS;
	t->nr_hints--;
	pthread_mutex_unlock(&t->lock);
	/* Should it be another file after all, that one gets a little readahead. */
	if (same_file(hint.fd, hint.dev, hint.ino))
		nbread_sys_readahead(hint.fd, hint.off, hint.len);
	pthread_mutex_lock(&t->lock);
}

/* Nothing to do for a while: true when it was long enough to go. With lock. */
static bool wait_for_work(struct nbread_thr *t)
{
	__u64 now = nbread_sys_now_ns();
	struct timespec ts = { .tv_sec = (time_t)(now / 1000000000) + IDLE_S,
			       .tv_nsec = (long)(now % 1000000000) };
	int ret;

	t->idle++;
	ret = pthread_cond_timedwait(&t->work, &t->lock, &ts);
	t->idle--;
	return ret && !t->queued && !t->nr_hints;
}

/* What the thread's place holds, before it goes. True if there is still nothing to do. */
static bool give_memory_back(struct nbread_thr *t, unsigned slot)
{
	pthread_mutex_unlock(&t->lock);
	nbread_sys_forget(t->arena + slot * NBREAD_THR_CHUNK, NBREAD_THR_CHUNK);
	pthread_mutex_lock(&t->lock);
	return !t->queued && !t->nr_hints;
}

static void *run_worker(void *arg)
{
	struct nbread_thr *t = arg;
	unsigned slot = 0;

	pthread_setname_np(pthread_self(), "nbread-worker");
	pthread_mutex_lock(&t->lock);
	/* There is one for each thread: nobody makes more threads than places. */
	while (t->slots >> slot & 1)
		slot++;
	t->slots |= 1ULL << slot;
	while (!t->closing && t->workers <= t->max_workers) {
		if (t->nr_hints)
			run_hint(t);
		else if (t->queued)
			run_job(t, slot);
		else if (wait_for_work(t) && give_memory_back(t, slot))
			break;
	}
	t->workers--;
	t->slots &= ~(1ULL << slot);
	/* The wake-up that we used up was for what there is to do. */
	if (t->queued || t->nr_hints)
		pthread_cond_signal(&t->work);
	nbread_thr_put(t);
	return NULL;
}

/* One thread more, if there may be one and it can be made. */
static bool add_worker(struct nbread_thr *t)
{
	if (t->workers >= t->max_workers || nbread_thr_spawn(run_worker, t) < 0)
		return false;
	t->users++;
	t->workers++;
	return true;
}

/* Something came to do: wake a thread that waits, or make one. 0, or -ENOMEM: there is none. */
static int call_worker(struct nbread_thr *t)
{
	if (t->idle >= t->queued + t->nr_hints) {
		pthread_cond_signal(&t->work);
		return 0;
	}
	add_worker(t);
	if (t->idle)
		pthread_cond_signal(&t->work);
	return t->workers ? 0 : -ENOMEM;
}

/* The limit was raised: what waits does not have to wait for one of the threads there are. */
void nbread_thr_more_workers(struct nbread_thr *t)
{
	unsigned todo = t->queued + t->nr_hints, nr = todo > t->idle ? todo - t->idle : 0;

	while (nr-- && add_worker(t))
		;
}

/**
 * nbread_thr_queue() - give a job to the pool, and list it as one that owes a CQE
 *
 * Return: 0; -ENOMEM when it has no thread and none can be made: the job is not listed.
 */
int nbread_thr_queue(struct nbread_thr *t, struct nbread_thr_job *job)
{
	job->state = NBREAD_THR_QUEUED;
	job->before = t->last;
	job->after = NULL;
	if (t->last)
		t->last->after = job;
	else
		t->first = job;
	t->last = job;
	t->queued++;
	if (call_worker(t) < 0) {
		nbread_thr_unqueue(t, job);
		return -ENOMEM;
	}
	job->prev = t->newest;
	job->next = NULL;
	if (t->newest)
		t->newest->next = job;
	else
		t->oldest = job;
	t->newest = job;
	return 0;
}

void nbread_thr_unqueue(struct nbread_thr *t, struct nbread_thr_job *job)
{
	if (job->before)
		job->before->after = job->after;
	else
		t->first = job->after;
	if (job->after)
		job->after->before = job->before;
	else
		t->last = job->before;
	t->queued--;
}

/* Readahead for a CACHED read that missed, where RWF_NOWAIT itself starts none. */
void nbread_thr_hint(struct nbread_thr *t, const struct nbread_thr_look *look, __u64 off, __u64 len)
{
	struct nbread_thr_hint *hint;

	if (t->nr_hints == NBREAD_THR_HINTS)
		return;
	hint = &t->hints[(t->hint_at + t->nr_hints++) % NBREAD_THR_HINTS];
	hint->fd = look->use;
	hint->dev = look->st.dev;
	hint->ino = look->st.ino;
	hint->off = off;
	hint->len = len < HINT_MAX ? len : HINT_MAX;
	if (call_worker(t) < 0)
		t->nr_hints--;
}
