// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two older interfaces: POSIX AIO, which glibc does with threads, one after the other
 * for the same descriptor; and the kernel's AIO by way of libaio, which for buffered
 * files reads in io_submit(2).
 */
#include "bench.h"

#include <aio.h>
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>

#define GLIBC_THREADS 32

struct posix {
	struct aiocb cb[MAX_DEPTH];
	struct op *op[MAX_DEPTH]; /* NULL: free */
	const struct aiocb *list[MAX_DEPTH];
	unsigned int flying;
};

static int open_posix(struct job *j)
{
	static bool limited;
	struct aioinit init = { .aio_threads = GLIBC_THREADS,
				.aio_num = MAX_DEPTH,
				.aio_idle_time = 1 };

	/* Of the process, and only before its first read. */
	if (!limited)
		aio_init(&init);
	limited = true;
	j->priv = calloc(1, sizeof(struct posix));
	return j->priv ? 0 : job_fail(j, "memory", ENOMEM);
}

static void close_posix(struct job *j)
{
	free(j->priv);
}

static int start(struct job *j, struct op *op)
{
	struct posix *p = j->priv;
	struct aiocb *cb = &p->cb[op->slot];

	memset(cb, 0, sizeof(*cb));
	cb->aio_fildes = op->fd;
	cb->aio_buf = op->buf;
	cb->aio_nbytes = op->len;
	cb->aio_offset = (off_t)op->off;
	cb->aio_sigevent.sigev_notify = SIGEV_NONE;
	if (aio_read(cb))
		return job_fail(j, "aio_read", errno);
	p->op[op->slot] = op;
	p->flying++;
	return 0;
}

static void collect(struct job *j)
{
	struct posix *p = j->priv;
	unsigned int i;
	int err;

	for (i = 0; i < j->depth; i++) {
		if (!p->op[i])
			continue;
		err = aio_error(&p->cb[i]);
		if (err == EINPROGRESS)
			continue;
		op_ended(j, p->op[i], err ? -err : aio_return(&p->cb[i]));
		p->op[i] = NULL;
		p->flying--;
	}
}

static int run_posix(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct posix *p = j->priv;
	unsigned int i, k;

	for (i = 0; i < n; i++) {
		if (start(j, &op[i]))
			return -1;
	}
	collect(j);
	while (j->nr_done < min) {
		for (i = k = 0; i < j->depth; i++) {
			if (p->op[i])
				p->list[k++] = &p->cb[i];
		}
		if (aio_suspend(p->list, (int)k, NULL) && errno != EINTR)
			return job_fail(j, "aio_suspend", errno);
		collect(j);
	}
	return 0;
}

struct native {
	io_context_t ctx;
	struct iocb cb[MAX_DEPTH];
	struct iocb *list[MAX_DEPTH];
	struct io_event event[MAX_DEPTH];
};

static int open_libaio(struct job *j)
{
	struct native *a = calloc(1, sizeof(*a));
	int ret;

	if (!a)
		return job_fail(j, "memory", ENOMEM);
	ret = io_setup((int)j->depth, &a->ctx);
	if (ret) {
		free(a);
		return job_fail(j, "io_setup", -ret);
	}
	j->priv = a;
	return 0;
}

static void close_libaio(struct job *j)
{
	struct native *a = j->priv;

	io_destroy(a->ctx);
	free(a);
}

static int run_libaio(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct native *a = j->priv;
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++) {
		a->list[i] = &a->cb[op[i].slot];
		io_prep_pread(a->list[i], op[i].fd, op[i].buf, op[i].len, (long long)op[i].off);
		a->list[i]->data = &op[i];
	}
	if (n) {
		ret = io_submit(a->ctx, n, a->list);
		if (ret != (int)n)
			return job_fail(j, "io_submit", ret < 0 ? -ret : 0);
	}
	ret = io_getevents(a->ctx, min, j->depth, a->event, NULL);
	if (ret < (int)min)
		return job_fail(j, "io_getevents", ret < 0 ? -ret : 0);
	for (i = 0; i < (unsigned int)ret; i++)
		op_ended(j, a->event[i].data, (long)a->event[i].res);
	return 0;
}

const struct engine engine_posix_aio = { "posix_aio", 0, open_posix, run_posix, close_posix };

const struct engine engine_libaio = { "libaio", 0, open_libaio, run_libaio, close_libaio };
