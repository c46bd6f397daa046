// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad input, by way of the ioctls: each call once right and once with a single
 * member spoiled. What is refused changes nothing: not the argument, not the
 * rings, not the buffer; and the same call, put right, then works.
 */
#include "abi.h"

Suite *check_bad_arguments_suite(void);

union arg {
	struct nbread_query query;
	struct nbread_setup setup;
	struct nbread_enter enter;
	struct nbread_try_batch batch;
	struct nbread_register reg;
	struct nbread_cancel cancel;
	struct nbread_file_info info;
	uint8_t bytes[256];
};

enum { QUERY, SETUP, ENTER, TRY, REGISTER, CANCEL, INFO };

static const struct {
	unsigned long cmd;
	size_t size;
	int good; /* what the right call returns */
} calls[] = {
	[QUERY] = { NBREAD_IOC_QUERY, sizeof(struct nbread_query), 0 },
	[SETUP] = { NBREAD_IOC_SETUP, sizeof(struct nbread_setup), 0 },
	[ENTER] = { NBREAD_IOC_ENTER, sizeof(struct nbread_enter), 1 },
	[TRY] = { NBREAD_IOC_TRY, sizeof(struct nbread_try_batch), 1 },
	/* No operation is number 63: right as to its form. */
	[REGISTER] = { NBREAD_IOC_REGISTER, sizeof(struct nbread_register), -EOPNOTSUPP },
	[CANCEL] = { NBREAD_IOC_CANCEL, sizeof(struct nbread_cancel), -ENOENT },
	[INFO] = { NBREAD_IOC_FILE_INFO, sizeof(struct nbread_file_info), 0 },
};

struct spoiled {
	const char *name;
	int call;
	size_t at, size;
	uint64_t value;
	int want;
};

#define ARG(name, call, type, member, value, want)                                             \
	{                                                                                      \
		name, call, offsetof(struct type, member), sizeof(((struct type *)0)->member), \
			(uint64_t)(value), want                                                \
	}
#define Q(name, member, value, want) ARG(name, QUERY, nbread_query, member, value, want)
#define S(name, member, value, want) ARG(name, SETUP, nbread_setup, member, value, want)
#define E(name, member, value, want) ARG(name, ENTER, nbread_enter, member, value, want)
#define T(name, member, value, want) ARG(name, TRY, nbread_try_batch, member, value, want)
#define R(name, member, value, want) ARG(name, REGISTER, nbread_register, member, value, want)
#define C(name, member, value, want) ARG(name, CANCEL, nbread_cancel, member, value, want)
#define I(name, member, value, want) ARG(name, INFO, nbread_file_info, member, value, want)

#define TOP (UINT64_C(1) << 63)

static const struct spoiled members[] = {
	Q("query_resv_0_is_einval", resv[0], 1, -EINVAL),
	Q("query_resv_2_is_einval", resv[2], TOP, -EINVAL),

	S("setup_no_entries_is_einval", sq_entries, 0, -EINVAL),
	S("setup_sq_one_above_the_limit_is_einval", sq_entries, 32769, -EINVAL),
	S("setup_sq_2_to_31_is_einval", sq_entries, UINT32_C(1) << 31, -EINVAL),
	S("setup_sq_uint32_max_is_einval", sq_entries, UINT32_MAX, -EINVAL),
	S("setup_cq_below_sq_is_einval", cq_entries, 2, -EINVAL),
	S("setup_cq_one_above_the_limit_is_einval", cq_entries, 65537, -EINVAL),
	S("setup_cq_uint32_max_is_einval", cq_entries, UINT32_MAX, -EINVAL),
	S("setup_flag_4_is_eopnotsupp", flags, 1U << 4, -EOPNOTSUPP),
	S("setup_flag_31_is_eopnotsupp", flags, 1U << 31, -EOPNOTSUPP),
	S("setup_cpu_without_sqthread_is_einval", sq_thread_cpu, 1, -EINVAL),
	S("setup_idle_without_sqthread_is_einval", sq_thread_idle_ms, 1, -EINVAL),
	S("setup_resv0_is_einval", resv0, 1, -EINVAL),
	S("setup_resv_0_is_einval", resv[0], 1, -EINVAL),
	S("setup_resv_1_is_einval", resv[1], TOP, -EINVAL),
	S("setup_workers_above_the_limit_is_einval", max_workers, 513, -EINVAL),
	S("setup_attach_without_sqthread_is_einval", attach_fd, 1, -EINVAL),

	E("enter_min_complete_above_cq_is_einval", min_complete, ABI_CQ + 1, -EINVAL),
	E("enter_min_complete_uint32_max_is_einval", min_complete, UINT32_MAX, -EINVAL),
	E("enter_flag_5_is_einval", flags, 1U << 5, -EINVAL),
	E("enter_sq_wakeup_without_sqthread_is_einval", flags, NBREAD_ENTER_SQ_WAKEUP, -EINVAL),
	E("enter_sq_wait_without_sqthread_is_einval", flags, NBREAD_ENTER_SQ_WAIT, -EINVAL),
	E("enter_flag_31_is_einval", flags, 1U << 31, -EINVAL),
	E("enter_abs_without_timeout_is_einval", flags, NBREAD_ENTER_ABS, -EINVAL),
	E("enter_abs_with_sigmask_alone_is_einval", flags, NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK,
	  -EINVAL),
	E("enter_timeout_ns_without_timeout_is_einval", timeout_ns, 1000000, -EINVAL),
	E("enter_timeout_ns_top_bit_without_timeout_is_einval", timeout_ns, TOP, -EINVAL),
	E("enter_sigmask_without_flag_is_einval", sigmask, 1, -EINVAL),
	E("enter_sigmask_top_bit_without_flag_is_einval", sigmask, TOP, -EINVAL),
	E("enter_resv0_is_einval", resv0, 1, -EINVAL),
	E("enter_resv_0_is_einval", resv[0], 1, -EINVAL),
	E("enter_resv_1_is_einval", resv[1], TOP, -EINVAL),

	T("try_of_nothing_is_einval", nr, 0, -EINVAL),
	T("try_one_above_the_limit_is_einval", nr, 1025, -EINVAL),
	T("try_of_uint32_max_is_einval", nr, UINT32_MAX, -EINVAL),
	T("try_flags_is_einval", flags, 1, -EINVAL),
	T("try_flags_noio_is_einval", flags, NBREAD_SQE_NOIO, -EINVAL),
	T("try_flags_top_bit_is_einval", flags, 1U << 31, -EINVAL),
	T("try_resv_0_is_einval", resv[0], 1, -EINVAL),
	T("try_resv_1_is_einval", resv[1], TOP, -EINVAL),
	T("try_of_null_is_efault", reqs, 0, -EFAULT),
	T("try_of_kernel_memory_is_efault", reqs, ABI_KERNEL_ADDRESS, -EFAULT),
	T("try_of_no_canonical_address_is_efault", reqs, ABI_NON_CANONICAL, -EFAULT),
	T("try_of_all_ones_is_efault", reqs, UINT64_MAX, -EFAULT),

	R("register_op_0_is_eopnotsupp", op, 0, -EOPNOTSUPP),
	R("register_op_uint32_max_is_eopnotsupp", op, UINT32_MAX, -EOPNOTSUPP),
	R("register_flags_is_einval", flags, 1, -EINVAL),
	R("register_flags_top_bit_is_einval", flags, 1U << 31, -EINVAL),
	R("register_resv_0_is_einval", resv[0], 1, -EINVAL),
	R("register_resv_1_is_einval", resv[1], TOP, -EINVAL),

	C("cancel_fixed_file_without_fd_is_einval", flags, NBREAD_CANCEL_FIXED_FILE, -EINVAL),
	C("cancel_flag_4_is_einval", flags, 1U << 4, -EINVAL),
	C("cancel_flag_31_is_einval", flags, 1U << 31, -EINVAL),
	C("cancel_fd_with_any_is_einval", flags, NBREAD_CANCEL_FD | NBREAD_CANCEL_ANY, -EINVAL),
	C("cancel_any_with_user_data_is_einval", flags, NBREAD_CANCEL_ANY, -EINVAL),
	C("cancel_fd_with_user_data_is_einval", flags, NBREAD_CANCEL_FD, -EINVAL),
	C("cancel_fd_without_flag_is_einval", fd, 3, -EINVAL),
	C("cancel_fd_minus_1_without_flag_is_einval", fd, -1, -EINVAL),
	C("cancel_resv_0_is_einval", resv[0], 1, -EINVAL),
	C("cancel_resv_1_is_einval", resv[1], TOP, -EINVAL),

	I("info_of_fd_minus_1_is_ebadf", fd, -1, -EBADF),
	I("info_of_an_fd_never_opened_is_ebadf", fd, 1 << 20, -EBADF),
	I("info_of_fd_int_max_is_ebadf", fd, INT32_MAX, -EBADF),
	I("info_of_fd_int_min_is_ebadf", fd, INT32_MIN, -EBADF),
	I("info_flags_is_einval", flags, 1, -EINVAL),
	I("info_flags_top_bit_is_einval", flags, 1U << 31, -EINVAL),
	I("info_resv_0_is_einval", resv[0], 1, -EINVAL),
	I("info_resv_1_is_einval", resv[1], TOP, -EINVAL),
};

static struct nbread_try one;

/* The argument of the right call; an SQE waits in the SQ for whoever takes it. */
static void make(struct abi *a, union arg *arg, int call)
{
	memset(arg, 0, sizeof(*arg));
	switch (call) {
	case SETUP:
		arg->setup.sq_entries = 4;
		break;
	case ENTER:
		arg->enter.to_submit = 1;
		arg->enter.min_complete = 1;
		break;
	case TRY:
		one = (struct nbread_try){ .fd = a->file.fd, .addr = (uintptr_t)a->buf, .len = 16 };
		arg->batch.reqs = (uintptr_t)&one;
		arg->batch.nr = 1;
		break;
	case REGISTER:
		arg->reg.op = 63;
		break;
	case CANCEL:
		arg->cancel.user_data = 4711;
		break;
	case INFO:
		arg->info.fd = a->file.fd;
		break;
	}
}

/* SETUP needs an open file without rings; it lives for one test. */
static int device_for(struct abi *a, int call)
{
	static int fresh = -1;

	if (call != SETUP)
		return a->r.fd;
	if (fresh < 0) {
		fresh = raw_open_fd();
		a->fds++;
	}
	return fresh;
}

static void begin(struct abi *a)
{
	abi_begin(a);
	raw_sqe(&a->r)->user_data = 99;
	raw_publish(&a->r);
}

static void check_nothing_happened(struct abi *a)
{
	ck_assert_uint_eq(*a->r.sq_head, 0);
	ck_assert_uint_eq(*a->r.cq_tail, 0);
	abi_check_canary(a, 0);
}

/* And the same call, put right. */
static void check_good(struct abi *a, int call)
{
	union arg arg;

	make(a, &arg, call);
	ck_assert_int_eq(raw_ioctl(device_for(a, call), calls[call].cmd, &arg), calls[call].good);
	if (call != ENTER)
		ck_assert_int_eq(raw_enter(&a->r, 1, 1), 1);
	ck_assert_uint_eq(abi_next(&a->r).user_data, 99);
	abi_end(a);
}

START_TEST(a_spoiled_argument)
{
	const struct spoiled *m = &members[_i];
	uint64_t value = htole64(m->value);
	union arg arg, before;
	struct abi a;

	begin(&a);
	make(&a, &arg, m->call);
	memcpy(arg.bytes + m->at, &value, m->size);
	before = arg;
	ck_assert_int_eq(raw_ioctl(device_for(&a, m->call), calls[m->call].cmd, &arg), m->want);
	ck_assert_mem_eq(&arg, &before, sizeof(arg));
	check_nothing_happened(&a);
	check_good(&a, m->call);
}
END_TEST

static const struct {
	const char *what;
	bool tail; /* only the end of the struct is not there */
	uint64_t addr;
} pointers[] = {
	{ "null", false, 0 },
	{ "one", false, 1 },
	{ "the_kernel", false, ABI_KERNEL_ADDRESS },
	{ "no_canonical_address", false, ABI_NON_CANONICAL },
	{ "all_ones", false, UINT64_MAX },
	{ "a_page_that_ends_too_early", true, 0 },
};

#define NR_POINTERS ((int)NBTEST_ARRAY_SIZE(pointers))
#define NR_CALLS ((int)NBTEST_ARRAY_SIZE(calls))

START_TEST(an_argument_at_a_bad_address)
{
	int call = _i / NR_POINTERS, p = _i % NR_POINTERS;
	uint64_t addr = pointers[p].addr;
	union arg arg;
	struct abi a;

	begin(&a);
	make(&a, &arg, call);
	if (pointers[p].tail) {
		uint8_t *at = abi_page() + 4096 - (calls[call].size - 8);

		memcpy(at, &arg, calls[call].size - 8);
		addr = (uintptr_t)at;
	}
	ck_assert_int_eq(raw_ioctl(device_for(&a, call), calls[call].cmd, (void *)(uintptr_t)addr),
			 -EFAULT);
	check_nothing_happened(&a);
	check_good(&a, call);
}
END_TEST

/* What cannot be said of a member alone. */
START_TEST(register_operations_not_reported_are_eopnotsupp)
{
	struct nbread_register reg = { .op = (uint32_t)_i };
	struct nbread_query q = abi_query();
	struct abi a;

	abi_begin(&a);
	if (!(q.register_ops & UINT64_C(1) << _i))
		ck_assert_int_eq(raw_ioctl(a.r.fd, NBREAD_IOC_REGISTER, &reg), -EOPNOTSUPP);
	abi_end(&a);
}
END_TEST

START_TEST(cancel_of_a_closed_fd_is_ebadf)
{
	struct nbread_cancel c = { .flags = NBREAD_CANCEL_FD, .fd = 1 << 20 };
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(raw_ioctl(a.r.fd, NBREAD_IOC_CANCEL, &c), -EBADF);
	c.fd = -1;
	ck_assert_int_eq(raw_ioctl(a.r.fd, NBREAD_IOC_CANCEL, &c), -EBADF);
	/* There is no table, so an fd that is open is no index of one. */
	c.flags |= NBREAD_CANCEL_FIXED_FILE;
	ck_assert_int_eq(raw_ioctl(a.r.fd, NBREAD_IOC_CANCEL, &c), -EBADF);
	c.fd = 0;
	ck_assert_int_eq(raw_ioctl(a.r.fd, NBREAD_IOC_CANCEL, &c), -EBADF);
	abi_end(&a);
}
END_TEST

START_TEST(enter_before_setup_is_enxio)
{
	struct nbread_enter e = {};
	int fd = raw_open_fd();

	ck_assert_int_eq(raw_ioctl(fd, NBREAD_IOC_ENTER, &e), -ENXIO);
	e.to_submit = 1;
	e.min_complete = 1;
	ck_assert_int_eq(raw_ioctl(fd, NBREAD_IOC_ENTER, &e), -ENXIO);
	close(fd);
}
END_TEST

START_TEST(setup_takes_anything_in_its_out_members)
{
	struct nbread_setup p = { .sq_entries = 4, .ring_size = UINT64_MAX };
	int fd = raw_open_fd();

	memset(&p.sq_off, 0xff, sizeof(p.sq_off));
	memset(&p.cq_off, 0xff, sizeof(p.cq_off));
	ck_assert_int_eq(raw_ioctl(fd, NBREAD_IOC_SETUP, &p), 0);
	ck_assert_uint_lt(p.sq_off.sqes, p.ring_size);
	ck_assert_uint_eq(p.sq_off.resv[0] | p.sq_off.resv[1], 0);
	ck_assert_uint_eq(p.cq_off.resv[0] | p.cq_off.resv[1], 0);
	close(fd);
}
END_TEST

Suite *check_bad_arguments_suite(void)
{
	static const char *const call_names[] = { "query",    "setup",	"enter", "try",
						  "register", "cancel", "info" };
	static char names[NBTEST_ARRAY_SIZE(calls) * NBTEST_ARRAY_SIZE(pointers)][64];
	Suite *s = suite_create("bad_arguments");

	nbtest_add_table(s, a_spoiled_argument, members);
	for (int i = 0; i < NR_CALLS * NR_POINTERS; i++) {
		snprintf(names[i], sizeof(names[i]), "%s_argument_at_%s_is_efault",
			 call_names[i / NR_POINTERS], pointers[i % NR_POINTERS].what);
		nbtest_add_tcase(s, names[i], an_argument_at_a_bad_address, NULL, NULL, i, i + 1,
				 NBTEST_TIMEOUT);
	}
	nbtest_add_loop(s, register_operations_not_reported_are_eopnotsupp, 8);
	nbtest_add(s, cancel_of_a_closed_fd_is_ebadf);
	nbtest_add(s, enter_before_setup_is_enxio);
	nbtest_add(s, setup_takes_anything_in_its_out_members);
	return s;
}
