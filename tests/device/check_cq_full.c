// SPDX-License-Identifier: GPL-2.0-only
/*
 * No completion is ever lost: a slot of the completion queue is reserved for
 * each entry that is taken, and when none is free fewer are taken.
 */
#include "device.h"

static void small_ring(struct nbread *ring, unsigned int sq, unsigned int cq)
{
	struct nbread_setup p = { .sq_entries = sq, .cq_entries = cq };

	ck_assert_int_eq(nbread_queue_init_params(sq, ring, &p), 0);
	ck_assert_uint_eq(ring->sq.ring_entries, sq);
	ck_assert_uint_eq(ring->cq.ring_entries, cq);
}

static void prep_nop(struct nbread *ring, uint64_t user_data)
{
	struct nbread_sqe *sqe = nbread_get_sqe(ring);

	dev_must(sqe, "the submission queue is full");
	nbread_prep_nop(sqe);
	nbread_sqe_set_data64(sqe, user_data);
}

START_TEST(a_full_completion_queue_stops_submission_and_loses_nothing)
{
	struct nbread ring;

	small_ring(&ring, 4, 4);
	for (int i = 0; i < 4; i++)
		prep_nop(&ring, i);
	dev_submit(&ring, 4);
	for (int i = 4; i < 8; i++)
		prep_nop(&ring, i);
	/* No slot at all, then one, then the rest. */
	dev_submit(&ring, 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 4);
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 0);
	ck_assert_ptr_null(nbread_get_sqe(&ring));
	ck_assert_uint_eq(dev_next(&ring).user_data, 0);
	dev_submit(&ring, 1);
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 1);
	for (int i = 1; i < 5; i++)
		ck_assert_uint_eq(dev_next(&ring).user_data, i);
	dev_submit(&ring, 3);
	for (int i = 5; i < 8; i++)
		ck_assert_uint_eq(dev_next(&ring).user_data, i);
	dev_check_none(&ring);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_parked_read_has_its_slot)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, KB(64), 11);
	unsigned char *buf = dev_buf(KB(64));
	bool seen[6] = { false };
	struct nbread ring;

	small_ring(&ring, 4, 4);
	dev_hold(fs);
	for (int i = 0; i < 3; i++)
		dev_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, i);
	dev_submit(&ring, 3);
	/* One slot is left; the queue is empty all the same. */
	for (int i = 3; i < 6; i++)
		prep_nop(&ring, i);
	dev_submit(&ring, 1);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
	dev_submit(&ring, 0);
	dev_release(fs);
	for (int i = 0; i < 6; i++) {
		struct nbread_cqe cqe = dev_next(&ring);

		ck_assert_uint_lt(cqe.user_data, 6);
		ck_assert(!seen[cqe.user_data]);
		seen[cqe.user_data] = true;
		ck_assert_int_eq(cqe.res, cqe.user_data < 3 ? PG : 0);
		ck_assert_int_ge(nbread_submit(&ring), 0);
	}
	dev_check(buf, 3 * PG, 0, 11);
	dev_check_none(&ring);
	nbread_queue_exit(&ring);
}
END_TEST

static const struct {
	const char *name;
	bool reads;
} rows[] = {
	{ "a_hundred_thousand_nops_through_four_entries", false },
	{ "a_hundred_thousand_reads_through_four_entries", true },
};

START_TEST(through_four_entries)
{
	const uint32_t total = 100000;
	unsigned char *buf = dev_buf(64 * 16);
	unsigned int seed = 1;
	uint32_t put = 0, taken = 0, got = 0;
	struct nbread ring;
	int fd = dev_file(dev_fs(DEV_EXT4), KB(256), 11);

	small_ring(&ring, 4, 8);
	while (got < total) {
		unsigned int n = rand_r(&seed) % 5, reap = rand_r(&seed) % 9, head, i = 0;
		struct nbread_cqe *cqe;
		int ret;

		for (; n && put < total && nbread_sq_space_left(&ring); n--, put++) {
			if (rows[_i].reads)
				dev_prep(&ring, fd, buf + put % 64 * 16, 16, put % 16000 * 16, 0,
					 put);
			else
				prep_nop(&ring, put);
		}
		ret = nbread_submit(&ring);
		dev_must(ret >= 0, "submit: %d", ret);
		taken += ret;
		/* Reserved slots: never more than fit, and none missing. */
		dev_must(taken - got <= 8, "%u in flight", taken - got);
		dev_must(nbread_cq_ready(&ring) == taken - got, "%u completions of %u",
			 nbread_cq_ready(&ring), taken - got);
		dev_must(nbread_sq_ready(&ring) == put - taken, "%u entries left of %u",
			 nbread_sq_ready(&ring), put - taken);
		nbread_for_each_cqe(&ring, head, cqe) {
			if (i == reap)
				break;
			dev_must(cqe->user_data == got + i, "completion %llu for %u",
				 (unsigned long long)cqe->user_data, got + i);
			dev_must(cqe->res == (rows[_i].reads ? 16 : 0), "%d", cqe->res);
			if (rows[_i].reads)
				dev_check(buf + (got + i) % 64 * 16, 16, (got + i) % 16000 * 16,
					  11);
			i++;
		}
		nbread_cq_advance(&ring, i);
		got += i;
	}
	ck_assert_uint_eq(taken, total);
	dev_check_none(&ring);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-submitted"), total);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-completed"), total);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_full_queue_of_cancelled_reads_is_not_lost)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, KB(64), 11);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;

	small_ring(&ring, 8, 8);
	dev_hold(fs);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 8; i++)
			dev_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, i);
		dev_submit(&ring, 8);
		ck_assert_int_eq(nbread_cancel64(&ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL),
				 8);
		ck_assert_uint_eq(nbread_cq_ready(&ring), 8);
		for (int i = 0; i < 8; i++)
			ck_assert_int_eq(dev_next(&ring).res, -ECANCELED);
	}
	dev_release(fs);
	dev_check_none(&ring);
	dev_check_same(buf, KB(64), 0xa5);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(waiting_for_more_than_can_come_ends_with_the_timeout_or_is_refused)
{
	struct timespec ts = { .tv_nsec = 20 * MS };
	struct nbread_cqe *cqe;
	struct nbread ring;

	small_ring(&ring, 4, 4);
	ck_assert_int_eq(nbread_wait_cqe_timeout(&ring, &cqe, &ts), -ETIME);
	prep_nop(&ring, 1);
	dev_submit(&ring, 1);
	ck_assert_int_eq(nbread_wait_cqes(&ring, &cqe, 2, &ts, NULL), 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 5), -EINVAL);
	ck_assert_uint_eq(dev_next(&ring).user_data, 1);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_cq_full_suite(void)
{
	Suite *s = suite_create("cq_full");

	nbtest_add(s, a_full_completion_queue_stops_submission_and_loses_nothing);
	nbtest_add(s, a_parked_read_has_its_slot);
	nbtest_add_table(s, through_four_entries, rows);
	nbtest_add(s, a_full_queue_of_cancelled_reads_is_not_lost);
	nbtest_add(s, waiting_for_more_than_can_come_ends_with_the_timeout_or_is_refused);
	return s;
}
