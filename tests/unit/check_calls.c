// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cancel, file_info, query: the argument struct that reaches the
 * device, member by member, and the errors that come back.
 */
#include <errno.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;

static void setup(void)
{
	fake_ring(&ring, 4);
}

START_TEST(cancel64_passes_user_data_and_flags)
{
	struct nbread_cancel want = { .user_data = 1ULL << 60, .flags = NBREAD_CANCEL_ALL };

	ck_assert_int_eq(nbread_cancel64(&ring, 1ULL << 60, NBREAD_CANCEL_ALL), 3);
	ck_assert_mem_eq(&fake.cancel, &want, sizeof(want));
}
END_TEST

START_TEST(cancel_fd_adds_its_flag)
{
	struct nbread_cancel want = { .fd = 7, .flags = NBREAD_CANCEL_FD | NBREAD_CANCEL_ALL };

	ck_assert_int_eq(nbread_cancel_fd(&ring, 7, NBREAD_CANCEL_ALL), 3);
	ck_assert_mem_eq(&fake.cancel, &want, sizeof(want));
}
END_TEST

static const struct {
	const char *name;
	int error;
} cancel_errors[] = {
	{ "cancel_of_nothing_is_enoent", -ENOENT },
	{ "cancel_of_what_is_being_run_is_ealready", -EALREADY },
};

START_TEST(cancel_error)
{
	fake.call_error = cancel_errors[_i].error;
	setup();
	ck_assert_int_eq(nbread_cancel64(&ring, 1, 0), fake.call_error);
	ck_assert_int_eq(nbread_cancel_fd(&ring, 1, 0), fake.call_error);
}
END_TEST

START_TEST(cancel_by_index_says_that_fd_is_one)
{
	struct nbread_cancel want = {
		.fd = 7,
		.flags = NBREAD_CANCEL_FD | NBREAD_CANCEL_FIXED_FILE | NBREAD_CANCEL_ALL,
	};

	ck_assert_int_eq(nbread_cancel_file_index(&ring, 7, NBREAD_CANCEL_ALL), 3);
	ck_assert_mem_eq(&fake.cancel, &want, sizeof(want));
}
END_TEST

START_TEST(cancel_by_an_index_that_no_int_holds_is_ebadf)
{
	ck_assert_int_eq(nbread_cancel_file_index(&ring, 1U << 31, 0), -EBADF);
	ck_assert_uint_eq(fake.cancel.flags, 0);
}
END_TEST

START_TEST(file_info_clears_what_the_caller_left_in_it)
{
	struct nbread_file_info info, want = { .fd = 12 };

	memset(&info, 0xa5, sizeof(info));
	ck_assert_int_eq(nbread_file_info(&ring, 12, &info), 0);
	ck_assert_mem_eq(&fake.info, &want, sizeof(want));
	ck_assert_uint_eq(info.path, NBREAD_PATH_FILEMAP);
	fake.call_error = -EBADF;
	ck_assert_int_eq(nbread_file_info(&ring, 12, &info), -EBADF);
}
END_TEST

START_TEST(query_of_a_ring_asks_its_own_device)
{
	struct nbread_query q;

	ck_assert_int_eq(nbread_query(&ring, &q), 0);
	ck_assert_mem_eq(&q, &fake.query, sizeof(q));
	ck_assert_uint_eq(fake.opens, 1);
	ck_assert_uint_eq(fake.closes, 0);
}
END_TEST

START_TEST(query_without_a_ring_opens_and_closes_the_device)
{
	struct nbread_query q;

	ck_assert_int_eq(nbread_query(NULL, &q), 0);
	ck_assert_mem_eq(&q, &fake.query, sizeof(q));
	ck_assert_uint_eq(fake.opens, 1);
	ck_assert_uint_eq(fake.closes, 1);
}
END_TEST

START_TEST(query_without_a_ring_asks_the_module_that_was_named_alone)
{
	struct nbread_query q;

	setenv("NBREAD_BACKEND", "module", 1);
	fake.open_error = -ENOENT;
	ck_assert_int_eq(nbread_query(NULL, &q), -ENODEV);
}
END_TEST

START_TEST(query_without_a_ring_and_without_a_device_asks_the_threads)
{
	struct nbread_query q;

	fake.open_error = -ENOENT;
	ck_assert_int_eq(nbread_query(NULL, &q), 0);
	ck_assert_uint_eq(q.abi_version, NBREAD_ABI_VERSION);
	ck_assert_uint_eq(q.cqe_flags, NBREAD_CQE_HIT | NBREAD_CQE_PUNTED);
}
END_TEST

START_TEST(query_that_fails_without_a_ring_closes_the_device)
{
	struct nbread_query q;

	fake.query_error = -EFAULT;
	ck_assert_int_eq(nbread_query(NULL, &q), -EFAULT);
	ck_assert_uint_eq(fake.opens, fake.closes);
}
END_TEST

Suite *check_calls_suite(void)
{
	Suite *s = suite_create("calls");

	nbtest_add_fixture(s, cancel64_passes_user_data_and_flags, setup, NULL);
	nbtest_add_fixture(s, cancel_fd_adds_its_flag, setup, NULL);
	nbtest_add_fixture(s, cancel_by_index_says_that_fd_is_one, setup, NULL);
	nbtest_add_fixture(s, cancel_by_an_index_that_no_int_holds_is_ebadf, setup, NULL);
	nbtest_add_table(s, cancel_error, cancel_errors);
	nbtest_add_fixture(s, file_info_clears_what_the_caller_left_in_it, setup, NULL);
	nbtest_add_fixture(s, query_of_a_ring_asks_its_own_device, setup, NULL);
	nbtest_add(s, query_without_a_ring_opens_and_closes_the_device);
	nbtest_add(s, query_without_a_ring_asks_the_module_that_was_named_alone);
	nbtest_add(s, query_without_a_ring_and_without_a_device_asks_the_threads);
	nbtest_add(s, query_that_fails_without_a_ring_closes_the_device);
	return s;
}
