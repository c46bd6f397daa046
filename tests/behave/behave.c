// SPDX-License-Identifier: GPL-2.0-only
/* What the suites share; see behave.h. */
#include <poll.h>
#include "behave.h"

static struct nbread_query query;

const struct nbread_query *behave_query(void)
{
	if (!query.abi_version)
		ck_assert_int_eq(nbread_query(NULL, &query), 0);
	return &query;
}

bool behave_threads(void)
{
	const char *name = getenv("NBREAD_BACKEND");
	static int threads = -1;
	struct nbread ring;

	if (name && *name)
		return strcmp(name, "threads") == 0;
	if (threads < 0) {
		ck_assert_int_eq(nbread_queue_init(1, &ring, 0), 0);
		threads = nbread_backend(&ring) == NBREAD_BACKEND_THREADS;
		nbread_queue_exit(&ring);
	}
	return threads;
}

int behave_value(const struct behave_differs *d)
{
	return behave_threads() ? d->threads_value : d->module_value;
}

void behave_ring_params(struct nbread *ring, unsigned entries, struct nbread_setup *p)
{
	int ret = nbread_queue_init_params(entries, ring, p);

	ck_assert_msg(ret == 0, "nbread_queue_init_params: %s", strerror(-ret));
	ck_assert_int_eq(nbread_backend(ring),
			 behave_threads() ? NBREAD_BACKEND_THREADS : NBREAD_BACKEND_MODULE);
}

void behave_ring(struct nbread *ring, unsigned entries)
{
	struct nbread_setup p = { 0 };

	behave_ring_params(ring, entries, &p);
}

void behave_need_opcode(unsigned op)
{
	if (!(behave_query()->opcodes >> op & 1))
		nbtest_skip_now("opcode %u is not served", op);
}

void behave_need_register(unsigned op)
{
	if (!(behave_query()->register_ops >> op & 1))
		nbtest_skip_now("REGISTER operation %u is not served", op);
}

void behave_need_sqe(unsigned flag)
{
	if (!(behave_query()->sqe_flags & flag))
		nbtest_skip_now("SQE flag %#x is not served", flag);
}

void behave_need_cancel(unsigned flag)
{
	if (!(behave_query()->cancel_flags & flag))
		nbtest_skip_now("CANCEL flag %#x is not served", flag);
}

void behave_need_deadlines(void)
{
	int fd = behave_warm_file(PG, 1);
	struct nbread ring;
	char buf[16];
	int res;

	behave_ring(&ring, 1);
	behave_prep(&ring, fd, buf, sizeof(buf), 0, 0, 1)->deadline_ns = UINT64_MAX;
	behave_submit(&ring, 1);
	res = behave_next(&ring).res;
	nbread_queue_exit(&ring);
	close(fd);
	if (res == -EINVAL)
		nbtest_skip_now("deadlines are not served");
	ck_assert_int_eq(res, sizeof(buf));
}

void *behave_buf(size_t len)
{
	void *buf = NULL;

	ck_assert_int_eq(posix_memalign(&buf, PG, len), 0);
	memset(buf, POISON, len);
	return buf;
}

void behave_untouched(const void *buf, size_t len)
{
	const unsigned char *p = buf;
	size_t i;

	/* An assertion costs a system call, also one that holds. */
	for (i = 0; i < len && p[i] == POISON; i++)
		;
	if (i < len)
		nbtest_fatal("byte %zu was written: %#x", i, p[i]);
}

static int new_file(size_t size, unsigned id)
{
	struct nbtest_file f;

	nbtest_file_new(&f, id, size);
	unlink(f.path);
	return f.fd;
}

int behave_warm_file(size_t size, unsigned id)
{
	int fd = new_file(size, id);

	nbtest_warm(fd);
	return fd;
}

int behave_cold_file(size_t size, unsigned id)
{
	int fd = new_file(size, id);

	nbtest_evict(fd);
	return fd;
}

struct nbread_sqe *behave_prep(struct nbread *ring, int fd, void *buf, size_t len, uint64_t off,
			       unsigned flags, uint64_t user_data)
{
	struct nbread_sqe *sqe = nbread_get_sqe(ring);

	ck_assert_ptr_nonnull(sqe);
	nbread_prep_read(sqe, fd, buf, (unsigned)len, off);
	nbread_sqe_set_flags(sqe, flags);
	nbread_sqe_set_data64(sqe, user_data);
	return sqe;
}

void behave_submit(struct nbread *ring, int taken)
{
	ck_assert_int_eq(nbread_submit(ring), taken);
}

struct nbread_cqe behave_next(struct nbread *ring)
{
	struct timespec ts = { .tv_sec = 60 };
	struct nbread_cqe *cqe = NULL, copy;
	int ret = nbread_wait_cqe_timeout(ring, &cqe, &ts);

	ck_assert_msg(ret == 0 && cqe, "no completion came: %s", strerror(-ret));
	copy = *cqe;
	nbread_cqe_seen(ring, cqe);
	return copy;
}

void behave_none(struct nbread *ring)
{
	struct nbread_cqe *cqe;

	ck_assert_int_eq(nbread_get_events(ring), 0);
	ck_assert_uint_eq(nbread_cq_ready(ring), 0);
	ck_assert_int_eq(nbread_peek_cqe(ring, &cqe), -EAGAIN);
}

struct nbread_cqe behave_read(struct nbread *ring, int fd, void *buf, size_t len, uint64_t off,
			      unsigned flags)
{
	static uint64_t serial;
	struct nbread_cqe cqe;

	behave_prep(ring, fd, buf, len, off, flags, ++serial << 32 | 0xbeef);
	behave_submit(ring, 1);
	cqe = behave_next(ring);
	ck_assert_uint_eq(cqe.user_data, serial << 32 | 0xbeef);
	ck_assert_uint_eq(nbread_cq_ready(ring), 0);
	return cqe;
}

bool behave_readable(const struct nbread *ring)
{
	struct pollfd p = { .fd = nbread_ring_fd(ring), .events = POLLIN };

	ck_assert_int_ge(poll(&p, 1, 0), 0);
	ck_assert_int_eq(p.revents & (POLLNVAL | POLLERR), 0);
	return p.revents & POLLIN;
}

int behave_busy_ring(struct nbread *ring, void *buf)
{
	struct nbread_setup p = { .max_workers = 1 };
	int fd = behave_slow_file(KB(256), 9);

	behave_ring_params(ring, 16, &p);
	behave_hold();
	behave_prep(ring, fd, buf, PG, 0, 0, 1);
	behave_submit(ring, 1);
	behave_held(1);
	return fd;
}
