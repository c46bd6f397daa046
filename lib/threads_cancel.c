// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: CANCEL. A read that waits for a thread ends, and so does one that
 * a thread has begun: that thread stays with the file until the kernel lets go of it, and
 * drops what it reads. Only a read whose bytes are copied at this moment is -EALREADY.
 *
 * By FD: reads that named the same number, or the same registered file. User space cannot
 * tell whether two descriptors are one open file (kcmp(2) is filtered in containers).
 */
#include "threads.h"

static int check_cancel(const struct nbread_cancel *c)
{
	const __u32 known = NBREAD_CANCEL_FD | NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL |
			    NBREAD_CANCEL_FIXED_FILE;

	if (c->resv[0] || c->resv[1] || (c->flags & ~known))
		return -EINVAL;
	if ((c->flags & NBREAD_CANCEL_FD) && (c->flags & NBREAD_CANCEL_ANY))
		return -EINVAL;
	if ((c->flags & NBREAD_CANCEL_FIXED_FILE) && !(c->flags & NBREAD_CANCEL_FD))
		return -EINVAL;
	if ((c->flags & (NBREAD_CANCEL_FD | NBREAD_CANCEL_ANY)) && c->user_data)
		return -EINVAL;
	return !(c->flags & NBREAD_CANCEL_FD) && c->fd ? -EINVAL : 0;
}

static bool matches(const struct nbread_cancel *c, const struct nbread_thr_file *file,
		    const struct nbread_thr_job *job)
{
	if (c->flags & NBREAD_CANCEL_ANY)
		return true;
	if (c->flags & NBREAD_CANCEL_FIXED_FILE)
		return job->file == file;
	if (c->flags & NBREAD_CANCEL_FD)
		return !job->file && job->fd == c->fd;
	return job->user_data == c->user_data;
}

/* Ends the oldest that matches, or all; counts those that cannot be ended. With lock. */
static unsigned pass(struct nbread_thr *t, const struct nbread_cancel *c,
		     const struct nbread_thr_file *file, int state, unsigned *busy)
{
	bool all = c->flags & NBREAD_CANCEL_ALL;
	struct nbread_thr_job *job, *next;
	unsigned ended = 0;

	for (job = t->oldest; job; job = next) {
		next = job->next;
		if (!matches(c, file, job) || (!all && (int)job->state != state))
			continue;
		if (nbread_thr_end_early(t, job, -ECANCELED))
			ended++;
		else
			++*busy;
		if (!all)
			break;
	}
	return ended;
}

/* One only: rather one that waits than one that is being read or about to end. With lock. */
static unsigned end_matching(struct nbread_thr *t, const struct nbread_cancel *c,
			     const struct nbread_thr_file *file, unsigned *busy)
{
	unsigned ended = 0;
	int state;

	if (c->flags & NBREAD_CANCEL_ALL)
		return pass(t, c, file, 0, busy);
	for (state = NBREAD_THR_QUEUED; state <= NBREAD_THR_DELIVER && !ended && !*busy; state++)
		ended = pass(t, c, file, state, busy);
	return ended;
}

int nbread_thr_cancel(struct nbread *ring, struct nbread_cancel *c)
{
	struct nbread_thr *t = nbread_thr_of(ring);
	const struct nbread_thr_file *file = NULL;
	unsigned ended, busy = 0;
	int ret = check_cancel(c);

	if (ret < 0)
		return ret;
	if (nbread_thr_foreign(t))
		return -EPERM;
	if ((c->flags & NBREAD_CANCEL_FD) && !(c->flags & NBREAD_CANCEL_FIXED_FILE) &&
	    nbread_sys_file_flags(c->fd) < 0)
		return -EBADF;
	pthread_mutex_lock(&t->lock);
	if (c->flags & NBREAD_CANCEL_FIXED_FILE) {
		if (c->fd >= 0 && (unsigned)c->fd < t->nr_files)
			file = t->files[c->fd];
		if (!file) {
			pthread_mutex_unlock(&t->lock);
			return -EBADF;
		}
	}
	ended = end_matching(t, c, file, &busy);
	if (ended)
		nbread_thr_posted(t, false);
	nbread_thr_unlock(t);
	if (ended)
		return (int)ended;
	return busy ? -EALREADY : -ENOENT;
}
