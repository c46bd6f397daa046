// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is different for a 32-bit program. The rest of the ABI has one layout for both,
 * so nbread-abi32 runs the suites of nbread-abi too.
 */
#include <sys/uio.h>

#include "abi.h"

Suite *check_32_bit_suite(void);

START_TEST(this_program_has_32_bits)
{
	ck_assert_uint_eq(sizeof(void *), 4);
	ck_assert_uint_eq(sizeof(struct iovec), 8);
	ck_assert_uint_eq(sizeof(struct nbread_setup), 128);
	ck_assert_uint_eq(sizeof(struct nbread_query), 104);
}
END_TEST

/* The one struct whose layout differs is the kernel's own: struct iovec. */
START_TEST(vectors_of_32_bit_are_filled_in_order)
{
	static const uint16_t flags[] = { 0, NBREAD_SQE_CACHED, NBREAD_SQE_ASYNC };
	struct nbread_cqe cqe;
	struct nbread_sqe sqe;
	struct iovec iov[3];
	struct abi a;

	abi_begin(&a);
	iov[0] = (struct iovec){ a.buf, 100 };
	iov[1] = (struct iovec){ a.buf + 4096, 5000 };
	iov[2] = (struct iovec){ a.buf + 20000, 1 };
	sqe = abi_valid(&a);
	sqe.opcode = NBREAD_OP_READV;
	sqe.flags = flags[_i];
	sqe.off = 77;
	sqe.addr = (uintptr_t)iov;
	sqe.len = 3;
	cqe = abi_submit(&a, &sqe);
	ck_assert_int_eq(cqe.res, 5101);
	ck_assert_int_eq(!!(cqe.flags & NBREAD_CQE_PUNTED), flags[_i] == NBREAD_SQE_ASYNC);
	nbtest_check_bytes(a.buf, 100, 77, ABI_FILE_ID, 1);
	nbtest_check_bytes(a.buf + 4096, 5000, 177, ABI_FILE_ID, 1);
	nbtest_check_bytes(a.buf + 20000, 1, 5177, ABI_FILE_ID, 1);
	ck_assert_uint_eq(a.buf[100], ABI_CANARY);
	ck_assert_uint_eq(a.buf[9096], ABI_CANARY);
	abi_check_canary(&a, 20001);
	abi_end(&a);
}
END_TEST

/* The low half of such an address is a buffer: it must not be cut off. */
START_TEST(an_address_above_4_gib_is_efault)
{
	struct nbread_cqe cqe;
	struct nbread_sqe sqe;
	struct abi a;

	abi_begin(&a);
	sqe = abi_valid(&a);
	sqe.addr |= UINT64_C(1) << 32;
	cqe = abi_submit(&a, &sqe);
	ck_assert_int_eq(cqe.res, -EFAULT);
	abi_check_canary(&a, 0);
	abi_end(&a);
}
END_TEST

START_TEST(a_batch_above_4_gib_is_efault)
{
	struct nbread_try_batch batch = { .nr = 1 };
	struct nbread_try one = {};
	struct raw r;

	abi_ring(&r, ABI_SQ, ABI_CQ);
	batch.reqs = (uintptr_t)&one | UINT64_C(1) << 32;
	ck_assert_int_eq(raw_ioctl(r.fd, NBREAD_IOC_TRY, &batch), -EFAULT);
	raw_close(&r);
}
END_TEST

START_TEST(bytes_behind_4_gib_of_a_file_are_read)
{
	struct nbread_cqe cqe;
	struct nbread_sqe sqe;
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(pwrite(a.file.fd, "far away", 8, INT64_C(5) << 32), 8);
	sqe = abi_valid(&a);
	sqe.off = UINT64_C(5) << 32;
	cqe = abi_submit(&a, &sqe);
	ck_assert_int_eq(cqe.res, 8);
	ck_assert_mem_eq(a.buf, "far away", 8);
	abi_check_canary(&a, 8);
	abi_end(&a);
}
END_TEST

Suite *check_32_bit_suite(void)
{
	Suite *s = suite_create("32_bit");

	nbtest_add(s, this_program_has_32_bits);
	nbtest_add_loop(s, vectors_of_32_bit_are_filled_in_order, 3);
	nbtest_add(s, an_address_above_4_gib_is_efault);
	nbtest_add(s, a_batch_above_4_gib_is_efault);
	nbtest_add(s, bytes_behind_4_gib_of_a_file_are_read);
	return s;
}
