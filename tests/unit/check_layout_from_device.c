// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device whose answer to SETUP cannot be: each is -EPROTO at set-up, instead
 * of a wild pointer later. One spoilt value a test.
 */
#include <errno.h>
#include "nbtest.h"
#include "fake.h"

#define SPOIL(fn, statement)                   \
	static void fn(struct nbread_setup *p) \
	{                                      \
		statement;                     \
	}

SPOIL(short_ring, p->ring_size = p->cq_off.cqes)
SPOIL(no_ring, p->ring_size = 0)
SPOIL(one_byte_short, p->ring_size = p->sq_off.sqes + p->sq_entries * 64ULL - 1)
SPOIL(sq_head_outside, p->sq_off.head = (__u32)p->ring_size)
SPOIL(sq_tail_outside, p->sq_off.tail = (__u32)p->ring_size - 2)
SPOIL(sq_mask_outside, p->sq_off.mask = ~3U)
SPOIL(sq_flags_outside, p->sq_off.flags = (__u32)p->ring_size)
SPOIL(cq_head_outside, p->cq_off.head = ~3U)
SPOIL(cq_tail_outside, p->cq_off.tail = (__u32)p->ring_size)
SPOIL(cq_mask_outside, p->cq_off.mask = (__u32)p->ring_size)
SPOIL(cq_flags_outside, p->cq_off.flags = (__u32)p->ring_size)
SPOIL(sqes_outside, p->sq_off.sqes = (__u32)p->ring_size - 64)
SPOIL(cqes_outside, p->cq_off.cqes = ~7U)
SPOIL(odd_index, p->sq_off.head += 1)
SPOIL(odd_sqes, p->sq_off.sqes -= 4)
SPOIL(odd_cqes, p->cq_off.cqes += 4)
SPOIL(fewer_entries, p->sq_entries /= 2)
SPOIL(no_sq_entries, p->sq_entries = 0)
SPOIL(sq_no_power, p->sq_entries = 9)
SPOIL(cq_no_power, p->cq_entries = 17)
SPOIL(cq_below_sq, p->cq_entries = p->sq_entries / 2)
SPOIL(huge_cq, p->cq_entries = 1U << 31)

static const struct {
	const char *name;
	void (*spoil)(struct nbread_setup *p);
} spoilers[] = {
	{ "a_ring_too_short_for_its_entries_is_eproto", short_ring },
	{ "a_ring_of_no_bytes_is_eproto", no_ring },
	{ "a_ring_one_byte_short_is_eproto", one_byte_short },
	{ "sq_head_outside_the_ring_is_eproto", sq_head_outside },
	{ "sq_tail_across_the_end_of_the_ring_is_eproto", sq_tail_outside },
	{ "sq_mask_outside_the_ring_is_eproto", sq_mask_outside },
	{ "sq_flags_outside_the_ring_is_eproto", sq_flags_outside },
	{ "cq_head_outside_the_ring_is_eproto", cq_head_outside },
	{ "cq_tail_outside_the_ring_is_eproto", cq_tail_outside },
	{ "cq_mask_outside_the_ring_is_eproto", cq_mask_outside },
	{ "cq_flags_outside_the_ring_is_eproto", cq_flags_outside },
	{ "sqes_across_the_end_of_the_ring_are_eproto", sqes_outside },
	{ "cqes_outside_the_ring_are_eproto", cqes_outside },
	{ "an_index_off_its_alignment_is_eproto", odd_index },
	{ "sqes_off_their_alignment_are_eproto", odd_sqes },
	{ "cqes_off_their_alignment_are_eproto", odd_cqes },
	{ "fewer_entries_than_wanted_are_eproto", fewer_entries },
	{ "no_sq_entries_at_all_are_eproto", no_sq_entries },
	{ "sq_entries_no_power_of_two_are_eproto", sq_no_power },
	{ "cq_entries_no_power_of_two_are_eproto", cq_no_power },
	{ "a_cq_smaller_than_the_sq_is_eproto", cq_below_sq },
	{ "a_cq_larger_than_the_ring_is_eproto", huge_cq },
};

static void assert_refused(void)
{
	struct nbread ring;

	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -EPROTO);
	ck_assert_uint_eq(fake.opens, 1);
	ck_assert_uint_eq(fake.closes, 1);
	ck_assert_uint_eq(fake.mmaps, fake.munmaps);
}

START_TEST(spoilt_layout)
{
	fake.spoil_setup = spoilers[_i].spoil;
	assert_refused();
	ck_assert_uint_eq(fake.mmaps, 0);
}
END_TEST

START_TEST(a_shared_sq_mask_that_is_not_entries_less_one_is_eproto)
{
	fake.wrong_sq_mask = true;
	assert_refused();
}
END_TEST

START_TEST(a_shared_cq_mask_that_is_not_entries_less_one_is_eproto)
{
	fake.wrong_cq_mask = true;
	assert_refused();
}
END_TEST

Suite *check_layout_from_device_suite(void)
{
	Suite *s = suite_create("layout_from_device");

	nbtest_add_table(s, spoilt_layout, spoilers);
	nbtest_add(s, a_shared_sq_mask_that_is_not_entries_less_one_is_eproto);
	nbtest_add(s, a_shared_cq_mask_that_is_not_entries_less_one_is_eproto);
	return s;
}
