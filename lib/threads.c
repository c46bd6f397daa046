// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: set-up, memory and end of a ring, and what it can do. Objects,
 * states and locks: threads.h.
 *
 * It needs Linux 4.14: preadv2(RWF_NOWAIT), and MADV_WIPEONFORK, by which a child that
 * has the ring's memory too is told from its owner with one look at memory.
 */
#include <errno.h>
#include <stdlib.h>
#include "threads.h"

#define OWNED 0x6e627264U
#define KERNEL(major, minor) ((major) << 8 | (minor))

/* Is this the mm that set the ring up? The module asks the same of its caller. */
bool nbread_thr_foreign(const struct nbread_thr *t)
{
	return __atomic_load_n(t->owner, __ATOMIC_RELAXED) != OWNED;
}

/*
 * RWF_NOWAIT started no I/O from 5.9 on (efa8480a8316, "fs: RWF_NOWAIT should imply
 * IOCB_NOIO") up to 6.11; since 6.12 user space has no way to ask for that.
 */
bool nbread_thr_has_noio(void)
{
	int release = nbread_sys_kernel();

	return release >= KERNEL(5, 9) && release < KERNEL(6, 12);
}

static __u32 round_up(__u32 n)
{
	__u32 r = 1;

	while (r < n)
		r *= 2;
	return r;
}

/* The checks of the module, in its order. */
static int check_setup(struct nbread_setup *p)
{
	if (p->resv0 || p->resv[0] || p->resv[1])
		return -EINVAL;
	if (p->flags & ~NBREAD_SETUP_SQWQ)
		return -EOPNOTSUPP;
	if (p->max_workers > NBREAD_THR_WORKERS || p->sq_thread_cpu || p->sq_thread_idle_ms ||
	    p->attach_fd)
		return -EINVAL;
	if (!p->sq_entries || p->sq_entries > NBREAD_THR_SQ_ENTRIES ||
	    p->cq_entries > NBREAD_THR_CQ_ENTRIES)
		return -EINVAL;
	p->sq_entries = round_up(p->sq_entries);
	p->cq_entries = p->cq_entries ? round_up(p->cq_entries) : 2 * p->sq_entries;
	if (p->cq_entries < p->sq_entries)
		return -EINVAL;
	if (!p->max_workers)
		p->max_workers = NBREAD_THR_WORKERS;
	return 0;
}

static void tell_offsets(struct nbread_setup *p)
{
	size_t cqes = sizeof(struct nbread_thr_shared);
	size_t sqes = cqes + p->cq_entries * sizeof(struct nbread_cqe);

	memset(&p->sq_off, 0, sizeof(p->sq_off));
	memset(&p->cq_off, 0, sizeof(p->cq_off));
	p->sq_off.head = offsetof(struct nbread_thr_shared, sq_head);
	p->sq_off.tail = offsetof(struct nbread_thr_shared, sq_tail);
	p->sq_off.mask = offsetof(struct nbread_thr_shared, sq_mask);
	p->sq_off.entries = offsetof(struct nbread_thr_shared, sq_entries);
	p->sq_off.flags = offsetof(struct nbread_thr_shared, sq_flags);
	p->sq_off.sqes = (__u32)sqes;
	p->cq_off.head = offsetof(struct nbread_thr_shared, cq_head);
	p->cq_off.tail = offsetof(struct nbread_thr_shared, cq_tail);
	p->cq_off.mask = offsetof(struct nbread_thr_shared, cq_mask);
	p->cq_off.entries = offsetof(struct nbread_thr_shared, cq_entries);
	p->cq_off.flags = offsetof(struct nbread_thr_shared, cq_flags);
	p->cq_off.cqes = (__u32)cqes;
	p->ring_size = sqes + p->sq_entries * sizeof(struct nbread_sqe);
}

static void point_into(struct nbread *ring, struct nbread_thr *t)
{
	struct nbread_thr_shared *sh = t->sh;
	struct nbread_sq *sq = &ring->sq;
	struct nbread_cq *cq = &ring->cq;

	sh->sq_mask = t->sq_entries - 1;
	sh->sq_entries = t->sq_entries;
	sh->cq_mask = t->cq_entries - 1;
	sh->cq_entries = t->cq_entries;

	sq->khead = &sh->sq_head;
	sq->ktail = &sh->sq_tail;
	sq->kflags = &sh->sq_flags;
	sq->sqes = t->sqes;
	sq->ring_entries = t->sq_entries;
	sq->ring_mask = t->sq_entries - 1;
	cq->khead = &sh->cq_head;
	cq->ktail = &sh->cq_tail;
	cq->kflags = &sh->cq_flags;
	cq->cqes = t->cqes;
	cq->ring_entries = t->cq_entries;
	cq->ring_mask = t->cq_entries - 1;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		nbread_sys_close(fd);
}

/* What belongs to the ring alone, and not to threads that still read. */
static void give_up_ring(struct nbread *ring, struct nbread_thr *t)
{
	unsigned i;

	for (i = 0; i < t->nr_spare; i++)
		nbread_sys_close(t->spare[i]);
	t->nr_spare = 0;
	close_if_open(t->event);
	close_if_open(t->ring_fd);
	t->event = t->ring_fd = -1;
	if (ring->ring_ptr)
		nbread_sys_munmap(ring->ring_ptr, ring->ring_size);
}

static void free_memory(struct nbread_thr *t)
{
	if (t->arena)
		nbread_sys_munmap(t->arena, NBREAD_THR_WORKERS * NBREAD_THR_CHUNK);
	close_if_open(t->arena_fd);
	if (t->owner)
		nbread_sys_munmap(t->owner, sizeof(*t->owner));
	free(t->heap);
	free(t);
}

static void free_thr(struct nbread_thr *t)
{
	pthread_cond_destroy(&t->delivered);
	pthread_cond_destroy(&t->timer);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->sq_lock);
	free_memory(t);
}

void nbread_thr_put(struct nbread_thr *t)
{
	bool last = !--t->users;

	nbread_thr_unlock(t);
	if (last)
		free_thr(t);
}

void nbread_thr_free_job(struct nbread_thr_job *job)
{
	free(job->vectors);
	free(job);
}

static struct nbread_thr *new_thr(const struct nbread_setup *p)
{
	struct nbread_thr *t = calloc(1, sizeof(*t));
	pthread_condattr_t clock;

	if (!t)
		return NULL;
	pthread_mutex_init(&t->sq_lock, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&t->work, &clock);
	pthread_cond_init(&t->timer, &clock);
	pthread_cond_init(&t->delivered, &clock);
	pthread_condattr_destroy(&clock);
	t->sq_entries = p->sq_entries;
	t->cq_entries = p->cq_entries;
	t->max_workers = p->max_workers;
	t->timeout_ns = p->timeout_ns;
	t->noio = nbread_thr_has_noio();
	t->users = 1;
	t->ring_fd = t->arena_fd = t->event = -1;
	return t;
}

/* The places that threads read to; see threads.h. */
static int get_arena(struct nbread_thr *t)
{
	const size_t size = NBREAD_THR_WORKERS * NBREAD_THR_CHUNK;
	struct iovec to;
	void *mem;
	int ret, why;

	ret = why = nbread_sys_memfd(size);
	t->arena_is_file = ret >= 0;
	/* A limit, or memfd_create(2) is filtered out: see take_vectors() for what these are for. */
	if (ret == -EFBIG)
		ret = nbread_sys_memfd(0);
	if (ret == -EPERM || ret == -EACCES || ret == -ENOSYS) {
		why = ret;
		ret = nbread_sys_null();
		if (ret == -ENOENT || ret == -ENODEV || ret == -EACCES)
			ret = why;
	}
	if (ret < 0)
		return ret;
	t->arena_fd = ret;
	ret = nbread_sys_memory(t->arena_is_file ? t->arena_fd : -1, size, &mem);
	if (ret < 0)
		return ret;
	t->arena = mem;
	if (t->arena_is_file)
		return 0;
	/* It may be filtered out: better told now than of each read. */
	to.iov_base = t->arena;
	to.iov_len = 1;
	return nbread_sys_copy(&to, 1, "", 1) == 1 ? 0 : why;
}

/* Descriptors and memory; what is there after an error, the caller gives up. */
static int get_memory(struct nbread *ring, struct nbread_thr *t, const struct nbread_setup *p)
{
	void *mem;
	int ret;

	ret = nbread_sys_memory(-1, sizeof(*t->owner), &mem);
	if (ret < 0)
		return ret;
	t->owner = mem;
	ret = nbread_sys_wipe_on_fork(mem, sizeof(*t->owner));
	if (ret < 0)
		return ret;
	*t->owner = OWNED;
	ret = nbread_sys_memory(-1, ring->ring_size, &ring->ring_ptr);
	if (ret < 0)
		return ret;
	mem = ring->ring_ptr;
	t->sh = mem;
	t->cqes = (struct nbread_cqe *)((char *)mem + p->cq_off.cqes);
	t->sqes = (struct nbread_sqe *)((char *)mem + p->sq_off.sqes);
	ret = get_arena(t);
	if (ret < 0)
		return ret;
	t->ring_fd = nbread_sys_eventfd();
	if (t->ring_fd < 0)
		return t->ring_fd;
	/* The first thread that waits needs one: not then, when it may fail. */
	ret = nbread_sys_eventfd();
	if (ret >= 0)
		t->spare[t->nr_spare++] = ret;
	return ret < 0 ? ret : 0;
}

static int threads_init(struct nbread *ring, struct nbread_setup *p)
{
	int ret = check_setup(p), saved = errno;
	struct nbread_thr *t;

	if (ret < 0)
		return ret;
	tell_offsets(p);
	t = new_thr(p);
	errno = saved;
	if (!t)
		return -ENOMEM;
	ring->ring_size = (size_t)p->ring_size;
	ret = get_memory(ring, t, p);
	if (ret < 0) {
		give_up_ring(ring, t);
		free_thr(t);
		return ret;
	}
	point_into(ring, t);
	ring->priv = t;
	ring->ring_fd = t->ring_fd;
	ring->setup_flags = p->flags;
	ring->max_try = NBREAD_THR_TRY;
	ring->max_len = NBREAD_THR_LEN;
	return 0;
}

/*
 * The tables of a child. What is in them is closed whoever has a reference: those were threads,
 * which are not here. (A file that was taken out of the table, and that only a read of the
 * parent has, stays open in the child: its lists cannot be trusted.)
 */
static void drop_childs_tables(struct nbread_thr *t)
{
	unsigned i;

	for (i = 0; i < t->nr_files; i++)
		if (t->files[i])
			t->files[i]->refs = 1;
	nbread_thr_drop_tables(t);
	nbread_thr_close_files(t->doomed);
}

/*
 * Reads in flight end without a completion. Waits for no file, but for threads that are
 * just copying to the program's memory, since that may be freed when this returns.
 */
static void threads_exit(struct nbread *ring)
{
	struct nbread_thr *t = nbread_thr_of(ring);
	struct nbread_thr_job *job, *next;
	int state;

	if (nbread_thr_foreign(t)) {
		/*
		 * A child: it has no threads, and who held a lock at the fork is not here. Nor
		 * is who waited: to destroy what he waited on would wait for him.
		 */
		drop_childs_tables(t);
		give_up_ring(ring, t);
		free_memory(t);
		return;
	}
	pthread_mutex_lock(&t->lock);
	t->closing = true;
	/* A thread that is cancelled in the wait would leave half a ring behind. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	while (t->delivering)
		pthread_cond_wait(&t->delivered, &t->lock);
	pthread_setcancelstate(state, NULL);
	for (job = t->oldest; job; job = next) {
		next = job->next;
		if (job->state == NBREAD_THR_QUEUED) {
			if (job->file)
				nbread_thr_put_file(t, job->file);
			nbread_thr_free_job(job);
		} else {
			job->state = NBREAD_THR_GONE;
		}
	}
	t->oldest = t->newest = t->first = t->last = NULL;
	t->queued = t->nr_hints = t->nr_heap = 0;
	nbread_thr_drop_tables(t);
	give_up_ring(ring, t);
	pthread_cond_broadcast(&t->work);
	pthread_cond_broadcast(&t->timer);
	nbread_thr_put(t);
}

static int threads_query(struct nbread *ring, struct nbread_query *q)
{
	(void)ring; /* the same for all */
	memset(q, 0, sizeof(*q));
	q->abi_version = NBREAD_ABI_VERSION;
	q->sqe_flags = NBREAD_SQE_FIXED_FILE | NBREAD_SQE_CACHED | NBREAD_SQE_ASYNC;
	if (nbread_thr_has_noio())
		q->sqe_flags |= NBREAD_SQE_NOIO;
	q->cqe_flags = NBREAD_CQE_HIT | NBREAD_CQE_PUNTED;
	q->setup_flags = NBREAD_SETUP_SQWQ;
	q->enter_flags = NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK;
	q->cancel_flags = NBREAD_CANCEL_FD | NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL |
			  NBREAD_CANCEL_FIXED_FILE;
	q->opcodes = 1U << NBREAD_OP_NOP | 1U << NBREAD_OP_READ | 1U << NBREAD_OP_READV |
		     1U << NBREAD_OP_READ_FIXED;
	q->register_ops = nbread_thr_register_ops;
	q->register_flags = NBREAD_REGISTER_SPARSE | NBREAD_REGISTER_EVENTFD_ASYNC;
	q->max_sq_entries = NBREAD_THR_SQ_ENTRIES;
	q->max_cq_entries = NBREAD_THR_CQ_ENTRIES;
	q->max_try = NBREAD_THR_TRY;
	q->max_iov = NBREAD_THR_IOV;
	q->max_len = NBREAD_THR_LEN;
	q->max_workers = NBREAD_THR_WORKERS;
	q->max_files = NBREAD_THR_FILES;
	q->max_buffers = NBREAD_THR_BUFFERS;
	return 0;
}

const struct nbread_backend_ops nbread_threads_ops = {
	.id = NBREAD_BACKEND_THREADS,
	.always_enter = true,
	.init = threads_init,
	.exit = threads_exit,
	.enter = nbread_thr_enter,
	.try_many = nbread_thr_try,
	.reg = nbread_thr_register,
	.cancel = nbread_thr_cancel,
	.file_info = nbread_thr_file_info,
	.query = threads_query,
};
