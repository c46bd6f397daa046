// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cancel, register, file_info, query: the argument struct that reaches the
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

static int files[3] = { 41, 42, 43 };
static struct iovec iov[2];

static int files_register(void)
{
	return nbread_register_files(&ring, files, 3);
}

static int files_update(void)
{
	return nbread_register_files_update(&ring, 5, files, 2);
}

static int files_unregister(void)
{
	return nbread_unregister_files(&ring);
}

static int buffers_register(void)
{
	return nbread_register_buffers(&ring, iov, 2);
}

static int buffers_unregister(void)
{
	return nbread_unregister_buffers(&ring);
}

static int eventfd_register(void)
{
	return nbread_register_eventfd(&ring, 99);
}

static int eventfd_unregister(void)
{
	return nbread_unregister_eventfd(&ring);
}

static const struct {
	const char *name;
	int (*call)(void);
	__u32 op, nr, off;
	const void *addr;
} registers[] = {
	{ "register_files_passes_its_array", files_register, NBREAD_REGISTER_FILES, 3, 0, files },
	{ "register_files_update_passes_array_and_offset", files_update,
	  NBREAD_REGISTER_FILES_UPDATE, 2, 5, files },
	{ "unregister_files_passes_nothing_else", files_unregister, NBREAD_UNREGISTER_FILES, 0, 0,
	  NULL },
	{ "register_buffers_passes_its_array", buffers_register, NBREAD_REGISTER_BUFFERS, 2, 0,
	  iov },
	{ "unregister_buffers_passes_nothing_else", buffers_unregister, NBREAD_UNREGISTER_BUFFERS,
	  0, 0, NULL },
	{ "unregister_eventfd_passes_nothing_else", eventfd_unregister, NBREAD_UNREGISTER_EVENTFD,
	  0, 0, NULL },
};

START_TEST(register_call)
{
	struct nbread_register want = { .op = registers[_i].op,
					.nr = registers[_i].nr,
					.off = registers[_i].off,
					.addr = (uintptr_t)registers[_i].addr };

	setup();
	ck_assert_int_eq(registers[_i].call(), 0);
	ck_assert_mem_eq(&fake.reg, &want, sizeof(want));
	fake.call_error = -EOPNOTSUPP;
	ck_assert_int_eq(registers[_i].call(), -EOPNOTSUPP);
}
END_TEST

START_TEST(register_eventfd_passes_a_pointer_to_the_descriptor)
{
	ck_assert_int_eq(eventfd_register(), 0);
	ck_assert_uint_eq(fake.reg.op, NBREAD_REGISTER_EVENTFD);
	ck_assert_uint_eq(fake.reg.nr, 1);
	ck_assert_int_eq(fake.reg_first_int, 99);
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

START_TEST(query_without_a_ring_and_without_a_device_is_enodev)
{
	struct nbread_query q;

	fake.open_error = -ENOENT;
	ck_assert_int_eq(nbread_query(NULL, &q), -ENODEV);
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
	nbtest_add_table(s, cancel_error, cancel_errors);
	nbtest_add_table(s, register_call, registers);
	nbtest_add_fixture(s, register_eventfd_passes_a_pointer_to_the_descriptor, setup, NULL);
	nbtest_add_fixture(s, file_info_clears_what_the_caller_left_in_it, setup, NULL);
	nbtest_add_fixture(s, query_of_a_ring_asks_its_own_device, setup, NULL);
	nbtest_add(s, query_without_a_ring_opens_and_closes_the_device);
	nbtest_add(s, query_without_a_ring_and_without_a_device_is_enodev);
	nbtest_add(s, query_that_fails_without_a_ring_closes_the_device);
	return s;
}
