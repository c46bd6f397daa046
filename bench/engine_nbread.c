// SPDX-License-Identifier: GPL-2.0-only
/*
 * nbread in each of its ways: a ring; TRY, without a ring; registered files; a ring with a
 * thread (SQTHREAD); a ring whose misses are a workqueue's (SQWQ).
 */
#include "bench.h"

#include <errno.h>
#include <libnbread.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MS 10

struct way {
	struct nbread ring;
	unsigned int sqe_flags;
	struct nbread_try req[MAX_DEPTH];
};

/* The portable backend is measured only by who asks for it. */
static bool served_by_the_module(const struct nbread *ring)
{
	const char *forced = getenv("NBREAD_BACKEND");

	return nbread_backend(ring) == NBREAD_BACKEND_MODULE ||
	       (forced && !strcmp(forced, "threads"));
}

static int open_ring(struct job *j, unsigned int setup)
{
	struct nbread_setup p = { .flags = setup };
	struct way *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return job_fail(j, "memory", ENOMEM);
	if (setup & NBREAD_SETUP_SQTHREAD)
		p.sq_thread_idle_ms = IDLE_MS;
	ret = nbread_queue_init_params(j->depth, &w->ring, &p);
	if (ret) {
		free(w);
		return job_fail(j, "no ring", -ret);
	}
	j->priv = w;
	if (served_by_the_module(&w->ring))
		return 0;
	nbread_queue_exit(&w->ring);
	free(w);
	return job_fail(j, "/dev/nbread is not there: is the module loaded?", 0);
}

static void close_ring(struct job *j)
{
	struct way *w = j->priv;

	nbread_queue_exit(&w->ring);
	free(w);
}

static int open_plain(struct job *j)
{
	return open_ring(j, 0);
}

static int open_sqthread(struct job *j)
{
	return open_ring(j, NBREAD_SETUP_SQTHREAD);
}

static int open_sqwq(struct job *j)
{
	return open_ring(j, NBREAD_SETUP_SQWQ);
}

static int open_fixed(struct job *j)
{
	struct way *w;
	int ret;

	if (open_ring(j, 0))
		return -1;
	w = j->priv;
	w->sqe_flags = NBREAD_SQE_FIXED_FILE;
	ret = nbread_register_files(&w->ring, j->files->fd, j->files->n);
	if (!ret)
		return 0;
	close_ring(j);
	return job_fail(j, "register files", -ret);
}

static int run(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct way *w = j->priv;
	struct op *end = op + n;
	struct nbread_sqe *sqe;
	struct nbread_cqe *cqe;
	unsigned int head, nr;
	int ret;

	for (; op < end; op++) {
		sqe = nbread_get_sqe(&w->ring);
		/* A thread posts what it read before it tells what it took. */
		if (!sqe && nbread_submit(&w->ring) >= 0 && nbread_sqring_wait(&w->ring) >= 0)
			sqe = nbread_get_sqe(&w->ring);
		if (!sqe)
			return job_fail(j, "the submission queue is full", 0);
		nbread_prep_read(sqe, w->sqe_flags ? (int)op->file : op->fd, op->buf, op->len,
				 op->off);
		nbread_sqe_set_flags(sqe, w->sqe_flags);
		nbread_sqe_set_data(sqe, op);
	}
	do {
		ret = nbread_submit_and_wait(&w->ring, min - j->nr_done);
		if (ret < 0)
			return job_fail(j, "submit and wait", -ret);
		nr = 0;
		nbread_for_each_cqe(&w->ring, head, cqe) {
			j->inline_hits += cqe->flags & NBREAD_CQE_HIT;
			op_ended(j, nbread_cqe_get_data(cqe), cqe->res);
			nr++;
		}
		nbread_cq_advance(&w->ring, nr);
	} while (j->nr_done < min);
	return 0;
}

static int run_try(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct way *w = j->priv;
	struct nbread_try *req = w->req;
	unsigned int i;
	ssize_t got;
	int ret;

	(void)min;
	if (n == 1) {
		got = nbread_try(&w->ring, op->fd, op->buf, op->len, (off_t)op->off, 0);
		op_ended(j, op, got);
		return 0;
	}
	for (i = 0; i < n; i++) {
		req[i] = (struct nbread_try){ .fd = op[i].fd,
					      .addr = (uintptr_t)op[i].buf,
					      .off = op[i].off,
					      .len = op[i].len };
	}
	ret = nbread_try_many(&w->ring, req, n);
	if (ret < 0)
		return job_fail(j, "nbread_try_many", -ret);
	for (i = 0; i < n; i++)
		op_ended(j, &op[i], req[i].res);
	return 0;
}

const struct engine engine_nbread = { "nbread", E_TELLS_HITS, open_plain, run, close_ring };

const struct engine engine_nbread_try = { "nbread_try", E_CACHED_ONLY, open_plain, run_try,
					  close_ring };

const struct engine engine_nbread_fixed = { "nbread_fixed", E_TELLS_HITS, open_fixed, run,
					    close_ring };

const struct engine engine_nbread_sqthread = { "nbread_sqthread", E_TELLS_HITS, open_sqthread, run,
					       close_ring };

const struct engine engine_nbread_sqwq = { "nbread_sqwq", E_TELLS_HITS, open_sqwq, run,
					   close_ring };
