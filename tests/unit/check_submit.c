// SPDX-License-Identifier: GPL-2.0-only
/*
 * Submission: full and empty queues, partial submission, and what ENTER is
 * asked for.
 */
#include <errno.h>
#include <limits.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;

START_TEST(a_full_queue_gives_no_sqe)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 4, 0);
	ck_assert_ptr_null(nbread_get_sqe(&ring));
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 0);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 4);
}
END_TEST

START_TEST(each_sqe_is_handed_out_once)
{
	struct nbread_sqe *sqe[4];
	int i, j;

	fake_ring(&ring, 4);
	for (i = 0; i < 4; i++) {
		sqe[i] = nbread_get_sqe(&ring);
		for (j = 0; j < i; j++)
			ck_assert_ptr_ne(sqe[i], sqe[j]);
		ck_assert_uint_eq(nbread_sq_space_left(&ring), 3 - i);
	}
}
END_TEST

START_TEST(nothing_is_submitted_before_submit)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 2, 0);
	ck_assert_int_eq(nbread_get_events(&ring), 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 0);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 2);
}
END_TEST

START_TEST(submit_takes_all_and_says_how_many)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 3, 0);
	ck_assert_int_eq(nbread_submit(&ring), 3);
	ck_assert_uint_eq(fake.enter.to_submit, 3);
	ck_assert_uint_eq(fake.enter.min_complete, 0);
	ck_assert_uint_eq(fake.enter.flags, 0);
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 4);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 3);
}
END_TEST

START_TEST(submit_of_nothing_makes_no_system_call)
{
	fake_ring(&ring, 4);
	ck_assert_int_eq(nbread_submit(&ring), 0);
	ck_assert_uint_eq(fake.enters, 0);
}
END_TEST

START_TEST(entries_that_were_not_taken_go_with_the_next_submit)
{
	struct nbread_cqe *cqes[4];

	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 4, 10);
	fake.take_max = 1;
	ck_assert_int_eq(nbread_submit(&ring), 1);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 3);
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 1);
	fake.take_max = ~0U;
	ck_assert_int_eq(nbread_submit(&ring), 3);
	ck_assert_uint_eq(fake.enter.to_submit, 3);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 4), 4);
	ck_assert_uint_eq(cqes[0]->user_data, 10);
	ck_assert_uint_eq(cqes[3]->user_data, 13);
}
END_TEST

static const struct {
	const char *name;
	int error;
} enter_errors[] = {
	{ "a_submit_that_fails_with_enomem_can_be_repeated", -ENOMEM },
	{ "a_submit_that_fails_with_eintr_can_be_repeated", -EINTR },
	{ "a_submit_that_fails_with_eperm_says_so", -EPERM },
};

START_TEST(submit_error)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 2, 0);
	fake.enter_error = enter_errors[_i].error;
	ck_assert_int_eq(nbread_submit(&ring), enter_errors[_i].error);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 2);
	ck_assert_int_eq(nbread_submit(&ring), 2);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 2);
}
END_TEST

START_TEST(a_full_completion_queue_takes_nothing_until_it_is_reaped)
{
	int i;

	fake_ring(&ring, 2);
	for (i = 0; i < 2; i++) {
		fake_queue_nops(&ring, 2, 2 * i);
		ck_assert_int_eq(nbread_submit(&ring), 2);
	}
	fake_queue_nops(&ring, 2, 4);
	ck_assert_int_eq(nbread_submit(&ring), 0);
	nbread_cq_advance(&ring, 1);
	ck_assert_int_eq(nbread_submit(&ring), 1);
	nbread_cq_advance(&ring, 4);
	ck_assert_int_eq(nbread_submit(&ring), 1);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
}
END_TEST

START_TEST(submit_and_wait_does_both_in_one_call)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 4, 0);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 3), 4);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake.enter.to_submit, 4);
	ck_assert_uint_eq(fake.enter.min_complete, 3);
}
END_TEST

START_TEST(submit_and_wait_with_enough_completions_makes_no_system_call)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 2, 0);
	nbread_submit(&ring);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 2), 0);
	ck_assert_uint_eq(fake.enters, 1);
}
END_TEST

START_TEST(submit_and_wait_for_more_than_the_queue_holds_is_einval)
{
	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 1, 0);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 9), -EINVAL);
	ck_assert_int_eq(nbread_submit(&ring), 1);
}
END_TEST

START_TEST(a_signal_after_entries_were_taken_does_not_hide_their_number)
{
	fake_ring(&ring, 4);
	fake.park = true;
	fake.wait_error = -EINTR;
	fake_queue_nops(&ring, 2, 0);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 1), 2);
	ck_assert_uint_eq(fake.enters, 1);
	ck_assert_uint_eq(fake_parked(), 2);
}
END_TEST

START_TEST(a_wrong_sqe_ends_alone_with_its_error_in_its_cqe)
{
	struct nbread_cqe *cqes[3];

	fake_ring(&ring, 4);
	fake_queue_nops(&ring, 1, 0);
	nbread_prep_rw(nbread_get_sqe(&ring), 99, 0, NULL, 0, 0);
	fake_queue_nops(&ring, 1, 2);
	ck_assert_int_eq(nbread_submit(&ring), 3);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 3), 3);
	ck_assert_int_eq(cqes[0]->res, 0);
	ck_assert_int_eq(cqes[1]->res, -EINVAL);
	ck_assert_int_eq(cqes[2]->res, 0);
}
END_TEST

START_TEST(read_and_readv_deliver_the_bytes_of_the_file)
{
	struct nbread_cqe *cqes[2];
	struct nbtest_file f;
	char a[100], b[30], c[50];
	struct iovec iov[2] = { { b, sizeof(b) }, { c, sizeof(c) } };

	nbtest_file_new(&f, 1, 4096);
	fake_ring(&ring, 4);
	nbread_prep_read(nbread_get_sqe(&ring), f.fd, a, sizeof(a), 1000);
	nbread_prep_readv(nbread_get_sqe(&ring), f.fd, iov, 2, 2000);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 2), 2);
	ck_assert_uint_eq(nbread_peek_batch_cqe(&ring, cqes, 2), 2);
	ck_assert_int_eq(cqes[0]->res, 100);
	ck_assert_int_eq(cqes[1]->res, 80);
	nbtest_check_bytes(a, 100, 1000, 1, 1);
	nbtest_check_bytes(b, 30, 2000, 1, 1);
	nbtest_check_bytes(c, 50, 2030, 1, 1);
	nbtest_file_free(&f);
}
END_TEST

Suite *check_submit_suite(void)
{
	Suite *s = suite_create("submit");

	nbtest_add(s, a_full_queue_gives_no_sqe);
	nbtest_add(s, each_sqe_is_handed_out_once);
	nbtest_add(s, nothing_is_submitted_before_submit);
	nbtest_add(s, submit_takes_all_and_says_how_many);
	nbtest_add(s, submit_of_nothing_makes_no_system_call);
	nbtest_add(s, entries_that_were_not_taken_go_with_the_next_submit);
	nbtest_add_table(s, submit_error, enter_errors);
	nbtest_add(s, a_full_completion_queue_takes_nothing_until_it_is_reaped);
	nbtest_add(s, submit_and_wait_does_both_in_one_call);
	nbtest_add(s, submit_and_wait_with_enough_completions_makes_no_system_call);
	nbtest_add(s, submit_and_wait_for_more_than_the_queue_holds_is_einval);
	nbtest_add(s, a_signal_after_entries_were_taken_does_not_hide_their_number);
	nbtest_add(s, a_wrong_sqe_ends_alone_with_its_error_in_its_cqe);
	nbtest_add(s, read_and_readv_deliver_the_bytes_of_the_file);
	return s;
}
