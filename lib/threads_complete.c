// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: from a result to a CQE, and to those who wait for one.
 *
 * A slot of the CQ was reserved for each entry when it was taken, so a post cannot fail.
 * ring_fd is an eventfd that is readable while the CQ holds anything. The program reaps by
 * moving an index, which tells nobody, so the fd may stay readable once more after that:
 * the next call that finds the CQ empty puts it out.
 */
#include "threads.h"

/* How many completions there are; false for a head that cannot be. */
bool nbread_thr_cq_ready(const struct nbread_thr *t, __u32 *ready)
{
	/* Pairs with the release in nbread_cq_advance(): the slots below were read. */
	__u32 head = nbread_load_acquire(&t->sh->cq_head);

	/* The tail is ours; shown to all by the release in nbread_thr_posted(). */
	*ready = nbread_load_acquire(&t->sh->cq_tail) - head;
	return *ready <= t->cq_entries;
}

/* One CQE, not shown yet. With lock. */
void nbread_thr_push(struct nbread_thr *t, __u64 user_data, int res, __u32 flags)
{
	struct nbread_cqe *cqe = &t->cqes[t->cq_tail++ & (t->cq_entries - 1)];

	cqe->user_data = user_data;
	cqe->res = res;
	cqe->flags = flags;
	t->reserved--;
}

/*
 * As many completions wake as many waiters at most: who has enough goes, oldest first. Not as
 * many as he wants are taken off for one: he may take fewer, and nobody would be told of the
 * rest. With lock.
 */
void nbread_thr_wake(struct nbread_thr *t, __u32 ready)
{
	struct nbread_thr_waiter **at = &t->waiters, *w;
	__u32 nr = ready;

	while (nr && (w = *at)) {
		if (w->want > ready) {
			at = &w->next;
			continue;
		}
		nr--;
		*at = w->next;
		w->listed = false;
		nbread_sys_event_add(w->event, 1);
	}
}

/**
 * nbread_thr_posted() - show what was pushed, and wake who waits for it
 * @in_call: it was answered in the ENTER that submitted it
 *
 * With lock. An edge-triggered epoll needs a write each time: a program may have seen the
 * CQ empty and not have said so yet, by its head, when it goes to wait.
 */
void nbread_thr_posted(struct nbread_thr *t, bool in_call)
{
	__u32 ready;

	/* Pairs with the acquire in nbread_cq_ready() and nbread_for_each_cqe(). */
	nbread_store_release(&t->sh->cq_tail, t->cq_tail);
	t->lit = true;
	nbread_sys_event_add(t->ring_fd, 1);
	if (t->event >= 0 && !(in_call && t->event_async))
		nbread_sys_event_add(t->event, 1);
	if (t->waiters && nbread_thr_cq_ready(t, &ready))
		nbread_thr_wake(t, ready);
}

/* Posts what the batch holds: all of it was answered in this call. */
void nbread_thr_flush(struct nbread_thr_batch *b)
{
	struct nbread_thr *t = b->t;
	unsigned i;

	if (!b->nr)
		return;
	pthread_mutex_lock(&t->lock);
	for (i = 0; i < b->nr; i++)
		nbread_thr_push(t, b->cqes[i].user_data, b->cqes[i].res, b->cqes[i].flags);
	nbread_thr_posted(t, true);
	pthread_mutex_unlock(&t->lock);
	b->nr = 0;
}

void nbread_thr_post(struct nbread_thr_batch *b, __u64 user_data, int res, __u32 flags)
{
	struct nbread_cqe *cqe = &b->cqes[b->nr++];

	cqe->user_data = user_data;
	cqe->res = res;
	cqe->flags = flags;
	if (b->nr == NBREAD_THR_BATCH)
		nbread_thr_flush(b);
}

/* Takes a job out of all lists but the queue. With lock. */
void nbread_thr_unlist_job(struct nbread_thr *t, struct nbread_thr_job *job)
{
	if (job->prev)
		job->prev->next = job->next;
	else
		t->oldest = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		t->newest = job->prev;
	if (job->heap_at >= 0)
		nbread_thr_drop_deadline(t, job);
}

/* Pushes the CQE of a job that is done with; nbread_thr_posted() is to follow. With lock. */
void nbread_thr_end_job(struct nbread_thr *t, struct nbread_thr_job *job, int res)
{
	nbread_thr_unlist_job(t, job);
	nbread_thr_push(t, job->user_data, res, NBREAD_CQE_PUNTED);
}

/**
 * nbread_thr_end_early() - cancel, or a deadline
 * @res:	-ECANCELED or -ETIME
 *
 * With lock. A thread that reads for the job drops what it gets; it frees the job.
 * Return: true when the job ended, false when its bytes are just being copied: it ends
 * with @res after that, unless they were the last.
 */
bool nbread_thr_end_early(struct nbread_thr *t, struct nbread_thr_job *job, int res)
{
	if (job->state == NBREAD_THR_DELIVER) {
		if (!job->end_with)
			job->end_with = res;
		return false;
	}
	nbread_thr_end_job(t, job, res);
	if (job->state == NBREAD_THR_RUN) {
		job->state = NBREAD_THR_GONE;
		return true;
	}
	nbread_thr_unqueue(t, job);
	if (job->file)
		nbread_thr_put_file(t, job->file);
	nbread_thr_free_job(job);
	return true;
}
