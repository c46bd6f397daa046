// SPDX-License-Identifier: GPL-2.0-only
/* QUERY: a program finds out what is served without probing by error. */
#include "abi.h"

Suite *check_query_suite(void);

START_TEST(query_reports_this_abi_version)
{
	ck_assert_uint_eq(abi_query().abi_version, NBREAD_ABI_VERSION);
}
END_TEST

START_TEST(query_needs_no_ring_and_changes_nothing)
{
	struct nbread_query q = {}, again = {};
	struct raw r = {};

	r.fd = raw_open_fd();
	ck_assert_int_ge(r.fd, 0);
	ck_assert_int_eq(raw_ioctl(r.fd, NBREAD_IOC_QUERY, &q), 0);
	r.p.sq_entries = 4;
	ck_assert_int_eq(raw_ioctl(r.fd, NBREAD_IOC_SETUP, &r.p), 0);
	ck_assert_int_eq(raw_ioctl(r.fd, NBREAD_IOC_QUERY, &again), 0);
	ck_assert_mem_eq(&q, &again, sizeof(q));
	close(r.fd);
}
END_TEST

START_TEST(query_reports_the_opcodes_of_the_first_version)
{
	uint64_t opcodes = abi_query().opcodes;

	ck_assert(opcodes & 1 << NBREAD_OP_NOP);
	ck_assert(opcodes & 1 << NBREAD_OP_READ);
	ck_assert(opcodes & 1 << NBREAD_OP_READV);
}
END_TEST

START_TEST(query_reports_the_flags_of_the_first_version)
{
	struct nbread_query q = abi_query();

	ck_assert_uint_eq(q.sqe_flags & (NBREAD_SQE_CACHED | NBREAD_SQE_NOIO | NBREAD_SQE_ASYNC),
			  NBREAD_SQE_CACHED | NBREAD_SQE_NOIO | NBREAD_SQE_ASYNC);
	ck_assert_uint_eq(q.cqe_flags & (NBREAD_CQE_HIT | NBREAD_CQE_WAITED | NBREAD_CQE_PUNTED),
			  NBREAD_CQE_HIT | NBREAD_CQE_WAITED | NBREAD_CQE_PUNTED);
	ck_assert_uint_eq(q.enter_flags &
				  (NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK),
			  NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK);
	ck_assert_uint_eq(q.cancel_flags, NBREAD_CANCEL_FD | NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL |
						  NBREAD_CANCEL_FIXED_FILE);
}
END_TEST

START_TEST(query_reports_only_flags_that_the_header_knows)
{
	struct nbread_query q = abi_query();

	ck_assert_uint_eq(q.opcodes & ~UINT64_C(0xf), 0);
	ck_assert_uint_eq(q.sqe_flags & ~0xfU, 0);
	ck_assert_uint_eq(q.cqe_flags & ~0x7U, 0);
	ck_assert_uint_eq(q.setup_flags & ~0xfU, 0);
	ck_assert_uint_eq(q.enter_flags & ~0x1fU, 0);
	ck_assert_uint_eq(q.cancel_flags & ~0xfU, 0);
	ck_assert_uint_eq(q.register_ops & ~UINT64_C(0x7fe), 0);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(q.resv); i++)
		ck_assert_uint_eq(q.resv[i], 0);
}
END_TEST

START_TEST(query_reports_limits_that_can_be_used)
{
	struct nbread_query q = abi_query();

	ck_assert_uint_ge(q.max_sq_entries, 1024);
	ck_assert_uint_ge(q.max_cq_entries, q.max_sq_entries);
	ck_assert_uint_ge(q.max_try, 64);
	ck_assert_uint_eq(q.max_iov, 1024);
	ck_assert_uint_ge(q.max_len, 1 << 30);
	/* A result is a __s32. */
	ck_assert_uint_le(q.max_len, INT32_MAX);
	ck_assert_uint_ge(q.max_workers, 1);
	ck_assert_uint_le(q.filemap, 1);
}
END_TEST

START_TEST(query_takes_anything_in_its_out_members)
{
	struct nbread_query clean = abi_query(), q;
	int fd = raw_open_fd();

	memset(&q, 0xff, offsetof(struct nbread_query, resv));
	memset((char *)&q + offsetof(struct nbread_query, resv), 0,
	       sizeof(q) - offsetof(struct nbread_query, resv));
	ck_assert_int_eq(raw_ioctl(fd, NBREAD_IOC_QUERY, &q), 0);
	ck_assert_mem_eq(&q, &clean, sizeof(q));
	close(fd);
}
END_TEST

static int query_once(void *arg)
{
	struct nbread_query q = {};

	return raw_ioctl(*(int *)arg, NBREAD_IOC_QUERY, &q) == 0 && q.abi_version ? 0 : 1;
}

START_TEST(query_answers_an_unprivileged_process_that_inherited_the_device)
{
	int fd = raw_open_fd();

	ck_assert_int_eq(nbtest_as_nobody(query_once, &fd), 0);
	close(fd);
}
END_TEST

Suite *check_query_suite(void)
{
	Suite *s = suite_create("query");

	nbtest_add(s, query_reports_this_abi_version);
	nbtest_add(s, query_needs_no_ring_and_changes_nothing);
	nbtest_add(s, query_reports_the_opcodes_of_the_first_version);
	nbtest_add(s, query_reports_the_flags_of_the_first_version);
	nbtest_add(s, query_reports_only_flags_that_the_header_knows);
	nbtest_add(s, query_reports_limits_that_can_be_used);
	nbtest_add(s, query_takes_anything_in_its_out_members);
	nbtest_add(s, query_answers_an_unprivileged_process_that_inherited_the_device);
	return s;
}
