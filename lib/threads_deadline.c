// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: reads end with -ETIME at their deadline, also while a thread hangs
 * with them in the kernel.
 *
 * One thread of the ring sleeps until the next deadline; it is made with the first one and
 * goes after a while without any. A heap, since there may be as many as the CQ has slots.
 */
#include <stdlib.h>
#include <time.h>
#include "threads.h"

/* How long the thread stays without work. */
#define IDLE_NS 5000000000ULL

static void set(struct nbread_thr *t, unsigned at, struct nbread_thr_job *job)
{
	t->heap[at] = job;
	job->heap_at = (int)at;
}

static void sift_up(struct nbread_thr *t, unsigned at, struct nbread_thr_job *job)
{
	while (at && t->heap[(at - 1) / 2]->deadline_ns > job->deadline_ns) {
		set(t, at, t->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	set(t, at, job);
}

static void sift_down(struct nbread_thr *t, unsigned at, struct nbread_thr_job *job)
{
	unsigned child;

	while ((child = 2 * at + 1) < t->nr_heap) {
		if (child + 1 < t->nr_heap &&
		    t->heap[child + 1]->deadline_ns < t->heap[child]->deadline_ns)
			child++;
		if (t->heap[child]->deadline_ns >= job->deadline_ns)
			break;
		set(t, at, t->heap[child]);
		at = child;
	}
	set(t, at, job);
}

void nbread_thr_drop_deadline(struct nbread_thr *t, struct nbread_thr_job *job)
{
	unsigned at = (unsigned)job->heap_at;
	struct nbread_thr_job *last = t->heap[--t->nr_heap];

	job->heap_at = -1;
	if (last == job)
		return;
	if (at && t->heap[(at - 1) / 2]->deadline_ns > last->deadline_ns)
		sift_up(t, at, last);
	else
		sift_down(t, at, last);
}

static void *close_files(void *files)
{
	pthread_setname_np(pthread_self(), "nbread-close");
	nbread_thr_close_files(files);
	return NULL;
}

/*
 * Ends what is due. A read whose bytes are just copied has its mark, and is out. With lock,
 * which may be let go of at the end.
 */
static void end_due(struct nbread_thr *t, __u64 now)
{
	bool any = false;

	while (t->nr_heap && t->heap[0]->deadline_ns <= now) {
		struct nbread_thr_job *job = t->heap[0];

		nbread_thr_drop_deadline(t, job);
		any |= nbread_thr_end_early(t, job, -ETIME);
	}
	if (any)
		nbread_thr_posted(t, false);
	if (t->doomed) {
		struct nbread_thr_file *doomed = t->doomed;

		/* Their close may wait for a server, and deadlines may not wait for that. */
		t->doomed = NULL;
		pthread_mutex_unlock(&t->lock);
		if (nbread_thr_spawn(close_files, doomed) < 0)
			nbread_thr_close_files(doomed);
		pthread_mutex_lock(&t->lock);
	}
}

static void *run_timer(void *arg)
{
	struct nbread_thr *t = arg;
	struct timespec ts;
	__u64 until;

	pthread_setname_np(pthread_self(), "nbread-timer");
	pthread_mutex_lock(&t->lock);
	while (!t->closing) {
		__u64 now = nbread_sys_now_ns();
		bool idle;

		end_due(t, now);
		if (t->closing)
			break;
		idle = !t->nr_heap;
		until = idle ? now + IDLE_NS : t->heap[0]->deadline_ns;
		ts.tv_sec =
			(time_t)(until / 1000000000 < INT32_MAX ? until / 1000000000 : INT32_MAX);
		ts.tv_nsec = (long)(until % 1000000000);
		if (pthread_cond_timedwait(&t->timer, &t->lock, &ts) && idle && !t->nr_heap)
			break;
	}
	t->timer_runs = false;
	nbread_thr_put(t);
	return NULL;
}

/**
 * nbread_thr_add_deadline() - have a job ended at job->deadline_ns
 *
 * With lock. Return: 0; -ENOMEM when there is no memory or no thread.
 */
int nbread_thr_add_deadline(struct nbread_thr *t, struct nbread_thr_job *job)
{
	int ret;

	if (!t->heap) {
		t->heap = calloc(t->cq_entries, sizeof(struct nbread_thr_job *));
		if (!t->heap)
			return -ENOMEM;
	}
	if (!t->timer_runs) {
		ret = nbread_thr_spawn(run_timer, t);
		if (ret < 0)
			return ret;
		t->users++;
		t->timer_runs = true;
	}
	sift_up(t, t->nr_heap++, job);
	if (t->heap[0] == job)
		pthread_cond_signal(&t->timer);
	return 0;
}
