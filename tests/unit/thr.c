// SPDX-License-Identifier: GPL-2.0-only
/* Contract in thr.h. */
#include <sys/mman.h>
#include <unistd.h>
#include "thr.h"

struct nbread thr_ring;
struct thr_file thr_file, thr_other;
unsigned char thr_buf[THR_SIZE];

static unsigned fds;

/* In memory: nothing here depends on what a file system does. */
static void new_file(struct thr_file *f, unsigned id)
{
	f->id = id;
	f->fd = memfd_create("thr", MFD_CLOEXEC);
	ck_assert_int_ge(f->fd, 0);
	nbtest_write_pattern(f->fd, 0, THR_SIZE, id, 1);
}

void thr_start_params(struct nbread_setup *p)
{
	setenv("NBREAD_BACKEND", "threads", 1);
	/* Before 6.12 a cached-only miss is read ahead by a thread; so not by this machine's. */
	if (!fake.kernel)
		fake.kernel = 6 << 8 | 12;
	new_file(&thr_file, 1);
	new_file(&thr_other, 2);
	memset(thr_buf, THR_POISON, sizeof(thr_buf));
	fds = nbtest_open_fds();
	ck_assert_int_eq(nbread_queue_init_params(p->sq_entries, &thr_ring, p), 0);
	ck_assert_int_eq(nbread_backend(&thr_ring), NBREAD_BACKEND_THREADS);
}

void thr_start(unsigned entries, unsigned max_workers)
{
	struct nbread_setup p = { .sq_entries = entries, .max_workers = max_workers };

	thr_start_params(&p);
}

void thr_end(void)
{
	enum fake_gate gate;

	nbread_queue_exit(&thr_ring);
	for (gate = 0; gate < FAKE_NR_GATES; gate++)
		fake_let_go(gate);
	fake_wait_threads(0);
	ck_assert_uint_eq(fake.portable_maps, 0);
	ck_assert_uint_eq(nbtest_open_fds(), fds);
	close(thr_file.fd);
	close(thr_other.fd);
}

struct nbread_sqe *thr_prep(size_t len, size_t off, uint64_t user_data)
{
	struct nbread_sqe *sqe = nbread_get_sqe(&thr_ring);

	ck_assert_ptr_nonnull(sqe);
	ck_assert_uint_le(off + len, THR_SIZE);
	nbread_prep_read(sqe, thr_file.fd, thr_buf + off, (unsigned)len, off);
	nbread_sqe_set_data64(sqe, user_data);
	return sqe;
}

struct nbread_sqe *thr_async(size_t len, size_t off, uint64_t user_data)
{
	struct nbread_sqe *sqe = thr_prep(len, off, user_data);

	sqe->flags = NBREAD_SQE_ASYNC;
	return sqe;
}

void thr_submit(unsigned nr)
{
	ck_assert_int_eq(nbread_submit(&thr_ring), (int)nr);
}

static struct nbread_cqe take(const struct nbread_cqe *at)
{
	struct nbread_cqe cqe = *at;

	nbread_cq_advance(&thr_ring, 1);
	return cqe;
}

struct nbread_cqe thr_next(void)
{
	struct nbread_cqe *at;

	ck_assert_int_eq(nbread_wait_cqe(&thr_ring, &at), 0);
	return take(at);
}

static void is(struct nbread_cqe cqe, uint64_t user_data, int res)
{
	ck_assert_uint_eq(cqe.user_data, user_data);
	ck_assert_int_eq(cqe.res, res);
}

void thr_ends(uint64_t user_data, int res)
{
	is(thr_next(), user_data, res);
}

void thr_posted(uint64_t user_data, int res)
{
	ck_assert_uint_ge(nbread_cq_ready(&thr_ring), 1);
	is(thr_next(), user_data, res);
}

void thr_none(void)
{
	struct nbread_cqe *at;

	ck_assert_int_eq(nbread_peek_cqe(&thr_ring, &at), -EAGAIN);
}

void thr_settled(unsigned asleep)
{
	fake_wait_threads(asleep);
	fake_wait_asleep(asleep);
	thr_none();
}

void thr_right(size_t len, size_t off)
{
	nbtest_check_bytes(thr_buf + off, len, off, thr_file.id, 1);
}

void thr_untouched(size_t len, size_t off)
{
	size_t i;

	for (i = off; i < off + len; i++)
		if (thr_buf[i] != THR_POISON)
			nbtest_fatal("byte %zu was written to", i);
}
