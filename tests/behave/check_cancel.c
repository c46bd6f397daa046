// SPDX-License-Identifier: GPL-2.0-only
/* Promise 4: cancel and deadlines are immediate, and the buffer is left alone after them. */
#include <sys/mman.h>
#include "behave.h"

static struct nbread ring;

static struct nbread_cqe reaped(void)
{
	/* Posted when the call that ended it returned: no wait. */
	ck_assert_uint_ge(nbread_cq_ready(&ring), 1);
	return behave_next(&ring);
}

START_TEST(a_read_that_waits_for_a_worker_is_cancelled_at_once)
{
	unsigned char *first = behave_buf(PG), *buf = behave_buf(PG);
	int fd = behave_busy_ring(&ring, first);
	struct nbread_cqe cqe;

	behave_prep(&ring, fd, buf, PG, PG, 0, 2);
	behave_submit(&ring, 1);
	ck_assert_int_eq(nbread_cancel64(&ring, 2, 0), 1);
	cqe = reaped();
	ck_assert_uint_eq(cqe.user_data, 2);
	ck_assert_int_eq(cqe.res, -ECANCELED);
	behave_let_go();
	ck_assert_uint_eq(behave_next(&ring).user_data, 1);
	behave_none(&ring);
	behave_untouched(buf, PG);
	behave_check(first, PG, 0, 9);
}
END_TEST

static const struct behave_differs begun = {
	.what = "Cancel of a read that a worker has begun",
	.module = "-EALREADY; it completes by itself",
	.threads =
		"ends at once, like a parked one; its thread stays with the file until the kernel lets go of it, and is one of `max_workers` so long",
	.module_value = -EALREADY,
	.threads_value = 1,
};

START_TEST(cancel_of_a_read_that_a_worker_has_begun)
{
	unsigned char *buf = behave_buf(PG);
	int ret, want = behave_value(&begun);

	behave_busy_ring(&ring, buf);
	ret = nbread_cancel64(&ring, 1, 0);
	ck_assert_int_eq(ret, want);
	if (ret == 1) {
		ck_assert_int_eq(reaped().res, -ECANCELED);
		behave_let_go();
		/* The next read of the same worker comes after whatever it did for this one. */
		ck_assert_int_eq(behave_read(&ring, behave_warm_file(PG, 3), behave_buf(PG), PG, 0,
					     NBREAD_SQE_ASYNC)
					 .res,
				 PG);
		behave_untouched(buf, PG);
	} else {
		behave_let_go();
		ck_assert_int_eq(behave_next(&ring).res, PG);
	}
	behave_none(&ring);
}
END_TEST

START_TEST(cancel_ends_the_oldest_that_matches_or_all)
{
	unsigned char *buf = behave_buf(6 * PG);
	int fd = behave_busy_ring(&ring, buf), i;

	for (i = 1; i < 6; i++)
		behave_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, 77);
	behave_submit(&ring, 5);
	ck_assert_int_eq(nbread_cancel64(&ring, 77, 0), 1);
	ck_assert_int_eq(nbread_cancel64(&ring, 77, NBREAD_CANCEL_ALL), 4);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(reaped().res, -ECANCELED);
	ck_assert_int_eq(nbread_cancel64(&ring, 77, NBREAD_CANCEL_ALL), -ENOENT);
	behave_let_go();
	ck_assert_uint_eq(behave_next(&ring).user_data, 1);
}
END_TEST

START_TEST(cancel_of_any_takes_the_oldest_that_waits)
{
	unsigned char *buf = behave_buf(3 * PG);
	int fd = behave_busy_ring(&ring, buf);

	behave_prep(&ring, fd, buf + PG, PG, PG, 0, 2);
	behave_prep(&ring, fd, buf + 2 * PG, PG, 2 * PG, 0, 3);
	behave_submit(&ring, 2);
	/* Rather one that waits than the one that is being read. */
	ck_assert_int_eq(nbread_cancel64(&ring, 0, NBREAD_CANCEL_ANY), 1);
	ck_assert_uint_eq(reaped().user_data, 2);
	behave_let_go();
}
END_TEST

START_TEST(cancel_by_file_ends_its_reads_alone)
{
	unsigned char *buf = behave_buf(4 * PG);
	int slow = behave_busy_ring(&ring, buf), fd = behave_warm_file(KB(64), 3);

	behave_prep(&ring, fd, buf + PG, PG, 0, NBREAD_SQE_ASYNC, 2);
	behave_prep(&ring, slow, buf + 2 * PG, PG, 0, 0, 3);
	behave_prep(&ring, fd, buf + 3 * PG, PG, 0, NBREAD_SQE_ASYNC, 4);
	behave_submit(&ring, 3);
	ck_assert_int_eq(nbread_cancel_fd(&ring, fd, NBREAD_CANCEL_ALL), 2);
	ck_assert_uint_eq(reaped().user_data, 2);
	ck_assert_uint_eq(reaped().user_data, 4);
	ck_assert_int_eq(nbread_cancel_fd(&ring, fd, 0), -ENOENT);
	behave_let_go();
	ck_assert_uint_eq(behave_next(&ring).user_data, 1);
	ck_assert_uint_eq(behave_next(&ring).user_data, 3);
}
END_TEST

static const struct behave_differs other_fd = {
	.what = "Cancel by another descriptor of the same open file",
	.module = "finds its reads",
	.threads =
		"-ENOENT: descriptors are compared by number; a read by a registered index is found by an index of the same slot's file alone",
	.module_value = 1,
	.threads_value = -ENOENT,
};

START_TEST(cancel_by_another_descriptor_of_the_file)
{
	unsigned char *buf = behave_buf(2 * PG);
	int fd = behave_warm_file(PG, 3);

	behave_busy_ring(&ring, buf);
	behave_prep(&ring, fd, buf + PG, PG, 0, NBREAD_SQE_ASYNC, 2);
	behave_submit(&ring, 1);
	ck_assert_int_eq(nbread_cancel_fd(&ring, dup(fd), 0), behave_value(&other_fd));
	behave_let_go();
}
END_TEST

START_TEST(cancel_by_index_ends_the_reads_of_that_file)
{
	unsigned char *buf = behave_buf(3 * PG);
	int files[2] = { behave_warm_file(KB(64), 3), -1 };

	behave_need_cancel(NBREAD_CANCEL_FIXED_FILE);
	behave_need_register(NBREAD_REGISTER_FILES);
	behave_busy_ring(&ring, buf);
	ck_assert_int_eq(nbread_register_files(&ring, files, 2), 0);
	behave_prep(&ring, 0, buf + PG, PG, 0, NBREAD_SQE_FIXED_FILE | NBREAD_SQE_ASYNC, 2);
	behave_submit(&ring, 1);
	ck_assert_int_eq(nbread_cancel_fd(&ring, 1, NBREAD_CANCEL_FIXED_FILE), -EBADF);
	ck_assert_int_eq(nbread_cancel_fd(&ring, 7, NBREAD_CANCEL_FIXED_FILE), -EBADF);
	ck_assert_int_eq(nbread_cancel_fd(&ring, 0, NBREAD_CANCEL_FIXED_FILE), 1);
	ck_assert_int_eq(reaped().res, -ECANCELED);
	behave_let_go();
}
END_TEST

START_TEST(wrong_arguments_of_cancel)
{
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_cancel64(&ring, 5, 0), -ENOENT);
	ck_assert_int_eq(nbread_cancel64(&ring, 5, NBREAD_CANCEL_ANY), -EINVAL);
	ck_assert_int_eq(nbread_cancel64(&ring, 5, 1 << 9), -EINVAL);
	ck_assert_int_eq(nbread_cancel64(&ring, 0, NBREAD_CANCEL_ANY), -ENOENT);
	ck_assert_int_eq(nbread_cancel_fd(&ring, -1, 0), -EBADF);
	ck_assert_int_eq(nbread_cancel_fd(&ring, 0, NBREAD_CANCEL_ANY), -EINVAL);
	ck_assert_int_eq(nbread_cancel_fd(&ring, 0, 0), -ENOENT);
}
END_TEST

START_TEST(a_read_that_waits_ends_at_its_deadline)
{
	unsigned char *first = behave_buf(PG), *buf = behave_buf(PG);
	uint64_t at;
	struct nbread_cqe cqe;
	int fd;

	behave_need_deadlines();
	fd = behave_busy_ring(&ring, first);
	at = nbtest_now_ns() + 50 * MS;
	behave_prep(&ring, fd, buf, PG, PG, 0, 2)->deadline_ns = at;
	behave_submit(&ring, 1);
	cqe = behave_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 2);
	ck_assert_int_eq(cqe.res, -ETIME);
	ck_assert_uint_ge(nbtest_now_ns(), at);
	behave_let_go();
	ck_assert_uint_eq(behave_next(&ring).user_data, 1);
	behave_none(&ring);
	behave_untouched(buf, PG);
}
END_TEST

START_TEST(reads_end_at_their_deadlines_in_their_order)
{
	unsigned char *buf = behave_buf(9 * PG);
	uint64_t now;
	int fd, i;

	behave_need_deadlines();
	fd = behave_busy_ring(&ring, buf);
	/* None may be over before all are submitted. */
	now = nbtest_now_ns() + 500 * MS * nbtest_slow();
	for (i = 1; i < 9; i++)
		behave_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, i * 3 % 8)->deadline_ns =
			now + (uint64_t)(i * 3 % 8 + 1) * 20 * MS;
	behave_submit(&ring, 8);
	for (i = 0; i < 8; i++) {
		struct nbread_cqe cqe = behave_next(&ring);

		ck_assert_int_eq(cqe.res, -ETIME);
		ck_assert_uint_eq(cqe.user_data, i);
	}
	behave_let_go();
}
END_TEST

START_TEST(a_deadline_that_has_passed_does_not_stop_what_is_resident)
{
	int fd = behave_warm_file(PG, 3);
	unsigned char *buf = behave_buf(PG);

	behave_need_deadlines();
	behave_ring(&ring, 8);
	behave_prep(&ring, fd, buf, PG, 0, 0, 1)->deadline_ns = 1;
	behave_submit(&ring, 1);
	ck_assert_int_eq(behave_next(&ring).res, PG);
}
END_TEST

START_TEST(the_ring_can_have_a_deadline_for_all)
{
	struct nbread_setup p = { .max_workers = 1, .timeout_ns = 50 * MS };
	unsigned char *buf = behave_buf(2 * PG);
	struct nbread_cqe cqe;
	int fd;

	behave_need_deadlines();
	fd = behave_slow_file(KB(64), 9);
	behave_ring_params(&ring, 8, &p);
	behave_hold();
	/* Not the first: whether a worker has begun with that one is another matter. */
	behave_prep(&ring, fd, buf, PG, 0, 0, 1)->deadline_ns = UINT64_MAX;
	behave_submit(&ring, 1);
	behave_held(1);
	behave_prep(&ring, fd, buf + PG, PG, PG, 0, 2);
	behave_submit(&ring, 1);
	cqe = behave_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 2);
	ck_assert_int_eq(cqe.res, -ETIME);
	behave_let_go();
	ck_assert_int_eq(behave_next(&ring).res, PG);
}
END_TEST

static const struct behave_differs begun_deadline = {
	.what = "The deadline of a read that a worker has begun",
	.module = "is not looked at; the read completes by itself",
	.threads = "ends it with -ETIME; its thread stays with the file, as for cancel",
	.module_value = PG,
	.threads_value = -ETIME,
};

START_TEST(a_read_that_a_worker_has_begun_at_its_deadline)
{
	struct nbread_setup p = { .max_workers = 1 };
	unsigned char *buf = behave_buf(2 * PG);
	struct nbread_cqe cqe;
	int fd;

	behave_need_deadlines();
	fd = behave_slow_file(KB(64), 9);
	behave_ring_params(&ring, 8, &p);
	behave_hold();
	behave_prep(&ring, fd, buf, PG, 0, 0, 1)->deadline_ns =
		nbtest_now_ns() + 1500 * MS * nbtest_slow();
	/* It is begun, or it waits no longer: this one shows the time has come. */
	behave_prep(&ring, fd, buf + PG, PG, PG, 0, 2)->deadline_ns =
		nbtest_now_ns() + 1600 * MS * nbtest_slow();
	behave_submit(&ring, 2);
	behave_held(1);
	cqe = behave_next(&ring);
	if (behave_threads()) {
		ck_assert_uint_eq(cqe.user_data, 1);
		ck_assert_int_eq(cqe.res, behave_value(&begun_deadline));
		cqe = behave_next(&ring);
	}
	ck_assert_uint_eq(cqe.user_data, 2);
	ck_assert_int_eq(cqe.res, -ETIME);
	behave_let_go();
	if (!behave_threads()) {
		cqe = behave_next(&ring);
		ck_assert_uint_eq(cqe.user_data, 1);
		ck_assert_int_eq(cqe.res, behave_value(&begun_deadline));
	}
	behave_none(&ring);
}
END_TEST

Suite *check_cancel_suite(void)
{
	Suite *s = behave_promise(
		"cancel", "4. Cancel and deadlines end a read at once, and leave its buffer alone");

	behave_add(s, a_read_that_waits_for_a_worker_is_cancelled_at_once);
	behave_add_differs(s, cancel_of_a_read_that_a_worker_has_begun, &begun);
	behave_add(s, cancel_ends_the_oldest_that_matches_or_all);
	behave_add(s, cancel_of_any_takes_the_oldest_that_waits);
	behave_add(s, cancel_by_file_ends_its_reads_alone);
	behave_add_differs(s, cancel_by_another_descriptor_of_the_file, &other_fd);
	behave_add(s, cancel_by_index_ends_the_reads_of_that_file);
	behave_add(s, wrong_arguments_of_cancel);
	behave_add(s, a_read_that_waits_ends_at_its_deadline);
	behave_add(s, reads_end_at_their_deadlines_in_their_order);
	behave_add(s, a_deadline_that_has_passed_does_not_stop_what_is_resident);
	behave_add(s, the_ring_can_have_a_deadline_for_all);
	behave_add_differs(s, a_read_that_a_worker_has_begun_at_its_deadline, &begun_deadline);
	return s;
}
