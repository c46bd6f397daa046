// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers that are hard to write to: mapped from the very pages that are read,
 * read-only, not there in part, not faulted in, taken away meanwhile. The answer
 * is that of pread(2), and nothing hangs.
 */
#include <pthread.h>
#include <sys/mman.h>
#include "device.h"

#define SIZE KB(64)

enum { BY_READ, BY_READV, BY_CACHED, BY_TRY, BY_ASYNC, NR_WAYS };

static int read_by(struct nbread *ring, int way, int fd, void *buf, size_t len, off_t off)
{
	struct iovec iov[2] = { { buf, len / 2 }, { (char *)buf + len / 2, len - len / 2 } };

	switch (way) {
	case BY_READ:
		return dev_read(ring, fd, buf, len, off, 0).res;
	case BY_READV:
		return dev_readv(ring, fd, iov, 2, off, 0).res;
	case BY_CACHED:
		return dev_read(ring, fd, buf, len, off, NBREAD_SQE_CACHED).res;
	case BY_TRY:
		return dev_try(ring, fd, buf, len, off, NBREAD_SQE_NOIO).res;
	default:
		return dev_read(ring, fd, buf, len, off, NBREAD_SQE_ASYNC).res;
	}
}

START_TEST(a_read_into_a_mapping_of_the_same_pages_ends)
{
	int fd = dev_file(dev_fs(_i), SIZE, 17);
	unsigned char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct nbread ring;

	ck_assert_ptr_ne(map, MAP_FAILED);
	dev_ring(&ring, 8);
	for (int way = 0; way < NR_WAYS; way++) {
		for (int cold = 0; cold < 2; cold++) {
			bool must = way == BY_READ || way == BY_READV || way == BY_ASYNC;
			int res;

			madvise(map, SIZE, MADV_DONTNEED);
			if (cold)
				nbtest_evict(fd);
			else
				nbtest_warm(fd);
			res = read_by(&ring, way, fd, map, SIZE, 0);
			if (must)
				ck_assert_msg(res == (int)SIZE, "way %d, cold %d: %d", way, cold,
					      res);
			else
				ck_assert_msg(res == -EAGAIN || (res > 0 && res <= (int)SIZE),
					      "way %d, cold %d: %d", way, cold, res);
			dev_check(map, SIZE, 0, 17);
		}
	}
	/* Shifted by a page and a bit: a page is the source of one read and the buffer of another. */
	memset(map, 0, SIZE);
	nbtest_write_pattern(fd, 0, SIZE, 17, 1);
	madvise(map, SIZE, MADV_DONTNEED);
	nbtest_evict(fd);
	ck_assert_int_eq(dev_read(&ring, fd, map + KB(32), PG, PG + 3, 0).res, PG);
	dev_check(map + KB(32), PG, PG + 3, 17);
	munmap(map, SIZE);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_read_only_buffer_is_efault)
{
	int fd = dev_file(dev_fs(_i), SIZE, 17);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;

	dev_ring(&ring, 8);
	mprotect(buf, SIZE, PROT_READ);
	ck_assert_int_eq(pread(fd, buf, SIZE, 0), -1);
	ck_assert_int_eq(errno, EFAULT);
	for (int way = 0; way < NR_WAYS; way++)
		ck_assert_int_eq(read_by(&ring, way, fd, buf, SIZE, 0), -EFAULT);
	nbtest_evict(fd);
	ck_assert_int_eq(read_by(&ring, BY_READ, fd, buf, SIZE, 0), -EFAULT);
	/* Of no bytes nothing is written; that is no error. */
	ck_assert_int_eq(read_by(&ring, BY_READ, fd, buf, 0, 0), 0);
	dev_check_same(buf, SIZE, 0xa5);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_buffer_that_ends_early_takes_what_fits)
{
	int fd = dev_file(dev_fs(_i), SIZE, 17);
	struct nbread ring;
	int want;

	dev_ring(&ring, 8);
	for (int way = 0; way < NR_WAYS; way++) {
		for (int cold = 0; cold < 2; cold++) {
			unsigned char *buf = dev_buf(4 * PG);
			int res;

			munmap(buf + 2 * PG, PG);
			nbtest_warm(fd);
			want = (int)pread(fd, buf + 100, 4 * PG - 100, 0);
			ck_assert_int_eq(want, 2 * PG - 100);
			memset(buf, 0xa5, 2 * PG);
			if (cold)
				nbtest_evict(fd);
			res = read_by(&ring, way, fd, buf + 100, 4 * PG - 100, 0);
			if (cold && (way == BY_CACHED || way == BY_TRY))
				ck_assert_msg(res == -EAGAIN, "way %d: %d", way, res);
			else
				ck_assert_msg(res == want, "way %d, cold %d: %d", way, cold, res);
			if (res > 0)
				dev_check(buf + 100, res, 0, 17);
			dev_check_same(buf + 3 * PG, PG, 0xa5);
			munmap(buf, 2 * PG);
			munmap(buf + 3 * PG, PG);
		}
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_buffer_that_was_never_touched_is_faulted_in)
{
	int fd = dev_file(dev_fs(_i), MB(1), 17);
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int way = 0; way < NR_WAYS; way++) {
		unsigned char *buf = mmap(NULL, MB(1), PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		ck_assert_int_eq(read_by(&ring, way, fd, buf, MB(1) - 7, 7), MB(1) - 7);
		dev_check(buf, MB(1) - 7, 7, 17);
		munmap(buf, MB(1));
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(an_address_that_cannot_be_is_efault)
{
	static const uint64_t bad[] = { 0, 8, 0x800000000000ULL, 0xffff888000000000ULL,
					0xfffffffffffff000ULL };
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 17);
	struct nbread ring;

	dev_ring(&ring, 8);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(bad); i++) {
		for (int way = 0; way < NR_WAYS; way++) {
			if (way == BY_READV)
				continue; /* its vector says so already */
			ck_assert_int_eq(read_by(&ring, way, fd, (void *)bad[i], PG, 0), -EFAULT);
		}
	}
	nbread_queue_exit(&ring);
}
END_TEST

struct racer {
	unsigned char *buf;
	bool stop;
};

static void *drop_pages(void *arg)
{
	struct racer *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE))
		madvise(r->buf, SIZE, MADV_DONTNEED);
	return NULL;
}

START_TEST(a_buffer_whose_pages_are_dropped_meanwhile_is_no_error)
{
	int fd = dev_file(dev_fs(_i), SIZE, 17);
	struct racer r = { .buf = dev_buf(SIZE) };
	struct nbread ring;
	pthread_t thread;

	dev_ring(&ring, 8);
	ck_assert_int_eq(pthread_create(&thread, NULL, drop_pages, &r), 0);
	for (int i = 0; i < 500; i++) {
		if (i % 100 == 99)
			nbtest_evict(fd);
		/* Dropped pages read as zeros afterwards; only the counts can be checked. */
		ck_assert_int_eq(read_by(&ring, i % 2 ? BY_READ : BY_READV, fd, r.buf, SIZE, 0),
				 SIZE);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_buffers_suite(void)
{
	Suite *s = suite_create("buffers");

	dev_add_each(s, a_read_into_a_mapping_of_the_same_pages_ends);
	dev_add_each(s, a_read_only_buffer_is_efault);
	dev_add_each(s, a_buffer_that_ends_early_takes_what_fits);
	dev_add_each(s, a_buffer_that_was_never_touched_is_faulted_in);
	nbtest_add(s, an_address_that_cannot_be_is_efault);
	dev_add_each(s, a_buffer_whose_pages_are_dropped_meanwhile_is_no_error);
	return s;
}
