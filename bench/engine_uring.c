// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring in seven ways: plain; with registered files, its own descriptor registered and the
 * work of completions done in the wait (DEFER_TASKRUN); with registered buffers; with all of
 * that; with a thread that polls; and with every read given to a worker (io-wq), with as many of
 * those as io_uring takes by itself, and with as many as there are reads in flight.
 */
#include "bench.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#define IDLE_MS 10

struct way {
	struct io_uring ring;
	unsigned int sqe_flags;
	bool fixed_file;
	bool fixed_buffer;
};

static int open_ring(struct job *j, unsigned int setup, unsigned int sqe_flags)
{
	struct io_uring_params p = { .flags = setup };
	struct way *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return job_fail(j, "memory", ENOMEM);
	if (setup & IORING_SETUP_SQPOLL)
		p.sq_thread_idle = IDLE_MS;
	ret = io_uring_queue_init_params(j->depth, &w->ring, &p);
	if (ret) {
		free(w);
		return job_fail(j, "io_uring_setup", -ret);
	}
	w->sqe_flags = sqe_flags;
	j->priv = w;
	return 0;
}

static void close_ring(struct job *j)
{
	struct way *w = j->priv;

	io_uring_queue_exit(&w->ring);
	free(w);
}

static int open_plain(struct job *j)
{
	return open_ring(j, 0, 0);
}

static int open_sqpoll(struct job *j)
{
	return open_ring(j, IORING_SETUP_SQPOLL, 0);
}

static int give_up(struct job *j, const char *what, int ret)
{
	close_ring(j);
	return job_fail(j, what, -ret);
}

static int open_async(struct job *j)
{
	return open_ring(j, 0, IOSQE_ASYNC);
}

/* By itself it takes four for each CPU, which leaves a slow disk idle. */
static int open_async_wide(struct job *j)
{
	unsigned int workers[2] = { j->depth, 0 };
	struct way *w;
	int ret;

	if (open_ring(j, 0, IOSQE_ASYNC))
		return -1;
	w = j->priv;
	ret = io_uring_register_iowq_max_workers(&w->ring, workers);
	return ret ? give_up(j, "as many workers of io-wq as reads in flight", ret) : 0;
}

static int register_buffers(struct job *j)
{
	struct way *w = j->priv;
	struct iovec iov[MAX_DEPTH];
	unsigned int i;
	int ret;

	w->fixed_buffer = true;
	for (i = 0; i < j->depth; i++)
		iov[i] = (struct iovec){ j->mem + (size_t)i * MAX_LEN, MAX_LEN };
	ret = io_uring_register_buffers(&w->ring, iov, j->depth);
	return ret ? give_up(j, "register buffers", ret) : 0;
}

static int open_fixed(struct job *j)
{
	struct way *w;
	int ret;

	if (open_ring(j, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IOSQE_FIXED_FILE))
		return -1;
	w = j->priv;
	w->fixed_file = true;
	ret = io_uring_register_files(&w->ring, j->files->fd, j->files->n);
	if (ret)
		return give_up(j, "register files", ret);
	/* One descriptor: 1 is how many it registered. */
	ret = io_uring_register_ring_fd(&w->ring);
	return ret == 1 ? 0 : give_up(j, "register the ring's descriptor", ret);
}

static int open_fixedbuf(struct job *j)
{
	return open_ring(j, 0, 0) ? -1 : register_buffers(j);
}

static int open_all(struct job *j)
{
	return open_fixed(j) ? -1 : register_buffers(j);
}

static int run(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct way *w = j->priv;
	struct op *end = op + n;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	unsigned int head, nr;
	int fd, ret;

	for (; op < end; op++) {
		sqe = io_uring_get_sqe(&w->ring);
		/*
		 * What ended has left the queue, and no more than its size is in flight; but
		 * a thread posts what it read before it tells what it took.
		 */
		if (!sqe && io_uring_submit(&w->ring) >= 0 && io_uring_sqring_wait(&w->ring) >= 0)
			sqe = io_uring_get_sqe(&w->ring);
		if (!sqe)
			return job_fail(j, "the submission queue is full", 0);
		fd = w->fixed_file ? (int)op->file : op->fd;
		if (w->fixed_buffer)
			io_uring_prep_read_fixed(sqe, fd, op->buf, op->len, op->off, op->slot);
		else
			io_uring_prep_read(sqe, fd, op->buf, op->len, op->off);
		sqe->flags = (__u8)w->sqe_flags;
		sqe->user_data = (uintptr_t)op;
	}
	do {
		if (w->ring.flags & IORING_SETUP_SQPOLL) {
			/* To submit and wait in one would be a call, whatever has ended. */
			ret = io_uring_submit(&w->ring);
			if (ret >= 0 && min > j->nr_done)
				ret = io_uring_wait_cqe_nr(&w->ring, &cqe, min - j->nr_done);
		} else {
			ret = io_uring_submit_and_wait(&w->ring, min - j->nr_done);
		}
		if (ret < 0)
			return job_fail(j, "io_uring_enter", -ret);
		nr = 0;
		io_uring_for_each_cqe(&w->ring, head, cqe)
		{
			op_ended(j, (struct op *)(uintptr_t)cqe->user_data, cqe->res);
			nr++;
		}
		io_uring_cq_advance(&w->ring, nr);
	} while (j->nr_done < min);
	return 0;
}

const struct engine engine_io_uring = { "io_uring", 0, open_plain, run, close_ring };

const struct engine engine_io_uring_fixed = { "io_uring_fixed", 0, open_fixed, run, close_ring };

const struct engine engine_io_uring_fixedbuf = { "io_uring_fixedbuf", 0, open_fixedbuf, run,
						 close_ring };

const struct engine engine_io_uring_all = { "io_uring_all", 0, open_all, run, close_ring };

const struct engine engine_io_uring_sqpoll = { "io_uring_sqpoll", 0, open_sqpoll, run, close_ring };

const struct engine engine_io_uring_async = { "io_uring_async", 0, open_async, run, close_ring };

const struct engine engine_io_uring_async_wide = { "io_uring_async_wide", 0, open_async_wide, run,
						   close_ring };
