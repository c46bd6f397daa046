// SPDX-License-Identifier: GPL-2.0-only
/* SETUP with a kernel side: what fits together, and that a read then works in any program. */
#include <sys/uio.h>

#include "abi.h"

Suite *check_kernel_side_suite(void);

#define THREAD NBREAD_SETUP_SQTHREAD
#define AFF NBREAD_SETUP_SQ_AFF
#define ATTACH NBREAD_SETUP_ATTACH
#define SQWQ NBREAD_SETUP_SQWQ
#define NONE NBREAD_SQ_IDLE_NONE

static const struct {
	const char *name;
	uint32_t flags, cpu, idle;
	int32_t fd;
	int want;
} setups[] = {
	{ "setup_sqwq", SQWQ, 0, 0, 0, 0 },
	{ "setup_sqthread", THREAD, 0, 0, 0, 0 },
	{ "setup_sqthread_with_sqwq", THREAD | SQWQ, 0, 1, 0, 0 },
	{ "setup_the_longest_idle_time", THREAD, 0, 60000, 0, 0 },
	{ "setup_no_idle_time", THREAD, 0, NONE, 0, 0 },
	{ "setup_a_cpu", THREAD | AFF, 0, 0, 0, 0 },
	{ "setup_idle_one_too_many_is_einval", THREAD, 0, 60001, 0, -EINVAL },
	{ "setup_idle_below_none_is_einval", THREAD, 0, NONE - 1, 0, -EINVAL },
	{ "setup_cpu_without_aff_is_einval", THREAD, 1, 0, 0, -EINVAL },
	{ "setup_cpu_never_there_is_einval", THREAD | AFF, 8191, 0, 0, -EINVAL },
	{ "setup_cpu_int32_max_is_einval", THREAD | AFF, INT32_MAX, 0, 0, -EINVAL },
	{ "setup_cpu_uint32_max_is_einval", THREAD | AFF, UINT32_MAX, 0, 0, -EINVAL },
	{ "setup_fd_without_attach_is_einval", THREAD, 0, 0, 3, -EINVAL },
	{ "setup_aff_without_sqthread_is_einval", AFF, 0, 0, 0, -EINVAL },
	{ "setup_aff_with_sqwq_alone_is_einval", AFF | SQWQ, 0, 0, 0, -EINVAL },
	{ "setup_attach_alone_is_einval", ATTACH, 0, 0, 0, -EINVAL },
	{ "setup_idle_with_sqwq_alone_is_einval", SQWQ, 0, 1, 0, -EINVAL },
	{ "setup_attach_with_aff_is_einval", THREAD | ATTACH | AFF, 0, 0, 0, -EINVAL },
	{ "setup_attach_with_an_idle_time_is_einval", THREAD | ATTACH, 0, 1, 0, -EINVAL },
	{ "setup_attach_to_no_ring_is_einval", THREAD | ATTACH, 0, 0, 0, -EINVAL },
	{ "setup_attach_to_minus_1_is_ebadf", THREAD | ATTACH, 0, 0, -1, -EBADF },
	{ "setup_attach_to_nothing_is_ebadf", THREAD | ATTACH, 0, 0, 1 << 20, -EBADF },
	{ "setup_flag_4_with_sqthread_is_eopnotsupp", THREAD | 1U << 4, 0, 0, 0, -EOPNOTSUPP },
};

/* Hands one SQE over and waits for its completion. */
static int32_t run(struct abi *a, struct raw *r, const struct nbread_sqe *sqe)
{
	*raw_sqe(r) = *sqe;
	raw_publish(r);
	ck_assert_int_eq(raw_enter_flags(r, 1, 1, 0, UINT64_C(60000000000)), 1);
	ck_assert_uint_eq(raw_cq_ready(r), 1);
	abi_check_canary(a, 8192);
	return abi_next(r).res;
}

START_TEST(a_setup)
{
	struct abi a;
	struct nbread_sqe sqe;
	struct raw r = { .p = { .sq_entries = 4,
				.flags = setups[_i].flags,
				.sq_thread_cpu = setups[_i].cpu,
				.sq_thread_idle_ms = setups[_i].idle,
				.attach_fd = setups[_i].fd } };

	abi_begin(&a);
	ck_assert_int_eq(raw_open_p(&r), setups[_i].want);
	if (!setups[_i].want) {
		sqe = abi_valid(&a);
		ck_assert_int_eq(run(&a, &r, &sqe), 4096);
		nbtest_check_bytes(a.buf, 4096, sqe.off, ABI_FILE_ID, 1);
		raw_close(&r);
	}
	abi_end(&a);
}
END_TEST

/*
 * Vectors of this program's own layout: of the 32-bit one too, though a kernel thread
 * takes them. Those that are wrong end the read alone.
 */
START_TEST(a_kernel_thread_takes_the_vectors_of_any_program)
{
	struct raw r = { .p = { .sq_entries = 4, .flags = THREAD, .sq_thread_idle_ms = NONE } };
	struct iovec iov[20];
	struct nbread_sqe sqe;
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(raw_open_p(&r), 0);
	for (int n = 1; n <= 20; n += 19) {
		for (int i = 0; i < 20; i++) {
			iov[i].iov_base = a.buf + 10 * i;
			iov[i].iov_len = 10;
		}
		sqe = abi_valid(&a);
		sqe.opcode = NBREAD_OP_READV;
		sqe.addr = (uintptr_t)iov;
		sqe.len = (uint32_t)n;
		ck_assert_int_eq(run(&a, &r, &sqe), 10 * n);
		nbtest_check_bytes(a.buf, 10 * (size_t)n, sqe.off, ABI_FILE_ID, 1);
		iov[n - 1].iov_len = (size_t)-1;
		ck_assert_int_eq(run(&a, &r, &sqe), -EINVAL);
		iov[n - 1].iov_len = 10;
		sqe.addr = abi_unmapped();
		ck_assert_int_eq(run(&a, &r, &sqe), -EFAULT);
	}
	sqe = abi_valid(&a);
	sqe.opcode = NBREAD_OP_READV;
	sqe.addr = (uintptr_t)iov;
	sqe.len = 0;
	ck_assert_int_eq(run(&a, &r, &sqe), 0);
	sqe.len = 1025;
	ck_assert_int_eq(run(&a, &r, &sqe), -EINVAL);
	raw_close(&r);
	abi_end(&a);
}
END_TEST

Suite *check_kernel_side_suite(void)
{
	Suite *s = suite_create("kernel_side");

	nbtest_add_table(s, a_setup, setups);
	nbtest_add(s, a_kernel_thread_takes_the_vectors_of_any_program);
	return s;
}
