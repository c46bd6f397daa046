// SPDX-License-Identifier: GPL-2.0-only
/* Promise 3: no completion is ever lost, since its place is kept when the read is taken. */
#include "behave.h"

static struct nbread ring;

START_TEST(a_full_completion_queue_takes_no_more_and_loses_none)
{
	struct nbread_setup p = { .cq_entries = 4 };
	int fd = behave_warm_file(KB(64), 3), i;
	unsigned char *buf = behave_buf(KB(64));

	behave_ring_params(&ring, 4, &p);
	ck_assert_uint_eq(p.cq_entries, 4);
	for (i = 0; i < 3; i++)
		behave_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, i);
	behave_submit(&ring, 3);
	for (; i < 6; i++)
		behave_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, i);
	behave_submit(&ring, 1);
	behave_submit(&ring, 0);
	for (i = 0; i < 4; i++)
		ck_assert_uint_eq(behave_next(&ring).user_data, i);
	behave_submit(&ring, 2);
	for (; i < 6; i++)
		ck_assert_uint_eq(behave_next(&ring).user_data, i);
	behave_none(&ring);
	behave_check(buf, 6 * PG, 0, 3);
}
END_TEST

START_TEST(a_read_in_flight_keeps_its_place)
{
	struct nbread_setup p = { .cq_entries = 2, .max_workers = 1 };
	unsigned char *buf = behave_buf(KB(64));
	int fd = behave_slow_file(KB(64), 9);

	behave_ring_params(&ring, 2, &p);
	behave_hold();
	behave_prep(&ring, fd, buf, PG, 0, 0, 1);
	nbread_prep_nop(nbread_get_sqe(&ring));
	behave_submit(&ring, 2);
	nbread_prep_nop(nbread_get_sqe(&ring));
	behave_submit(&ring, 0);
	ck_assert_uint_eq(behave_next(&ring).user_data, 0);
	behave_submit(&ring, 1);
	ck_assert_uint_eq(behave_next(&ring).user_data, 0);
	behave_let_go();
	ck_assert_uint_eq(behave_next(&ring).user_data, 1);
	behave_none(&ring);
}
END_TEST

START_TEST(indices_wrap_and_nothing_is_lost)
{
	struct nbread_setup p = { .cq_entries = 8 };
	unsigned i, j;

	behave_ring_params(&ring, 8, &p);
	for (i = 0; i < 5000; i += 7) {
		for (j = 0; j < 7; j++) {
			struct nbread_sqe *sqe = nbread_get_sqe(&ring);

			nbread_prep_nop(sqe);
			nbread_sqe_set_data64(sqe, i + j);
		}
		behave_submit(&ring, 7);
		for (j = 0; j < 7; j++)
			ck_assert_uint_eq(behave_next(&ring).user_data, i + j);
	}
	behave_none(&ring);
}
END_TEST

START_TEST(sizes_are_rounded_up_and_told)
{
	struct nbread_setup p = { .cq_entries = 100 };

	behave_ring_params(&ring, 5, &p);
	ck_assert_uint_eq(p.sq_entries, 8);
	ck_assert_uint_eq(p.cq_entries, 128);
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 8);
	nbread_queue_exit(&ring);
	p = (struct nbread_setup){ 0 };
	behave_ring_params(&ring, 8, &p);
	ck_assert_uint_eq(p.cq_entries, 16);
}
END_TEST

static const struct {
	const char *name;
	unsigned entries;
	struct nbread_setup p;
	int want;
} bad_setups[] = {
	{ "no_entries_are_einval", 0, { 0 }, -EINVAL },
	{ "too_many_entries_are_einval", 1 << 20, { 0 }, -EINVAL },
	{ "a_cq_below_the_sq_is_einval", 8, { .cq_entries = 4 }, -EINVAL },
	{ "an_unknown_setup_flag_is_eopnotsupp", 8, { .flags = 1 << 20 }, -EOPNOTSUPP },
	{ "a_reserved_member_of_setup_is_einval", 8, { .resv0 = 1 }, -EINVAL },
	{ "an_idle_time_without_sqthread_is_einval", 8, { .sq_thread_idle_ms = 1 }, -EINVAL },
	{ "more_workers_than_there_can_be_are_einval", 8, { .max_workers = 100000 }, -EINVAL },
};

START_TEST(bad_setup)
{
	struct nbread_setup p = bad_setups[_i].p;

	nbtest_row(bad_setups[_i].name);
	ck_assert_int_eq(nbread_queue_init_params(bad_setups[_i].entries, &ring, &p),
			 bad_setups[_i].want);
	nbread_queue_exit(&ring); /* harmless */
}
END_TEST

Suite *check_room_suite(void)
{
	Suite *s = behave_promise("room", "3. No completion is ever lost");

	behave_add(s, a_full_completion_queue_takes_no_more_and_loses_none);
	behave_add(s, a_read_in_flight_keeps_its_place);
	behave_add(s, indices_wrap_and_nothing_is_lost);
	behave_add(s, sizes_are_rounded_up_and_told);
	behave_add_table(s, bad_setup, bad_setups);
	return s;
}
