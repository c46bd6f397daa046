// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registered buffers and the eventfd where another task than the program's works: the
 * thread of an SQTHREAD ring, the workers of an SQWQ ring, the helpers that copy.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "device_kind.h"
#include "fixed.h"
#include "fuse.h"
#include "sq.h"

#define SIZE KB(64)
#define READS 16
#define SPREAD "/sys/module/nbread/parameters/spread"

static unsigned char *buf;

/* Buffers from index 0 on: of SIZE each, in a row in buf, and each 100 bytes from a page. */
static void begin(struct raw *r, unsigned int flags, unsigned int idle_ms, unsigned int nr)
{
	struct nbread_buffer b[4];

	buf = dev_buf((nr + 1) * SIZE);
	sq_ring(r, 64, flags, idle_ms);
	for (unsigned int i = 0; i < nr; i++)
		b[i] = (struct nbread_buffer){ (uintptr_t)buf + 100 + i * SIZE, SIZE };
	ck_assert_int_eq(raw_register(r->fd, NBREAD_REGISTER_BUFFERS, 0, b, nr, 0), 0);
}

static void prep(struct raw *r, int fd, unsigned int index, size_t at, size_t len, off_t off,
		 unsigned int flags, uint64_t user_data)
{
	struct nbread_sqe *sqe =
		sq_prep(r, fd, buf + 100 + index * SIZE + at, len, off, flags, user_data);

	sqe->opcode = NBREAD_OP_READ_FIXED;
	sqe->buf_index = (uint16_t)index;
}

/* What raw_publish() made visible is taken: by ENTER, or by the thread. */
static void hand_over(struct raw *r)
{
	if (r->p.flags & NBREAD_SETUP_SQTHREAD)
		ck_assert_int_ge(raw_hand_over(r), 0);
	else
		ck_assert_int_ge(raw_enter(r, raw_publish(r), 0), 0);
	dev_await(__atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE) == r->next);
}

static void check_read(struct raw *r, int fd, size_t at, size_t len, off_t off, unsigned int flags,
		       unsigned int id)
{
	unsigned char *to = buf + 100 + SIZE + at;
	struct nbread_cqe cqe;

	memset(buf, 0xa5, 3 * SIZE);
	prep(r, fd, 1, at, len, off, flags, 5);
	hand_over(r);
	cqe = sq_next(r);
	dev_must(cqe.user_data == 5 && cqe.res == (int)len, "%zu bytes at %zu, flags %#x: %d", len,
		 at, flags, cqe.res);
	dev_check(to, len, off, id);
	dev_check_same(buf, (size_t)(to - buf), 0xa5);
	dev_check_same(to + len, 3 * SIZE - (size_t)(to - buf) - len, 0xa5);
}

static void check_ways(struct raw *r, int fd, unsigned int id)
{
	nbtest_evict(fd);
	check_read(r, fd, 0, SIZE, 0, 0, id);
	nbtest_warm(fd);
	check_read(r, fd, 0, SIZE, 0, 0, id);
	check_read(r, fd, 77, 3 * PG + 11, PG - 3, 0, id);
	check_read(r, fd, SIZE - 1, 1, 5, NBREAD_SQE_ASYNC, id);
	nbtest_evict(fd);
	check_read(r, fd, 9, 3 * PG, PG + 1, 0, id);
}

/* _i: the kind of file; it sleeps whenever it can, or (the second half) never. */
START_TEST(the_thread_reads_into_registered_buffers)
{
	int fd = dev_cold_file(dev_fs(_i % DEV_NR_FS), SIZE, 91);
	struct raw r;

	begin(&r, NBREAD_SETUP_SQTHREAD, _i < DEV_NR_FS ? NBREAD_SQ_IDLE_NONE : SQ_ALWAYS, 2);
	check_ways(&r, fd, 91);
	/* One byte too far, and no such buffer */
	prep(&r, fd, 1, 1, SIZE, 0, 0, 6);
	prep(&r, fd, 2, 0, 1, 0, 0, 7);
	hand_over(&r);
	ck_assert_int_eq(sq_next(&r).res, -EFAULT);
	ck_assert_int_eq(sq_next(&r).res, -EFAULT);
	raw_close(&r);
}
END_TEST

START_TEST(workers_of_an_sqwq_ring_read_into_registered_buffers)
{
	int fd = dev_cold_file(dev_fs(_i ? DEV_VFAT : DEV_EXT4), SIZE, 92);
	struct raw r;

	begin(&r, NBREAD_SETUP_SQWQ, 0, 2);
	check_ways(&r, fd, 92);
	raw_close(&r);
}
END_TEST

/* FUSE: what is resident is read by the file's own read, with the pages held. */
START_TEST(resident_bytes_of_a_server_s_file_are_read_into_registered_buffers)
{
	int fd = open(fuse_start(SIZE, 93), O_RDONLY | O_CLOEXEC);
	struct raw r;

	ck_assert_int_ge(fd, 0);
	begin(&r, NBREAD_SETUP_SQWQ, 0, 2);
	for (int i = 0; i < 3; i++)
		check_read(&r, fd, 33, SIZE - 33, 0, 0, 93);
	ck_assert_int_ge(sq_info(&r, "nbread-hits"), 1);
	raw_close(&r);
	close(fd);
	fuse_stop();
}
END_TEST

enum { CHANGE, UNREGISTER, CLOSE, NR_HOWS };

/* Its reads are parked; then the buffer is taken from under them. */
START_TEST(reads_of_the_thread_keep_the_buffer_they_began_with)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 94);
	long refs = dev_module_idle(), before = (long)nbtest_pinned_kib();
	struct nbread_buffer other = { (uintptr_t)dev_buf(PG), PG };
	struct nbread_cqe cqe;
	struct raw r;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	begin(&r, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE, 1);
	dev_warm(fd, MB(1) - PG, PG);
	dev_hold(fs);
	for (unsigned int i = 0; i < READS; i++)
		prep(&r, fd, 0, i * 2000, 2000, (off_t)(i * 2 * PG), 0, i);
	hand_over(&r);
	dev_await(dev_held(fs) >= READS);
	if (_i == CHANGE)
		ck_assert_int_eq(
			raw_register(r.fd, NBREAD_REGISTER_BUFFERS_UPDATE, 0, &other, 1, 0), 1);
	else if (_i == UNREGISTER)
		ck_assert_int_eq(raw_register(r.fd, NBREAD_UNREGISTER_BUFFERS, 0, NULL, 0, 0), 0);
	else
		raw_close(&r);
	/* SIZE, which begins within a page; but reads that close() ended write no more. */
	if (_i == CLOSE)
		dev_await((long)nbtest_pinned_kib() == before);
	else
		ck_assert_int_ge((long)nbtest_pinned_kib(), before + 68);
	dev_release(fs);
	for (int i = 0; i < READS && _i != CLOSE; i++) {
		cqe = sq_next(&r);
		ck_assert_int_eq(cqe.res, 2000);
		dev_check(buf + 100 + cqe.user_data * 2000, 2000, (off_t)(cqe.user_data * 2 * PG),
			  94);
	}
	if (_i == CLOSE)
		dev_check_same(buf, SIZE, 0xa5);
	dev_await((long)nbtest_pinned_kib() == before + (_i == CHANGE ? 4 : 0));
	if (_i != CLOSE)
		raw_close(&r);
	/* By the thread, which close() does not wait for. */
	dev_await((long)nbtest_pinned_kib() == before && dev_module_refs() == refs);
	close(fd);
}
END_TEST

static uint64_t counted(int efd)
{
	uint64_t n = 0;
	ssize_t ret = read(efd, &n, sizeof(n));

	dev_must(ret == sizeof(n) || (ret < 0 && errno == EAGAIN), "read of the eventfd: %m");
	return n;
}

static int event(struct raw *r, bool async)
{
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ck_assert_int_ge(efd, 0);
	ck_assert_int_eq(raw_register(r->fd, NBREAD_REGISTER_EVENTFD,
				      async ? NBREAD_REGISTER_EVENTFD_ASYNC : 0, &efd, 1, 0),
			 0);
	return efd;
}

/* Not even a hit was answered in a call of the program's, so ASYNC leaves out nothing. */
START_TEST(the_thread_tells_an_eventfd_of_every_completion)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 95), efd;
	struct raw r;

	begin(&r, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE, 1);
	efd = event(&r, _i);
	dev_warm(fd, 0, SIZE);
	for (int i = 0; i < 20; i++) {
		prep(&r, fd, 0, 0, PG, 0, i % 2 ? NBREAD_SQE_ASYNC : 0, i);
		hand_over(&r);
		ck_assert_int_eq(sq_next(&r).res, PG);
		dev_await(counted(efd));
	}
	ck_assert_int_eq(raw_register(r.fd, NBREAD_UNREGISTER_EVENTFD, 0, NULL, 0, 0), 0);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
	ck_assert_uint_eq(counted(efd), 0);
	raw_close(&r);
	close(efd);
}
END_TEST

#define ROUNDS 1000
static bool stop;

static void *evict_often(void *fd)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		posix_fadvise((int)(intptr_t)fd, 0, 0, POSIX_FADV_DONTNEED);
	return NULL;
}

/* The thread does all; the program sleeps on its eventfd, and never calls ENTER but to wake it. */
START_TEST(a_loop_that_waits_for_its_eventfd_alone_hears_of_all_that_the_thread_did)
{
	int fd = dev_file(dev_fs(DEV_EXT4), MB(1), 96), ep = epoll_create1(EPOLL_CLOEXEC), efd;
	struct epoll_event ev = { .events = EPOLLIN };
	unsigned int put = 0, done = 0, waits = 0;
	struct nbread_cqe cqe;
	pthread_t thread;
	struct raw r;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	begin(&r, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE, 1);
	efd = event(&r, false);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, evict_often, (void *)(intptr_t)fd), 0);
	while (done < ROUNDS) {
		for (; put < ROUNDS && put - done < READS; put++)
			prep(&r, fd, 0, put % READS * PG, PG, (off_t)(put * 37 % 256 * PG),
			     put % 7 ? 0 : NBREAD_SQE_ASYNC, put);
		dev_must(raw_hand_over(&r) >= 0, "ENTER failed");
		while (raw_reap(&r, &cqe)) {
			dev_must(cqe.res == (int)PG, "res %d", cqe.res);
			done++;
		}
		if (done == put)
			continue;
		dev_must(epoll_wait(ep, &ev, 1, 60000) == 1, "%u of %u, and nothing was told", done,
			 put);
		counted(efd);
		waits++;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(waits, 0);
	raw_close(&r);
	close(ep);
	close(efd);
}
END_TEST

static char spread_was[8];

static void helpers_on(void)
{
	ck_assert_int_gt(nbtest_read_text(SPREAD, spread_was, sizeof(spread_was)), 0);
	ck_assert_int_eq(nbtest_write_text(SPREAD, "1"), 0);
}

static void helpers_as_before(void)
{
	ck_assert_int_eq(nbtest_write_text(SPREAD, spread_was), 0);
}

/* Much came in at once: several cores copy it, and each tells of its part. */
START_TEST(helpers_copy_into_registered_buffers_and_tell_the_eventfd)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 97), efd;
	long before = (long)nbtest_pinned_kib();
	struct nbread_cqe cqe;
	struct raw r;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		nbtest_skip("one CPU");
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	begin(&r, 0, 0, 4);
	efd = event(&r, true);
	dev_warm(fd, MB(1) - PG, PG);
	dev_hold(fs);
	for (unsigned int i = 0; i < 64; i++)
		prep(&r, fd, i / 16, i % 16 * PG, PG, (off_t)(i * 2 * PG), 0, i);
	hand_over(&r);
	ck_assert_uint_eq(counted(efd), 0);
	/* No slot holds them any more, so the last read lets go of each. */
	ck_assert_int_eq(raw_register(r.fd, NBREAD_UNREGISTER_BUFFERS, 0, NULL, 0, 0), 0);
	dev_release(fs);
	for (unsigned int i = 0; i < 64; i++)
		dev_await(nbtest_page_resident(fd, i * 2 * PG));
	dev_await(counted(efd) == 1);
	/* One call, which may leave with its own part alone; the rest is told. */
	ck_assert_int_ge(raw_enter(&r, 0, 1), 0);
	for (unsigned int n = 0; n < 64;) {
		if (!raw_reap(&r, &cqe)) {
			dev_await(counted(efd));
			continue;
		}
		ck_assert_int_eq(cqe.res, PG);
		dev_check(buf + 100 + cqe.user_data / 16 * SIZE + cqe.user_data % 16 * PG, PG,
			  (off_t)(cqe.user_data * 2 * PG), 97);
		n++;
	}
	ck_assert_int_gt(sq_info(&r, "nbread-spread"), 0);
	dev_await((long)nbtest_pinned_kib() == before);
	raw_close(&r);
	close(efd);
}
END_TEST

Suite *check_register_threads_suite(void);

Suite *check_register_threads_suite(void)
{
	Suite *s = suite_create("register_threads");

	nbtest_add_loop(s, the_thread_reads_into_registered_buffers, 2 * DEV_NR_FS);
	nbtest_add_loop(s, workers_of_an_sqwq_ring_read_into_registered_buffers, 2);
	nbtest_add(s, resident_bytes_of_a_server_s_file_are_read_into_registered_buffers);
	nbtest_add_loop(s, reads_of_the_thread_keep_the_buffer_they_began_with, NR_HOWS);
	nbtest_add_loop(s, the_thread_tells_an_eventfd_of_every_completion, 2);
	nbtest_add(s, a_loop_that_waits_for_its_eventfd_alone_hears_of_all_that_the_thread_did);
	nbtest_add_fixture(s, helpers_copy_into_registered_buffers_and_tell_the_eventfd, helpers_on,
			   helpers_as_before);
	return s;
}
