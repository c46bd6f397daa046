// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad input, by way of the SQ: a read that would be a hit, with one member
 * spoiled. It ends alone, with its -errno in its CQE and nothing written to the
 * buffer; abi_end() sees to it that nothing else changed.
 */
#include <limits.h>

#include "abi.h"

Suite *check_bad_input_suite(void);

/* A member and what is put into it. */
struct spoiled {
	const char *name;
	size_t at, size;
	uint64_t value;
	int want;
};

#define SQE(name, member, value, want)                                                    \
	{                                                                                 \
		name, offsetof(struct nbread_sqe, member),                                \
			sizeof(((struct nbread_sqe *)0)->member), (uint64_t)(value), want \
	}

static const struct spoiled reads[] = {
	SQE("sqe_resv0_is_einval", resv0, 1, -EINVAL),
	SQE("sqe_resv0_top_bit_is_einval", resv0, 0x80, -EINVAL),
	SQE("sqe_resv1_is_einval", resv1, 1, -EINVAL),
	SQE("sqe_resv1_top_bit_is_einval", resv1, 0x8000, -EINVAL),
	SQE("sqe_resv2_0_is_einval", resv2[0], 1, -EINVAL),
	SQE("sqe_resv2_0_top_bit_is_einval", resv2[0], UINT64_C(1) << 63, -EINVAL),
	SQE("sqe_resv2_1_is_einval", resv2[1], 1, -EINVAL),
	SQE("sqe_resv2_1_bit_32_is_einval", resv2[1], UINT64_C(1) << 32, -EINVAL),
	SQE("sqe_buf_index_without_a_fixed_buffer_is_einval", buf_index, 1, -EINVAL),

	SQE("sqe_read_fixed_without_a_buffer_is_efault", opcode, NBREAD_OP_READ_FIXED, -EFAULT),
	SQE("sqe_opcode_4_is_einval", opcode, 4, -EINVAL),
	SQE("sqe_opcode_64_is_einval", opcode, 64, -EINVAL),
	SQE("sqe_opcode_255_is_einval", opcode, 255, -EINVAL),
	SQE("sqe_nop_with_a_buffer_is_einval", opcode, NBREAD_OP_NOP, -EINVAL),

	SQE("sqe_flag_4_is_einval", flags, 1U << 4, -EINVAL),
	SQE("sqe_flag_8_is_einval", flags, 1U << 8, -EINVAL),
	SQE("sqe_flag_15_is_einval", flags, 1U << 15, -EINVAL),
	SQE("sqe_noio_without_cached_is_einval", flags, NBREAD_SQE_NOIO, -EINVAL),
	SQE("sqe_async_with_cached_is_einval", flags, NBREAD_SQE_ASYNC | NBREAD_SQE_CACHED,
	    -EINVAL),
	SQE("sqe_async_with_noio_is_einval", flags, NBREAD_SQE_ASYNC | NBREAD_SQE_NOIO, -EINVAL),
	SQE("sqe_async_with_cached_noio_is_einval", flags,
	    NBREAD_SQE_ASYNC | NBREAD_SQE_CACHED | NBREAD_SQE_NOIO, -EINVAL),

	SQE("sqe_off_minus_1_is_einval", off, -1, -EINVAL),
	SQE("sqe_off_minus_4096_is_einval", off, -4096, -EINVAL),
	SQE("sqe_off_int64_min_is_einval", off, INT64_MIN, -EINVAL),
	SQE("sqe_off_int64_max_is_einval", off, INT64_MAX, -EINVAL),
	SQE("sqe_off_plus_len_one_too_many_is_einval", off, INT64_MAX - 4095, -EINVAL),

	SQE("sqe_len_one_above_the_limit_is_einval", len, 0x7ffff001, -EINVAL),
	SQE("sqe_len_int32_max_is_einval", len, INT32_MAX, -EINVAL),
	SQE("sqe_len_2_gib_is_einval", len, UINT32_C(1) << 31, -EINVAL),
	SQE("sqe_len_uint32_max_is_einval", len, UINT32_MAX, -EINVAL),

	SQE("sqe_addr_null_is_efault", addr, 0, -EFAULT),
	SQE("sqe_addr_1_is_efault", addr, 1, -EFAULT),
	SQE("sqe_addr_in_the_kernel_is_efault", addr, ABI_KERNEL_ADDRESS, -EFAULT),
	SQE("sqe_addr_not_canonical_is_efault", addr, ABI_NON_CANONICAL, -EFAULT),
	SQE("sqe_addr_all_ones_is_efault", addr, UINT64_MAX, -EFAULT),
	SQE("sqe_addr_that_wraps_is_efault", addr, UINT64_MAX - 4095, -EFAULT),

	SQE("sqe_fixed_file_without_a_table_is_ebadf", flags, NBREAD_SQE_FIXED_FILE, -EBADF),
	SQE("sqe_cached_fixed_file_without_a_table_is_ebadf", flags,
	    NBREAD_SQE_FIXED_FILE | NBREAD_SQE_CACHED, -EBADF),
	SQE("sqe_async_fixed_file_without_a_table_is_ebadf", flags,
	    NBREAD_SQE_FIXED_FILE | NBREAD_SQE_ASYNC, -EBADF),

	SQE("sqe_fd_minus_1_is_ebadf", fd, -1, -EBADF),
	SQE("sqe_fd_int_min_is_ebadf", fd, INT_MIN, -EBADF),
	SQE("sqe_fd_int_max_is_ebadf", fd, INT_MAX, -EBADF),
	SQE("sqe_fd_never_opened_is_ebadf", fd, 1 << 20, -EBADF),
};

/* Of a NOP, which has no use for any of these. */
static const struct spoiled nops[] = {
	SQE("nop_fd_is_einval", fd, 3, -EINVAL),
	SQE("nop_fd_minus_1_is_einval", fd, -1, -EINVAL),
	SQE("nop_off_is_einval", off, 1, -EINVAL),
	SQE("nop_addr_is_einval", addr, 4096, -EINVAL),
	SQE("nop_len_is_einval", len, 1, -EINVAL),
	SQE("nop_buf_index_is_einval", buf_index, 1, -EINVAL),
	SQE("nop_flag_cached_is_einval", flags, NBREAD_SQE_CACHED, -EINVAL),
	SQE("nop_flag_async_is_einval", flags, NBREAD_SQE_ASYNC, -EINVAL),
	SQE("nop_flag_15_is_einval", flags, 1U << 15, -EINVAL),
	SQE("nop_resv0_is_einval", resv0, 1, -EINVAL),
	SQE("nop_resv1_is_einval", resv1, 1, -EINVAL),
	SQE("nop_resv2_is_einval", resv2[1], 1, -EINVAL),
	SQE("nop_deadline_is_einval", deadline_ns, 1, -EINVAL),
};

/* Unusual, but right. So the tables above do not pass by refusing everything. */
static const struct spoiled fine[] = {
	SQE("sqe_untouched_is_a_hit", opcode, NBREAD_OP_READ, 4096),
	SQE("sqe_off_where_the_end_is_int64_max_is_0", off, INT64_MAX - 4096, 0),
	SQE("sqe_off_behind_s_maxbytes_is_0", off, UINT64_C(1) << 60, 0),
	SQE("sqe_cached_is_a_hit", flags, NBREAD_SQE_CACHED, 4096),
	SQE("sqe_cached_noio_is_a_hit", flags, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO, 4096),
	SQE("sqe_async_reads_it_all", flags, NBREAD_SQE_ASYNC, 4096),
	SQE("sqe_user_data_may_be_anything", user_data, 0, 4096),
	SQE("sqe_deadline_that_is_over_does_not_concern_a_hit", deadline_ns, 1, 4096),
	SQE("sqe_deadline_int64_max_is_never", deadline_ns, INT64_MAX, 4096),
	SQE("sqe_deadline_uint64_max_is_never", deadline_ns, UINT64_MAX, 4096),
};

static struct nbread_sqe spoil(struct nbread_sqe sqe, const struct spoiled *s)
{
	uint64_t value = htole64(s->value);

	memcpy((uint8_t *)&sqe + s->at, &value, s->size);
	return sqe;
}

static void run(struct abi *a, const struct nbread_sqe *sqe, int want)
{
	struct nbread_cqe cqe = abi_submit(a, sqe);

	ck_assert_int_eq(cqe.res, want);
	ck_assert_uint_eq(cqe.user_data, sqe->user_data);
	/* It may have waited before the address turned out to be bad. */
	if (want < 0)
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
	abi_check_canary(a, want > 0 ? (size_t)want : 0);
}

START_TEST(a_spoiled_read)
{
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	sqe = spoil(abi_valid(&a), &reads[_i]);
	run(&a, &sqe, reads[_i].want);
	abi_end(&a);
}
END_TEST

START_TEST(a_spoiled_cold_read)
{
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	nbtest_evict(a.file.fd);
	sqe = spoil(abi_valid(&a), &reads[_i]);
	run(&a, &sqe, reads[_i].want);
	abi_end(&a);
}
END_TEST

START_TEST(a_spoiled_nop)
{
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	sqe = spoil((struct nbread_sqe){ .user_data = ABI_USER_DATA }, &nops[_i]);
	run(&a, &sqe, nops[_i].want);
	abi_end(&a);
}
END_TEST

START_TEST(a_fine_read)
{
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	sqe = spoil(abi_valid(&a), &fine[_i]);
	run(&a, &sqe, fine[_i].want);
	if (fine[_i].want > 0)
		nbtest_check_bytes(a.buf, (size_t)fine[_i].want, sqe.off, ABI_FILE_ID, 1);
	abi_end(&a);
}
END_TEST

/*
 * The same entries behind one that the file passed all checks for: what follows such a one
 * goes a shorter way. All in one call, then the entry between two fine ones.
 */
static void run_behind(struct abi *a, const struct nbread_sqe *sqe, int want)
{
	static unsigned char other[2][4096] __attribute__((aligned(4096)));
	struct nbread_sqe before = abi_valid(a), after = abi_valid(a);
	const struct nbread_sqe *all[] = { &before, sqe, &after };
	struct nbread_cqe cqe;

	before.addr = (uintptr_t)other[0];
	before.user_data = 1;
	after.addr = (uintptr_t)other[1];
	after.user_data = 2;
	for (int i = 0; i < 3; i++) {
		struct nbread_sqe *slot = raw_sqe(&a->r);

		ck_assert_ptr_nonnull(slot);
		*slot = *all[i];
	}
	ck_assert_uint_eq(raw_publish(&a->r), 3);
	ck_assert_int_eq(raw_enter(&a->r, 3, 3), 3);
	for (int i = 0; i < 3; i++) {
		cqe = abi_next(&a->r);
		if (cqe.user_data != sqe->user_data) {
			ck_assert_int_eq(cqe.res, 4096);
			ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
			nbtest_check_bytes(other[cqe.user_data - 1], 4096, before.off, ABI_FILE_ID,
					   1);
			continue;
		}
		ck_assert_int_eq(cqe.res, want);
		if (want < 0)
			ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
	}
	abi_check_canary(a, want > 0 ? (size_t)want : 0);
	if (want > 0)
		nbtest_check_bytes(a->buf, (size_t)want, sqe->off, ABI_FILE_ID, 1);
}

START_TEST(a_spoiled_read_behind_a_fine_one)
{
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	sqe = spoil(abi_valid(&a), &reads[_i]);
	run_behind(&a, &sqe, reads[_i].want);
	abi_end(&a);
}
END_TEST

START_TEST(a_fine_read_behind_another)
{
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	sqe = spoil(abi_valid(&a), &fine[_i]);
	run_behind(&a, &sqe, fine[_i].want);
	abi_end(&a);
}
END_TEST

/* Only the member that is wrong for every file: a cold file must not matter. */
static bool same_when_cold(const struct spoiled *s)
{
	return s->at == offsetof(struct nbread_sqe, addr) ||
	       s->at == offsetof(struct nbread_sqe, off);
}

Suite *check_bad_input_suite(void)
{
	static char names[NBTEST_ARRAY_SIZE(reads)][96];
	static char behind[NBTEST_ARRAY_SIZE(reads)][96];
	static char fine_behind[NBTEST_ARRAY_SIZE(fine)][96];
	Suite *s = suite_create("bad_input");

	nbtest_add_table(s, a_spoiled_read, reads);
	for (int i = 0; i < (int)NBTEST_ARRAY_SIZE(reads); i++) {
		if (!same_when_cold(&reads[i]))
			continue;
		snprintf(names[i], sizeof(names[i]), "cold_%s", reads[i].name);
		nbtest_add_tcase(s, names[i], a_spoiled_cold_read, NULL, NULL, i, i + 1,
				 NBTEST_TIMEOUT);
	}
	nbtest_add_table(s, a_spoiled_nop, nops);
	nbtest_add_table(s, a_fine_read, fine);
	for (int i = 0; i < (int)NBTEST_ARRAY_SIZE(reads); i++) {
		snprintf(behind[i], sizeof(behind[i]), "behind_a_fine_one_%s", reads[i].name);
		nbtest_add_tcase(s, behind[i], a_spoiled_read_behind_a_fine_one, NULL, NULL, i,
				 i + 1, NBTEST_TIMEOUT);
	}
	for (int i = 0; i < (int)NBTEST_ARRAY_SIZE(fine); i++) {
		snprintf(fine_behind[i], sizeof(fine_behind[i]), "behind_a_fine_one_%s",
			 fine[i].name);
		nbtest_add_tcase(s, fine_behind[i], a_fine_read_behind_another, NULL, NULL, i,
				 i + 1, NBTEST_TIMEOUT);
	}
	return s;
}
