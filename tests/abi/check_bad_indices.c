// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared words of the rings, filled with what cannot be: the kernel keeps the
 * truth to itself, says -EINVAL where the program's own words make no sense, and
 * goes on once they do again.
 */
#include "abi.h"

Suite *check_bad_indices_suite(void);

/* SQ of ABI_SQ entries, CQ of ABI_CQ; head and tail of the SQ are 3, of the CQ 3 and 3. */
static void begin(struct abi *a)
{
	abi_begin(a);
	for (unsigned int i = 0; i < 3; i++) {
		raw_sqe(&a->r);
		raw_publish(&a->r);
		ck_assert_int_eq(raw_enter(&a->r, 1, 1), 1);
		abi_next(&a->r);
	}
}

static const struct {
	const char *name;
	uint32_t add; /* to the right tail, 3 */
} sq_tails[] = {
	{ "sq_tail_one_behind_head_is_einval", UINT32_MAX },
	{ "sq_tail_one_beyond_the_entries_is_einval", ABI_SQ + 1 },
	{ "sq_tail_a_wrap_beyond_the_entries_is_einval", 2 * ABI_SQ },
	{ "sq_tail_2_to_31_ahead_is_einval", UINT32_C(1) << 31 },
	{ "sq_tail_far_behind_head_is_einval", (uint32_t)-100 },
};

START_TEST(a_bad_sq_tail)
{
	uint32_t right;
	struct abi a;

	begin(&a);
	right = *a.r.sq_tail;
	*a.r.sq_tail = right + sq_tails[_i].add;
	ck_assert_int_eq(raw_enter(&a.r, 1, 0), -EINVAL);
	ck_assert_int_eq(raw_enter(&a.r, UINT32_MAX, 1), -EINVAL);
	ck_assert_uint_eq(*a.r.sq_head, right);
	ck_assert_uint_eq(*a.r.cq_tail, 3);
	*a.r.sq_tail = right;
	abi_end(&a);
}
END_TEST

static const struct {
	const char *name;
	uint32_t add; /* to the right head, 3 */
} cq_heads[] = {
	{ "cq_head_one_ahead_of_tail_is_einval", 1 },
	{ "cq_head_a_wrap_ahead_of_tail_is_einval", ABI_CQ },
	{ "cq_head_2_to_31_ahead_is_einval", UINT32_C(1) << 31 },
	{ "cq_head_one_too_far_behind_is_einval", (uint32_t) - (ABI_CQ + 1) },
	{ "cq_head_far_behind_is_einval", (uint32_t)-1000 },
};

START_TEST(a_bad_cq_head)
{
	uint32_t right;
	struct nbread_sqe sqe;
	struct abi a;

	begin(&a);
	right = *a.r.cq_head;
	sqe = abi_valid(&a);
	*raw_sqe(&a.r) = sqe;
	raw_publish(&a.r);
	*a.r.cq_head = right + cq_heads[_i].add;
	ck_assert_int_eq(raw_enter(&a.r, 1, 0), -EINVAL);
	ck_assert_int_eq(raw_enter(&a.r, 1, 1), -EINVAL);
	ck_assert_int_eq(raw_enter(&a.r, 0, 1), -EINVAL);
	ck_assert_uint_eq(*a.r.sq_head, 3);
	ck_assert_uint_eq(*a.r.cq_tail, 3);
	abi_check_canary(&a, 0);
	*a.r.cq_head = right;
	ck_assert_int_eq(raw_enter(&a.r, 1, 1), 1);
	ck_assert_int_eq(abi_next(&a.r).res, 4096);
	abi_end(&a);
}
END_TEST

START_TEST(an_sq_tail_exactly_at_the_entries_is_a_full_sq)
{
	struct abi a;

	begin(&a);
	for (unsigned int i = 0; i < ABI_SQ; i++)
		ck_assert_ptr_nonnull(raw_sqe(&a.r));
	ck_assert_ptr_null(raw_sqe(&a.r));
	ck_assert_uint_eq(raw_publish(&a.r), ABI_SQ);
	ck_assert_int_eq(raw_enter(&a.r, UINT32_MAX, ABI_SQ), ABI_SQ);
	for (unsigned int i = 0; i < ABI_SQ; i++)
		ck_assert_int_eq(abi_next(&a.r).res, 0);
	abi_end(&a);
}
END_TEST

START_TEST(a_cq_head_exactly_the_entries_behind_is_a_full_cq)
{
	struct abi a;

	begin(&a);
	/* Pretends that nothing was ever reaped. */
	*a.r.cq_head = 3 - ABI_CQ;
	raw_sqe(&a.r);
	raw_publish(&a.r);
	ck_assert_int_eq(raw_enter(&a.r, 1, 0), 0);
	*a.r.cq_head = 3;
	ck_assert_int_eq(raw_enter(&a.r, 1, 1), 1);
	abi_next(&a.r);
	abi_end(&a);
}
END_TEST

static uint32_t *word(struct abi *a, uint32_t off)
{
	return (uint32_t *)(a->r.ring + off);
}

/* The kernel only publishes these; what stands there must not matter to it. */
START_TEST(words_of_the_kernel_may_be_overwritten)
{
	static const uint32_t junk[] = { 0, 1, 7, UINT32_C(1) << 31, UINT32_MAX };
	struct nbread_sqe sqe;
	struct abi a;

	begin(&a);
	sqe = abi_valid(&a);
	a.r.sqes[3 & (ABI_SQ - 1)] = sqe;
	*word(&a, a.r.p.sq_off.mask) = junk[_i];
	*word(&a, a.r.p.cq_off.mask) = junk[_i];
	*word(&a, a.r.p.sq_off.entries) = junk[_i];
	*word(&a, a.r.p.cq_off.entries) = junk[_i];
	*word(&a, a.r.p.sq_off.flags) = junk[_i];
	*word(&a, a.r.p.cq_off.flags) = junk[_i];
	*a.r.sq_head = junk[_i];
	*a.r.cq_tail = junk[_i];
	*a.r.sq_tail = 4;
	ck_assert_int_eq(raw_enter(&a.r, 1, 1), 1);
	ck_assert_uint_eq(*a.r.sq_head, 4);
	ck_assert_uint_eq(*a.r.cq_tail, 4);
	ck_assert_int_eq(a.r.cqes[3].res, 4096);
	ck_assert_uint_eq(a.r.cqes[3].user_data, ABI_USER_DATA);
	abi_next(&a.r);
	a.r.next = 4;
	abi_end(&a);
}
END_TEST

START_TEST(all_of_the_ring_filled_with_ones_is_survived)
{
	struct raw r;

	abi_ring(&r, 8, 16);
	memset(r.ring, 0xff, r.p.ring_size);
	ck_assert_int_eq(raw_enter(&r, 8, 0), -EINVAL);
	ck_assert_int_eq(raw_enter(&r, 8, 8), -EINVAL);
	/* SQEs of ones, with indices that can be. */
	*r.sq_tail = 8;
	*r.cq_head = 0;
	ck_assert_int_eq(raw_enter(&r, 8, 8), 8);
	for (unsigned int i = 0; i < 8; i++) {
		struct nbread_cqe cqe = abi_next(&r);

		ck_assert_int_eq(cqe.res, -EINVAL);
		ck_assert_uint_eq(cqe.user_data, UINT64_MAX);
	}
	raw_close(&r);
}
END_TEST

Suite *check_bad_indices_suite(void)
{
	Suite *s = suite_create("bad_indices");

	nbtest_add_table(s, a_bad_sq_tail, sq_tails);
	nbtest_add_table(s, a_bad_cq_head, cq_heads);
	nbtest_add(s, an_sq_tail_exactly_at_the_entries_is_a_full_sq);
	nbtest_add(s, a_cq_head_exactly_the_entries_behind_is_a_full_cq);
	nbtest_add_loop(s, words_of_the_kernel_may_be_overwritten, 5);
	nbtest_add(s, all_of_the_ring_filled_with_ones_is_survived);
	return s;
}
