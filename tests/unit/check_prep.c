// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the prep functions write: each member of the SQE, and nothing of what
 * was there before. Compared with an SQE written by hand.
 */
#include "nbtest.h"
#include "fake.h"

static struct nbread_sqe sqe;
static char buf[16];
static struct iovec iov[2];

/* Rubbish before, so that a member that is left out shows. user_data stays. */
static void rubbish(void)
{
	memset(&sqe, 0xa5, sizeof(sqe));
	sqe.user_data = 77;
}

static void assert_sqe(const struct nbread_sqe *want)
{
	ck_assert_mem_eq(&sqe, want, sizeof(sqe));
}

START_TEST(prep_read_sets_every_member_but_user_data)
{
	struct nbread_sqe want = { .opcode = NBREAD_OP_READ,
				   .fd = 5,
				   .off = 1ULL << 40,
				   .addr = (uintptr_t)buf,
				   .len = 16,
				   .user_data = 77 };

	rubbish();
	nbread_prep_read(&sqe, 5, buf, 16, 1ULL << 40);
	assert_sqe(&want);
}
END_TEST

START_TEST(prep_readv_sets_every_member_but_user_data)
{
	struct nbread_sqe want = { .opcode = NBREAD_OP_READV,
				   .fd = 5,
				   .off = 3,
				   .addr = (uintptr_t)iov,
				   .len = 2,
				   .user_data = 77 };

	rubbish();
	nbread_prep_readv(&sqe, 5, iov, 2, 3);
	assert_sqe(&want);
}
END_TEST

START_TEST(prep_read_fixed_sets_every_member_but_user_data)
{
	struct nbread_sqe want = { .opcode = NBREAD_OP_READ_FIXED,
				   .fd = 5,
				   .off = 3,
				   .addr = (uintptr_t)buf,
				   .len = 16,
				   .buf_index = 9,
				   .user_data = 77 };

	rubbish();
	nbread_prep_read_fixed(&sqe, 5, buf, 16, 3, 9);
	assert_sqe(&want);
}
END_TEST

START_TEST(prep_nop_sets_every_member_but_user_data)
{
	struct nbread_sqe want = { .opcode = NBREAD_OP_NOP, .user_data = 77 };

	rubbish();
	nbread_prep_nop(&sqe);
	assert_sqe(&want);
}
END_TEST

START_TEST(set_flags_sets_the_flags_alone)
{
	struct nbread_sqe want = { .opcode = NBREAD_OP_READ,
				   .fd = 5,
				   .addr = (uintptr_t)buf,
				   .flags = NBREAD_SQE_CACHED | NBREAD_SQE_NOIO,
				   .len = 16,
				   .user_data = 77 };

	rubbish();
	nbread_prep_read(&sqe, 5, buf, 16, 0);
	nbread_sqe_set_flags(&sqe, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
	assert_sqe(&want);
}
END_TEST

START_TEST(a_deadline_is_a_point_in_time_and_nothing_else)
{
	struct nbread_sqe want = { .opcode = NBREAD_OP_READ,
				   .fd = 5,
				   .addr = (uintptr_t)buf,
				   .len = 16,
				   .user_data = 77,
				   .deadline_ns = 123456789012345ULL };

	rubbish();
	nbread_prep_read(&sqe, 5, buf, 16, 0);
	nbread_sqe_set_deadline(&sqe, 123456789012345ULL);
	assert_sqe(&want);
	nbread_prep_read(&sqe, 5, buf, 16, 0);
	ck_assert_uint_eq(sqe.deadline_ns, 0);
}
END_TEST

START_TEST(a_timeout_becomes_a_deadline_from_now_on)
{
	const struct timespec ts = { 1, 7 }, wrong = { 0, -1 };

	ck_assert_int_eq(nbread_sqe_set_timeout(&sqe, &ts), 0);
	ck_assert_uint_eq(sqe.deadline_ns, fake.now_ns + 1000000007);
	ck_assert_int_eq(nbread_sqe_set_timeout(&sqe, &wrong), -EINVAL);
	ck_assert_int_eq(nbread_sqe_set_timeout_ns(&sqe, -2), -EINVAL);
	ck_assert_uint_eq(sqe.deadline_ns, fake.now_ns + 1000000007);
	/* 0 would mean what the ring has. */
	ck_assert_int_eq(nbread_sqe_set_timeout_ns(&sqe, 0), 0);
	ck_assert_uint_eq(sqe.deadline_ns, fake.now_ns);
	ck_assert_int_eq(nbread_sqe_set_timeout_ns(&sqe, INT64_MAX), 0);
	ck_assert_uint_eq(sqe.deadline_ns, INT64_MAX);
	ck_assert_int_eq(nbread_sqe_set_timeout(&sqe, NULL), 0);
	ck_assert_uint_eq(sqe.deadline_ns, INT64_MAX);
}
END_TEST

START_TEST(data_pointers_and_numbers_come_back)
{
	struct nbread_cqe cqe = { 0 };

	nbread_sqe_set_data(&sqe, buf);
	cqe.user_data = sqe.user_data;
	ck_assert_ptr_eq(nbread_cqe_get_data(&cqe), buf);
	nbread_sqe_set_data64(&sqe, ~0ULL);
	cqe.user_data = sqe.user_data;
	ck_assert_uint_eq(nbread_cqe_get_data64(&cqe), ~0ULL);
}
END_TEST

START_TEST(a_fresh_sqe_is_a_nop_whatever_its_slot_held_before)
{
	static const struct nbread_sqe zero;
	struct nbread ring;
	struct nbread_sqe *got;

	fake_ring(&ring, 1);
	got = nbread_get_sqe(&ring);
	memset(got, 0xa5, sizeof(*got));
	ck_assert_int_eq(nbread_submit(&ring), 1);
	ck_assert_ptr_eq(nbread_get_sqe(&ring), got);
	ck_assert_mem_eq(got, &zero, sizeof(zero));
}
END_TEST

Suite *check_prep_suite(void)
{
	Suite *s = suite_create("prep");

	nbtest_add(s, prep_read_sets_every_member_but_user_data);
	nbtest_add(s, prep_readv_sets_every_member_but_user_data);
	nbtest_add(s, prep_read_fixed_sets_every_member_but_user_data);
	nbtest_add(s, prep_nop_sets_every_member_but_user_data);
	nbtest_add(s, set_flags_sets_the_flags_alone);
	nbtest_add(s, a_deadline_is_a_point_in_time_and_nothing_else);
	nbtest_add(s, a_timeout_becomes_a_deadline_from_now_on);
	nbtest_add(s, data_pointers_and_numbers_come_back);
	nbtest_add(s, a_fresh_sqe_is_a_nop_whatever_its_slot_held_before);
	return s;
}
