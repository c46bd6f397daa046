// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register: the argument struct that reaches the device, member by member, what
 * comes back, and how the caller's vectors become the buffers of the ABI.
 */
#include <errno.h>
#include <limits.h>
#include "nbtest.h"
#include "fake.h"

#define SLOTS 200

static struct nbread ring;
static int files[3] = { 41, 42, 43 };
static struct iovec iov[SLOTS];

static void setup(void)
{
	int i;

	for (i = 0; i < SLOTS; i++) {
		iov[i].iov_base = (void *)(uintptr_t)(4096 * (i + 1));
		iov[i].iov_len = 100 + (size_t)i;
	}
	fake_ring(&ring, 4);
}

static int files_register(void)
{
	return nbread_register_files(&ring, files, 3);
}

static int files_sparse(void)
{
	return nbread_register_files_sparse(&ring, 300);
}

static int files_unregister(void)
{
	return nbread_unregister_files(&ring);
}

static int buffers_sparse(void)
{
	return nbread_register_buffers_sparse(&ring, 200);
}

static int buffers_unregister(void)
{
	return nbread_unregister_buffers(&ring);
}

static int eventfd_unregister(void)
{
	return nbread_unregister_eventfd(&ring);
}

static int creds(void)
{
	return nbread_register_creds(&ring);
}

static int workers(void)
{
	return nbread_register_workers(&ring, 12);
}

static const struct {
	const char *name;
	int (*call)(void);
	__u32 op, flags, nr;
	const void *addr;
} calls[] = {
	{ "register_files_passes_its_array", files_register, NBREAD_REGISTER_FILES, 0, 3, files },
	{ "register_files_sparse_passes_only_a_number", files_sparse, NBREAD_REGISTER_FILES,
	  NBREAD_REGISTER_SPARSE, 300, NULL },
	{ "unregister_files_passes_nothing_else", files_unregister, NBREAD_UNREGISTER_FILES, 0, 0,
	  NULL },
	{ "register_buffers_sparse_passes_only_a_number", buffers_sparse, NBREAD_REGISTER_BUFFERS,
	  NBREAD_REGISTER_SPARSE, 200, NULL },
	{ "unregister_buffers_passes_nothing_else", buffers_unregister, NBREAD_UNREGISTER_BUFFERS,
	  0, 0, NULL },
	{ "unregister_eventfd_passes_nothing_else", eventfd_unregister, NBREAD_UNREGISTER_EVENTFD,
	  0, 0, NULL },
	{ "register_creds_passes_nothing_else", creds, NBREAD_REGISTER_CREDS, 0, 0, NULL },
	{ "register_workers_passes_a_number", workers, NBREAD_REGISTER_WORKERS, 0, 12, NULL },
};

START_TEST(call)
{
	struct nbread_register want = { .op = calls[_i].op,
					.flags = calls[_i].flags,
					.nr = calls[_i].nr,
					.addr = (uintptr_t)calls[_i].addr };

	setup();
	ck_assert_int_eq(calls[_i].call(), 0);
	ck_assert_mem_eq(&fake.reg, &want, sizeof(want));
	fake.call_error = -EOPNOTSUPP;
	ck_assert_int_eq(calls[_i].call(), -EOPNOTSUPP);
}
END_TEST

START_TEST(register_files_update_passes_array_and_offset_and_says_how_many)
{
	struct nbread_register want = {
		.op = NBREAD_REGISTER_FILES_UPDATE, .nr = 3, .off = 5, .addr = (uintptr_t)files
	};

	ck_assert_int_eq(nbread_register_files_update(&ring, 5, files, 3), 3);
	ck_assert_mem_eq(&fake.reg, &want, sizeof(want));
	fake.set_max = 2;
	ck_assert_int_eq(nbread_register_files_update(&ring, 5, files, 3), 2);
	fake.call_error = -EBADF;
	ck_assert_int_eq(nbread_register_files_update(&ring, 5, files, 3), -EBADF);
}
END_TEST

static const struct {
	const char *name;
	int (*call)(struct nbread *ring, int fd);
	__u32 flags;
} eventfds[] = {
	{ "register_eventfd_passes_a_pointer_to_the_descriptor", nbread_register_eventfd, 0 },
	{ "register_eventfd_async_adds_its_flag", nbread_register_eventfd_async,
	  NBREAD_REGISTER_EVENTFD_ASYNC },
};

START_TEST(eventfd)
{
	setup();
	ck_assert_int_eq(eventfds[_i].call(&ring, 99), 0);
	ck_assert_uint_eq(fake.reg.op, NBREAD_REGISTER_EVENTFD);
	ck_assert_uint_eq(fake.reg.flags, eventfds[_i].flags);
	ck_assert_uint_eq(fake.reg.nr, 1);
	ck_assert_int_eq(fake.reg_first_int, 99);
	fake.call_error = -EBUSY;
	ck_assert_int_eq(eventfds[_i].call(&ring, 99), -EBUSY);
}
END_TEST

static void assert_slots(unsigned off, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr; i++) {
		ck_assert_uint_eq(fake.buffers[off + i].addr, (uintptr_t)iov[i].iov_base);
		ck_assert_uint_eq(fake.buffers[off + i].len, iov[i].iov_len);
	}
}

START_TEST(register_buffers_turns_vectors_into_buffers_in_one_call)
{
	iov[3].iov_base = NULL;
	iov[3].iov_len = 0;
	ck_assert_int_eq(nbread_register_buffers(&ring, iov, SLOTS), 0);
	assert_slots(0, SLOTS);
	ck_assert_uint_eq(fake.regs, 1);
	ck_assert_uint_eq(fake.reg.op, NBREAD_REGISTER_BUFFERS);
	ck_assert_uint_eq(fake.reg.nr, SLOTS);
	ck_assert_uint_eq(fake.reg.flags, 0);
	ck_assert_uint_eq(fake.reg.off, 0);
	fake.call_error = -ENOMEM;
	ck_assert_int_eq(nbread_register_buffers(&ring, iov, 1), -ENOMEM);
}
END_TEST

START_TEST(a_vector_at_the_top_of_the_address_space_keeps_its_size)
{
	iov[0].iov_base = (void *)UINTPTR_MAX;
	iov[0].iov_len = SIZE_MAX;
	ck_assert_int_eq(nbread_register_buffers(&ring, iov, 1), 0);
	ck_assert_uint_eq(fake.buffers[0].addr, UINTPTR_MAX);
	ck_assert_uint_eq(fake.buffers[0].len, SIZE_MAX);
}
END_TEST

START_TEST(more_buffers_than_the_device_takes_are_einval_without_a_copy)
{
	/* The array is not there at all: it may not be looked at. */
	ck_assert_int_eq(nbread_register_buffers(&ring, NULL, 257), -EINVAL);
	ck_assert_int_eq(nbread_register_buffers(&ring, NULL, UINT_MAX), -EINVAL);
	ck_assert_uint_eq(fake.regs, 0);
}
END_TEST

START_TEST(vectors_that_are_not_there_are_efault)
{
	ck_assert_int_eq(nbread_register_buffers(&ring, NULL, 3), -EFAULT);
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 0, NULL, 3), -EFAULT);
	ck_assert_uint_eq(fake.regs, 0);
}
END_TEST

START_TEST(buffers_are_eopnotsupp_on_a_device_that_has_no_room_for_any)
{
	fake.query.max_buffers = 0;
	ck_assert_int_eq(nbread_register_buffers(&ring, iov, 1), -EOPNOTSUPP);
	ck_assert_uint_eq(fake.regs, 0);
}
END_TEST

START_TEST(register_buffers_passes_an_error_of_query_on)
{
	fake.query_error = -EPERM;
	ck_assert_int_eq(nbread_register_buffers(&ring, iov, 1), -EPERM);
	ck_assert_uint_eq(fake.regs, 0);
}
END_TEST

START_TEST(buffers_update_passes_vectors_and_offset)
{
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 17, iov, 5), 5);
	ck_assert_uint_eq(fake.reg.op, NBREAD_REGISTER_BUFFERS_UPDATE);
	ck_assert_uint_eq(fake.reg.nr, 5);
	ck_assert_uint_eq(fake.reg.off, 17);
	ck_assert_uint_eq(fake.reg.flags, 0);
	assert_slots(17, 5);
}
END_TEST

START_TEST(a_large_buffers_update_is_handed_on_in_pieces)
{
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 56, iov, SLOTS), SLOTS);
	ck_assert_uint_gt(fake.regs, 1);
	assert_slots(56, SLOTS);
}
END_TEST

START_TEST(a_buffers_update_that_fails_late_says_how_far_it_came)
{
	int set;

	fake.call_error = -EFAULT;
	fake.reg_error_at = 1;
	set = nbread_register_buffers_update(&ring, 0, iov, SLOTS);
	ck_assert_int_gt(set, 0);
	ck_assert_int_lt(set, SLOTS);
	assert_slots(0, (unsigned)set);
	fake.reg_error_at = 0;
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 0, iov, SLOTS), -EFAULT);
}
END_TEST

START_TEST(a_buffers_update_ends_at_the_slot_that_was_not_set)
{
	fake.set_max = 3;
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 0, iov, SLOTS), 3);
	ck_assert_uint_eq(fake.regs, 1);
}
END_TEST

START_TEST(a_buffers_update_of_nothing_is_left_to_the_device)
{
	fake.call_error = -EINVAL;
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 0, iov, 0), -EINVAL);
	ck_assert_uint_eq(fake.regs, 1);
}
END_TEST

START_TEST(a_buffers_update_beyond_all_indices_is_einval)
{
	ck_assert_int_eq(nbread_register_buffers_update(&ring, UINT_MAX, iov, 2), -EINVAL);
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 0, iov, 1U << 31), -EINVAL);
	ck_assert_uint_eq(fake.regs, 0);
}
END_TEST

Suite *check_register_suite(void)
{
	Suite *s = suite_create("register");

#define ADD(fn) nbtest_add_fixture(s, fn, setup, NULL)
	nbtest_add_table(s, call, calls);
	ADD(register_files_update_passes_array_and_offset_and_says_how_many);
	ADD(vectors_that_are_not_there_are_efault);
	nbtest_add_table(s, eventfd, eventfds);
	ADD(register_buffers_turns_vectors_into_buffers_in_one_call);
	ADD(a_vector_at_the_top_of_the_address_space_keeps_its_size);
	ADD(more_buffers_than_the_device_takes_are_einval_without_a_copy);
	ADD(buffers_are_eopnotsupp_on_a_device_that_has_no_room_for_any);
	ADD(register_buffers_passes_an_error_of_query_on);
	ADD(buffers_update_passes_vectors_and_offset);
	ADD(a_large_buffers_update_is_handed_on_in_pieces);
	ADD(a_buffers_update_that_fails_late_says_how_far_it_came);
	ADD(a_buffers_update_ends_at_the_slot_that_was_not_set);
	ADD(a_buffers_update_of_nothing_is_left_to_the_device);
	ADD(a_buffers_update_beyond_all_indices_is_einval);
	return s;
}
