// SPDX-License-Identifier: GPL-2.0-only
/* See engine.h. */
#include "engine.h"
#include "mutate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libnbread.h>

static struct nbread ring;

static int nb_init(unsigned int depth, uint64_t seed)
{
	(void)seed;
	return nbread_queue_init(depth, &ring, 0);
}

static int nb_init_sqwq(unsigned int depth, uint64_t seed)
{
	(void)seed;
	return nbread_queue_init(depth, &ring, NBREAD_SETUP_SQWQ);
}

static int nb_init_sqthread(unsigned int depth, uint64_t seed)
{
	struct nbread_setup p = { .flags = NBREAD_SETUP_SQTHREAD, .sq_thread_idle_ms = 1 };

	(void)seed;
	return nbread_queue_init_params(depth, &ring, &p);
}

static int nb_queue(const struct answer *a, int fd, uint64_t user_data)
{
	struct nbread_sqe *sqe = nbread_get_sqe(&ring);
	unsigned int flags = 0;

	/* A thread posts what it read before it tells what it took. */
	if (!sqe && nbread_submit(&ring) >= 0 && nbread_sqring_wait(&ring) >= 0)
		sqe = nbread_get_sqe(&ring);
	if (!sqe)
		return -EBUSY;
	if (a->vec)
		nbread_prep_readv(sqe, fd, a->iov, a->niov, a->m->start + a->off);
	else
		nbread_prep_read(sqe, fd, a->iov[0].iov_base, a->len, a->m->start + a->off);
	if (a->kind == KIND_ASYNC)
		flags = NBREAD_SQE_ASYNC;
	if (a->kind == KIND_CACHED || a->kind == KIND_NOIO)
		flags = NBREAD_SQE_CACHED;
	if (a->kind == KIND_NOIO)
		flags |= NBREAD_SQE_NOIO;
	nbread_sqe_set_flags(sqe, flags);
	nbread_sqe_set_data64(sqe, user_data);
	return 0;
}

static int nb_submit(void)
{
	int ret;

	do {
		ret = nbread_sq_ready(&ring) ? nbread_submit(&ring) : 0;
	} while (ret == -EINTR);
	return ret;
}

static int nb_reap(bool wait, engine_done *done)
{
	struct timespec minute = { .tv_sec = 60 };
	struct nbread_cqe *cqe;
	unsigned int head;
	unsigned int n = 0;
	int ret;

	do {
		ret = wait ? nbread_wait_cqe_timeout(&ring, &cqe, &minute) :
			     nbread_peek_cqe(&ring, &cqe);
	} while (ret == -EINTR);
	if (ret)
		return ret == -EAGAIN && !wait ? 0 : ret;
	nbread_for_each_cqe(&ring, head, cqe) {
		done(cqe->user_data, cqe->res, cqe->flags);
		n++;
	}
	nbread_cq_advance(&ring, n);
	return n;
}

static int nb_try(struct answer *const *a, const int *fd, unsigned int n)
{
	struct nbread_try req[32];
	int hits = 0;
	unsigned int i;
	int ret;

	memset(req, 0, sizeof(req));
	for (i = 0; i < n; i++) {
		req[i].fd = fd[i];
		/* Half of them start no I/O. */
		req[i].flags = a[i]->number & 1 ? NBREAD_SQE_NOIO : 0;
		req[i].addr = (uintptr_t)a[i]->iov[0].iov_base;
		req[i].off = a[i]->m->start + a[i]->off;
		req[i].len = a[i]->len;
	}
	ret = nbread_try_many(&ring, req, n);
	for (i = 0; i < n; i++) {
		a[i]->res = req[i].res;
		a[i]->flags = req[i].cqe_flags;
		hits += !!(req[i].cqe_flags & NBREAD_CQE_HIT);
	}
	/* We own the files, so the flag says what the count says. */
	if (ret >= 0 && ret != hits) {
		printf("# nbread_try_many() returned %d, but %d of its answers are hits\n", ret,
		       hits);
		return -EPROTO;
	}
	return ret;
}

static int nb_served(int fd, char *text, size_t size)
{
	static const char *const path[] = { "refused", "filemap", "async", "worker" };
	struct nbread_file_info info;
	int ret = nbread_file_info(&ring, fd, &info);

	if (ret < 0)
		return ret;
	snprintf(text, size, "path %s, reason %u, flags %#x", info.path < 4 ? path[info.path] : "?",
		 info.reason, info.flags);
	/* Of a file that may wait for a server only a READ looks, and that on a ring of its own. */
	if (ring.setup_flags & NBREAD_SETUP_SQWQ && info.path == NBREAD_PATH_WORKER &&
	    info.reason != NBREAD_WHY_STACKED)
		return 1;
	return !(info.flags & NBREAD_FILE_RESIDENT);
}

static void nb_exit(void)
{
	nbread_queue_exit(&ring);
}

static const struct engine engine_nbread = {
	"nbread", true, nb_init, nb_queue, nb_submit, nb_reap, nb_try, nb_served, nb_exit,
};

static const struct engine engine_nbread_sqwq = {
	"nbread_sqwq", true, nb_init_sqwq, nb_queue, nb_submit, nb_reap, nb_try, nb_served, nb_exit,
};

static const struct engine engine_nbread_sqthread = {
	"nbread_sqthread", true,   nb_init_sqthread, nb_queue, nb_submit,
	nb_reap,	   nb_try, nb_served,	     nb_exit,
};

/*
 * pread(2), and the same with a fault now and then, so that it can be seen that
 * the whole program notices, not only the checker.
 */
const char *const engine_faulty[] = { "twice", "lost", "swapped", "stale", "torn", NULL };

enum { FAULT_NONE = -1, FAULT_TWICE, FAULT_LOST, FAULT_SWAPPED, FAULT_STALE, FAULT_TORN };

static struct {
	struct rng rng;
	int fault;
	unsigned int n;
	struct pending {
		const struct answer *a;
		int fd;
		uint64_t user_data;
	} read[64];
	unsigned char old[65536]; /* the start of a file, as it once was */
	const struct model *old_of;
} queue;

static int p_init(unsigned int depth, uint64_t seed)
{
	(void)depth;
	queue.rng.state = seed;
	return 0;
}

static int p_queue(const struct answer *a, int fd, uint64_t user_data)
{
	queue.read[queue.n++] = (struct pending){ a, fd, user_data };
	return 0;
}

static int p_submit(void)
{
	return 0;
}

static int p_read(const struct answer *a, int fd)
{
	bool cached = a->kind == KIND_CACHED || a->kind == KIND_NOIO || a->kind == KIND_TRY;
	uint64_t off = a->m->start + a->off;
	ssize_t n;

	n = preadv2(fd, a->iov, a->niov, off, cached ? RWF_NOWAIT : 0);
	if (n < 0 && errno == EOPNOTSUPP)
		n = preadv2(fd, a->iov, a->niov, off, 0);
	if (n < 0)
		return -errno;
	if (queue.fault == FAULT_TORN && n > 64 && a->niov == 1)
		memset((char *)a->iov[0].iov_base + n - 33, 0x11, 3);
	if (queue.fault == FAULT_STALE && !a->m->quiet && !a->vec) {
		if (!queue.old_of && n && pread(fd, queue.old, sizeof(queue.old), a->m->start) > 0)
			queue.old_of = a->m;
		if (a->m == queue.old_of && a->off + n < sizeof(queue.old))
			memcpy(a->iov[0].iov_base, queue.old + a->off, n);
	}
	return n;
}

static int p_reap(bool wait, engine_done *done)
{
	bool now = !rnd_below(&queue.rng, 100);
	struct pending p;
	unsigned int i;

	if (!queue.n)
		return wait ? -ETIME : 0;
	i = rnd_below(&queue.rng, queue.n);
	p = queue.read[i];
	queue.read[i] = queue.read[--queue.n];
	if (queue.fault == FAULT_LOST && now)
		return 0;
	if (queue.fault == FAULT_SWAPPED && now && queue.n) {
		i = queue.read[0].user_data;
		queue.read[0].user_data = p.user_data;
		p.user_data = i;
	}
	done(p.user_data, p_read(p.a, p.fd), 0);
	if (queue.fault == FAULT_TWICE && now)
		done(p.user_data, p_read(p.a, p.fd), 0);
	return 1;
}

static int p_try(struct answer *const *a, const int *fd, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		a[i]->res = p_read(a[i], fd[i]);
	return 0;
}

static int p_served(int fd, char *text, size_t size)
{
	(void)fd;
	snprintf(text, size, "pread(2) and preadv2(2)");
	return 0;
}

static void p_exit(void)
{
}

static const struct engine engine_pread = {
	"pread", false, p_init, p_queue, p_submit, p_reap, p_try, p_served, p_exit,
};

const struct engine *engine_find(const char *name)
{
	static const struct engine *const sound[] = { &engine_nbread, &engine_nbread_sqwq,
						      &engine_nbread_sqthread, &engine_pread };
	int i;

	queue.fault = FAULT_NONE;
	for (i = 0; i < (int)(sizeof(sound) / sizeof(sound[0])); i++) {
		if (!strcmp(name, sound[i]->name))
			return sound[i];
	}
	for (i = 0; engine_faulty[i]; i++) {
		if (strcmp(name, engine_faulty[i]))
			continue;
		queue.fault = i;
		return &engine_pread;
	}
	fprintf(stderr,
		"mix: no engine '%s'; there are nbread, nbread_sqwq, nbread_sqthread and pread\n",
		name);
	return NULL;
}
