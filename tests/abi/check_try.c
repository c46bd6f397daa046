// SPDX-License-Identifier: GPL-2.0-only
/* TRY: a batch of cached-only reads without a ring. */
#include <sys/stat.h>

#include "abi.h"

Suite *check_try_suite(void);

static int batch(int fd, struct nbread_try *reqs, uint32_t nr)
{
	struct nbread_try_batch b = { .reqs = (uintptr_t)reqs, .nr = nr };

	return raw_ioctl(fd, NBREAD_IOC_TRY, &b);
}

static struct nbread_try entry(int fd, void *buf, uint32_t len, uint64_t off)
{
	return (struct nbread_try){
		.fd = fd, .addr = (uintptr_t)buf, .len = len, .off = off, .res = 12345
	};
}

START_TEST(try_needs_no_ring)
{
	struct abi a;
	int dev = raw_open_fd();
	uint32_t flags;

	ck_assert_int_ge(dev, 0);
	abi_begin(&a);
	ck_assert_int_eq(raw_try(dev, a.file.fd, a.buf, 4096, 0, 0, &flags), 4096);
	ck_assert_uint_eq(flags, NBREAD_CQE_HIT);
	nbtest_check_bytes(a.buf, 4096, 0, ABI_FILE_ID, 1);
	abi_end(&a);
	close(dev);
}
END_TEST

START_TEST(try_returns_how_many_were_complete_hits)
{
	struct nbread_try t[6];
	struct abi a;

	abi_begin(&a);
	t[0] = entry(a.file.fd, a.buf, 4096, 0);
	t[1] = entry(a.file.fd, a.buf + 4096, 4096, ABI_FILE_SIZE); /* end of file: a hit */
	t[2] = entry(-1, a.buf + 8192, 4096, 0);
	t[3] = entry(a.file.fd, a.buf + 12288, 8192, ABI_FILE_SIZE - 100); /* up to the end */
	t[4] = entry(a.file.fd, NULL, 4096, 0);
	t[5] = entry(a.file.fd, a.buf + 20480, 1, 1);
	ck_assert_int_eq(batch(a.r.fd, t, 6), 4);
	ck_assert_int_eq(t[0].res, 4096);
	ck_assert_int_eq(t[1].res, 0);
	ck_assert_int_eq(t[2].res, -EBADF);
	ck_assert_int_eq(t[3].res, 100);
	ck_assert_int_eq(t[4].res, -EFAULT);
	ck_assert_int_eq(t[5].res, 1);
	ck_assert_uint_eq(t[0].cqe_flags, NBREAD_CQE_HIT);
	ck_assert_uint_eq(t[2].cqe_flags, 0);
	ck_assert_uint_eq(t[3].cqe_flags, NBREAD_CQE_HIT);
	ck_assert_uint_eq(t[4].cqe_flags, 0);
	nbtest_check_bytes(a.buf, 4096, 0, ABI_FILE_ID, 1);
	nbtest_check_bytes(a.buf + 12288, 100, ABI_FILE_SIZE - 100, ABI_FILE_ID, 1);
	ck_assert_uint_eq(a.buf[4096], ABI_CANARY);
	ck_assert_uint_eq(a.buf[8192], ABI_CANARY);
	ck_assert_uint_eq(a.buf[12288 + 100], ABI_CANARY);
	abi_end(&a);
}
END_TEST

START_TEST(try_writes_nothing_but_res_and_cqe_flags)
{
	struct nbread_try t, before;
	struct abi a;

	abi_begin(&a);
	t = entry(a.file.fd, a.buf, 100, 50);
	t.flags = NBREAD_SQE_CACHED;
	before = t;
	ck_assert_int_eq(batch(a.r.fd, &t, 1), 1);
	before.res = 100;
	before.cqe_flags = NBREAD_CQE_HIT;
	ck_assert_mem_eq(&t, &before, sizeof(t));
	abi_end(&a);
}
END_TEST

START_TEST(try_of_a_cold_page_is_eagain_and_touches_nothing)
{
	struct abi a;
	uint32_t flags = 99;

	abi_begin(&a);
	nbtest_evict(a.file.fd);
	ck_assert_int_eq(raw_try(a.r.fd, a.file.fd, a.buf, 4096, 8192, NBREAD_SQE_NOIO, &flags),
			 -EAGAIN);
	ck_assert_uint_eq(flags, 0);
	abi_check_canary(&a, 0);
	abi_end(&a);
}
END_TEST

START_TEST(try_with_noio_leaves_a_cold_file_cold)
{
	struct nbread_try t[16];
	struct abi a;

	abi_begin(&a);
	nbtest_evict(a.file.fd);
	for (unsigned int i = 0; i < 16; i++) {
		t[i] = entry(a.file.fd, a.buf + 4096 * i, 4096, 4096 * i);
		t[i].flags = NBREAD_SQE_NOIO;
	}
	ck_assert_int_eq(batch(a.r.fd, t, 16), 0);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_int_eq(t[i].res, -EAGAIN);
	ck_assert_uint_eq(nbtest_resident(a.file.fd, 0, ABI_FILE_SIZE), 0);
	abi_check_canary(&a, 0);
	abi_end(&a);
}
END_TEST

START_TEST(try_without_noio_starts_readahead_on_a_miss)
{
	struct abi a;
	int res;

	abi_begin(&a);
	nbtest_evict(a.file.fd);
	res = raw_try(a.r.fd, a.file.fd, a.buf, 4096, 0, 0, NULL);
	ck_assert_int_eq(res, -EAGAIN);
	ck_assert(nbtest_wait_until(nbtest_page_resident(a.file.fd, 0), 30000));
	ck_assert(nbtest_wait_until(raw_try(a.r.fd, a.file.fd, a.buf, 4096, 0, 0, NULL) == 4096,
				    30000));
	nbtest_check_bytes(a.buf, 4096, 0, ABI_FILE_ID, 1);
	abi_end(&a);
}
END_TEST

START_TEST(a_partial_hit_is_not_counted_as_a_hit)
{
	struct nbread_try t;
	struct abi a;
	uint8_t byte;

	abi_begin(&a);
	nbtest_evict(a.file.fd);
	posix_fadvise(a.file.fd, 0, 0, POSIX_FADV_RANDOM);
	ck_assert_int_eq(pread(a.file.fd, &byte, 1, 0), 1);
	ck_assert_uint_eq(nbtest_resident(a.file.fd, 0, ABI_FILE_SIZE), 1);
	t = entry(a.file.fd, a.buf, 12288, 1000);
	t.flags = NBREAD_SQE_NOIO;
	ck_assert_int_eq(batch(a.r.fd, &t, 1), 0);
	ck_assert_int_eq(t.res, 3096);
	ck_assert_uint_eq(t.cqe_flags, 0);
	nbtest_check_bytes(a.buf, 3096, 1000, ABI_FILE_ID, 1);
	abi_check_canary(&a, 3096);
	abi_end(&a);
}
END_TEST

START_TEST(try_serves_as_many_entries_as_query_says)
{
	uint32_t n = abi_query().max_try;
	struct nbread_try *t = calloc(n, sizeof(*t));
	struct abi a;

	abi_begin(&a);
	for (uint32_t i = 0; i < n; i++)
		t[i] = entry(a.file.fd, a.buf + i * 16, 16, i * 16);
	ck_assert_int_eq(batch(a.r.fd, t, n), (int)n);
	for (uint32_t i = 0; i < n; i++)
		ck_assert_int_eq(t[i].res, 16);
	nbtest_check_bytes(a.buf, (size_t)n * 16, 0, ABI_FILE_ID, 1);
	free(t);
	abi_end(&a);
}
END_TEST

START_TEST(try_answers_the_entries_before_one_it_cannot_read)
{
	struct nbread_try *t;
	struct abi a;

	abi_begin(&a);
	/* The array's page ends in the midst of the fourth entry. */
	t = (struct nbread_try *)(abi_page() + 4096 - 3 * sizeof(*t) - 24);
	for (unsigned int i = 0; i < 3; i++)
		t[i] = entry(a.file.fd, a.buf + 4096 * i, 4096, 4096 * i);
	ck_assert_int_eq(batch(a.r.fd, t, 8), -EFAULT);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(t[i].res, 4096);
	nbtest_check_bytes(a.buf, 3 * 4096, 0, ABI_FILE_ID, 1);
	abi_end(&a);
}
END_TEST

static int probe_as_nobody(void *arg)
{
	struct abi *a = arg;
	uint32_t flags = 99;
	int fd = open(a->file.path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 1;
	if (raw_try(a->r.fd, fd, a->buf, 4096, 0, NBREAD_SQE_NOIO, &flags) != -EPERM)
		return 2;
	if (raw_try(a->r.fd, fd, a->buf, 4096, 0, 0, &flags) != 4096)
		return 3;
	return flags == 0 ? 0 : 4;
}

START_TEST(try_tells_a_stranger_nothing_about_residency)
{
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(fchmod(a.file.fd, 0644), 0);
	/* 1: no open, 2: NOIO given, 3: no read, 4: HIT told */
	ck_assert_int_eq(nbtest_as_nobody(probe_as_nobody, &a), 0);
	abi_end(&a);
}
END_TEST

Suite *check_try_suite(void)
{
	Suite *s = suite_create("try");

	nbtest_add(s, try_needs_no_ring);
	nbtest_add(s, try_returns_how_many_were_complete_hits);
	nbtest_add(s, try_writes_nothing_but_res_and_cqe_flags);
	nbtest_add(s, try_of_a_cold_page_is_eagain_and_touches_nothing);
	nbtest_add(s, try_with_noio_leaves_a_cold_file_cold);
	nbtest_add(s, try_without_noio_starts_readahead_on_a_miss);
	nbtest_add(s, a_partial_hit_is_not_counted_as_a_hit);
	nbtest_add(s, try_serves_as_many_entries_as_query_says);
	nbtest_add(s, try_answers_the_entries_before_one_it_cannot_read);
	nbtest_add(s, try_tells_a_stranger_nothing_about_residency);
	return s;
}
