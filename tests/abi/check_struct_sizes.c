// SPDX-License-Identifier: GPL-2.0-only
/*
 * How structs grow: the size travels in the ioctl number. Longer with a tail of
 * zeros is taken, with anything else in the tail it is -E2BIG, shorter than the
 * first published size is -EINVAL.
 */
#include <sys/ioctl.h>

#include "abi.h"

Suite *check_struct_sizes_suite(void);

#define TAIL 64

union arg {
	struct nbread_query query;
	struct nbread_setup setup;
	struct nbread_enter enter;
	struct nbread_try_batch batch;
	struct nbread_register reg;
	struct nbread_cancel cancel;
	struct nbread_file_info info;
	uint8_t bytes[512];
};

static struct abi a;
static struct nbread_try one;

static void make_nothing(union arg *arg)
{
	(void)arg;
}

static void make_setup(union arg *arg)
{
	arg->setup.sq_entries = 4;
}

static void make_try(union arg *arg)
{
	one = (struct nbread_try){ .fd = a.file.fd, .addr = (uintptr_t)a.buf, .len = 16 };
	arg->batch.reqs = (uintptr_t)&one;
	arg->batch.nr = 1;
}

static void make_register(union arg *arg)
{
	arg->reg.op = 63;
}

static void make_info(union arg *arg)
{
	arg->info.fd = a.file.fd;
}

static const struct {
	const char *longer, *tail, *shorter, *none; /* names of the tests */
	unsigned int nr;
	size_t size;
	void (*make)(union arg *arg);
	int good;
} calls[] = {
#define CALL(name, nr, type, make, good)                                                           \
	{                                                                                          \
		name "_takes_a_longer_struct", name "_of_a_newer_program_is_e2big",                \
			name "_of_a_shorter_struct_is_einval", name "_of_no_struct_is_einval", nr, \
			sizeof(struct type), make, good                                            \
	}
	CALL("query", 0, nbread_query, make_nothing, 0),
	CALL("setup", 1, nbread_setup, make_setup, 0),
	CALL("enter", 2, nbread_enter, make_nothing, 0),
	CALL("try", 3, nbread_try_batch, make_try, 1),
	CALL("register", 4, nbread_register, make_register, -EOPNOTSUPP),
	CALL("cancel", 5, nbread_cancel, make_nothing, -ENOENT),
	CALL("file_info", 6, nbread_file_info, make_info, 0),
};

static int call(int i, union arg *arg, size_t size)
{
	int fd = calls[i].nr == 1 ? raw_open_fd() : a.r.fd;
	int ret = raw_ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, NBREAD_IOC_MAGIC, calls[i].nr, size),
			    arg);

	if (fd != a.r.fd)
		close(fd);
	return ret;
}

START_TEST(a_longer_struct_with_zeros)
{
	union arg arg = {};

	abi_begin(&a);
	for (size_t more = 8; more <= TAIL; more += 8) {
		memset(&arg, 0, sizeof(arg));
		calls[_i].make(&arg);
		/* What lies behind the size that was named is not looked at. */
		arg.bytes[calls[_i].size + more] = 1;
		ck_assert_int_eq(call(_i, &arg, calls[_i].size + more), calls[_i].good);
		for (size_t k = 0; k < more; k++)
			ck_assert_uint_eq(arg.bytes[calls[_i].size + k], 0);
		ck_assert_uint_eq(arg.bytes[calls[_i].size + more], 1);
	}
	abi_end(&a);
}
END_TEST

START_TEST(a_longer_struct_with_something_in_it)
{
	static const size_t at[] = { 0, 1, 7, 8, TAIL - 1 };
	union arg arg, before;

	abi_begin(&a);
	for (size_t k = 0; k < NBTEST_ARRAY_SIZE(at); k++) {
		memset(&arg, 0, sizeof(arg));
		calls[_i].make(&arg);
		arg.bytes[calls[_i].size + at[k]] = 1;
		before = arg;
		ck_assert_int_eq(call(_i, &arg, calls[_i].size + TAIL), -E2BIG);
		ck_assert_mem_eq(&arg, &before, sizeof(arg));
	}
	abi_check_canary(&a, 0);
	abi_end(&a);
}
END_TEST

START_TEST(a_shorter_struct)
{
	static const size_t less[] = { 1, 4, 8 };
	union arg arg, before;

	abi_begin(&a);
	for (size_t k = 0; k < NBTEST_ARRAY_SIZE(less); k++) {
		memset(&arg, 0, sizeof(arg));
		calls[_i].make(&arg);
		before = arg;
		ck_assert_int_eq(call(_i, &arg, calls[_i].size - less[k]), -EINVAL);
		ck_assert_mem_eq(&arg, &before, sizeof(arg));
	}
	abi_check_canary(&a, 0);
	abi_end(&a);
}
END_TEST

START_TEST(no_struct_at_all)
{
	union arg arg = {};

	abi_begin(&a);
	calls[_i].make(&arg);
	ck_assert_int_eq(call(_i, &arg, 0), -EINVAL);
	abi_check_canary(&a, 0);
	abi_end(&a);
}
END_TEST

Suite *check_struct_sizes_suite(void)
{
	Suite *s = suite_create("struct_sizes");

	for (int i = 0; i < (int)NBTEST_ARRAY_SIZE(calls); i++) {
		nbtest_add_tcase(s, calls[i].longer, a_longer_struct_with_zeros, NULL, NULL, i,
				 i + 1, NBTEST_TIMEOUT);
		nbtest_add_tcase(s, calls[i].tail, a_longer_struct_with_something_in_it, NULL, NULL,
				 i, i + 1, NBTEST_TIMEOUT);
		nbtest_add_tcase(s, calls[i].shorter, a_shorter_struct, NULL, NULL, i, i + 1,
				 NBTEST_TIMEOUT);
		nbtest_add_tcase(s, calls[i].none, no_struct_at_all, NULL, NULL, i, i + 1,
				 NBTEST_TIMEOUT);
	}
	return s;
}
