// SPDX-License-Identifier: GPL-2.0-only
/*
 * What CANCEL says and does: which reads match, in which order, how often, and
 * that a cancelled read is over for good.
 */
#include "device.h"

struct held {
	const struct dev_fs *fs;
	struct nbread ring;
	unsigned char *buf;
	int fd;
};

/* Parked reads with these user_data, each of a page of its own */
static void hold(struct held *h, const uint64_t *user_data, int n)
{
	h->fs = dev_fs(DEV_EXT4);
	h->fd = dev_cold_file(h->fs, MB(1), 10);
	h->buf = dev_buf(MB(1));
	ck_assert_int_eq(posix_fadvise(h->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&h->ring, 8);
	dev_hold(h->fs);
	for (int i = 0; i < n; i++)
		dev_prep(&h->ring, h->fd, h->buf + i * 2 * PG, PG, i * 2 * PG, 0, user_data[i]);
	dev_submit(&h->ring, n);
	dev_check_none(&h->ring);
}

/* The rest completes, in any order. */
static void let_go(struct held *h, int left)
{
	dev_release(h->fs);
	for (int i = 0; i < left; i++) {
		struct nbread_cqe cqe = dev_next(&h->ring);

		ck_assert_int_eq(cqe.res, PG);
	}
	dev_check_none(&h->ring);
	nbread_queue_exit(&h->ring);
	close(h->fd);
}

static void check_ecanceled(struct nbread *ring, uint64_t user_data)
{
	struct nbread_cqe cqe;

	/* It is there when CANCEL returns. */
	ck_assert_uint_ge(nbread_cq_ready(ring), 1);
	cqe = dev_next(ring);
	ck_assert_uint_eq(cqe.user_data, user_data);
	ck_assert_int_eq(cqe.res, -ECANCELED);
}

START_TEST(cancel_of_nothing_is_enoent)
{
	struct nbread ring;
	int fd = dev_file(dev_fs(DEV_EXT4), PG, 10);
	unsigned char *buf = dev_buf(PG);

	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_cancel64(&ring, 0, 0), -ENOENT);
	ck_assert_int_eq(nbread_cancel64(&ring, 1, NBREAD_CANCEL_ALL), -ENOENT);
	ck_assert_int_eq(nbread_cancel64(&ring, 0, NBREAD_CANCEL_ANY), -ENOENT);
	ck_assert_int_eq(nbread_cancel64(&ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL), -ENOENT);
	ck_assert_int_eq(nbread_cancel_fd(&ring, fd, 0), -ENOENT);
	ck_assert_int_eq(nbread_cancel_fd(&ring, fd, NBREAD_CANCEL_ALL), -ENOENT);
	/* A read that is complete, reaped or not, is no longer there; nor is one not submitted. */
	dev_prep(&ring, fd, buf, PG, 0, 0, 7);
	ck_assert_int_eq(nbread_cancel64(&ring, 7, 0), -ENOENT);
	dev_submit(&ring, 1);
	ck_assert_int_eq(nbread_cancel64(&ring, 7, 0), -ENOENT);
	ck_assert_int_eq(nbread_cancel_fd(&ring, fd, 0), -ENOENT);
	ck_assert_int_eq(dev_next(&ring).res, PG);
	ck_assert_int_eq(nbread_cancel64(&ring, 7, 0), -ENOENT);
	dev_check_none(&ring);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(cancel_finds_its_read_by_user_data_and_no_other)
{
	static const uint64_t data[] = { 1, 2, 0xffffffffffffffff, 0x100000001, 0 };
	struct held h;

	hold(&h, data, 5);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 3, 0), -ENOENT);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 0xffffffff, 0), -ENOENT);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 0x100000001, 0), 1);
	check_ecanceled(&h.ring, 0x100000001);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 0xffffffffffffffff, 0), 1);
	check_ecanceled(&h.ring, 0xffffffffffffffff);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 0, 0), 1);
	check_ecanceled(&h.ring, 0);
	dev_check_none(&h.ring);
	let_go(&h, 2);
	dev_check(h.buf, PG, 0, 10);
	dev_check(h.buf + 2 * PG, PG, 2 * PG, 10);
	/* The cancelled ones' buffers were not touched, by the wake-up neither. */
	dev_check_same(h.buf + 4 * PG, 6 * PG, 0xa5);
}
END_TEST

START_TEST(a_second_cancel_of_the_same_read_is_enoent)
{
	static const uint64_t data[] = { 1, 2 };
	struct held h;

	hold(&h, data, 2);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 1, 0), 1);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 1, 0), -ENOENT);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 1, NBREAD_CANCEL_ALL), -ENOENT);
	ck_assert_uint_eq(nbread_cq_ready(&h.ring), 1);
	check_ecanceled(&h.ring, 1);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 1, 0), -ENOENT);
	let_go(&h, 1);
}
END_TEST

START_TEST(without_all_the_oldest_match_alone_is_cancelled)
{
	static const uint64_t data[] = { 5, 9, 5, 5 };
	struct held h;

	hold(&h, data, 4);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 5, 0), 1);
	check_ecanceled(&h.ring, 5);
	dev_check_none(&h.ring);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 0, NBREAD_CANCEL_ANY), 1);
	/* The first is gone, so this is the second. */
	check_ecanceled(&h.ring, 9);
	dev_check_none(&h.ring);
	let_go(&h, 2);
	dev_check_same(h.buf, 4 * PG, 0xa5);
	dev_check(h.buf + 4 * PG, PG, 4 * PG, 10);
	dev_check(h.buf + 6 * PG, PG, 6 * PG, 10);
}
END_TEST

START_TEST(with_all_every_match_is_cancelled)
{
	static const uint64_t data[] = { 5, 9, 5, 5, 9 };
	struct held h;

	hold(&h, data, 5);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 5, NBREAD_CANCEL_ALL), 3);
	for (int i = 0; i < 3; i++)
		check_ecanceled(&h.ring, 5);
	dev_check_none(&h.ring);
	let_go(&h, 2);
}
END_TEST

START_TEST(cancel_by_file_means_the_open_file)
{
	static const uint64_t data[] = { 1, 2, 3 };
	int twin, other;
	struct held h;

	hold(&h, data, 3);
	twin = dup(h.fd);
	other = dev_reopen(h.fd, O_RDONLY);
	ck_assert_int_eq(nbread_cancel_fd(&h.ring, other, NBREAD_CANCEL_ALL), -ENOENT);
	ck_assert_int_eq(nbread_cancel_fd(&h.ring, twin, 0), 1);
	check_ecanceled(&h.ring, 1);
	close(h.fd);
	ck_assert_int_eq(nbread_cancel_fd(&h.ring, h.fd, 0), -EBADF);
	ck_assert_int_eq(nbread_cancel_fd(&h.ring, twin, NBREAD_CANCEL_ALL), 2);
	check_ecanceled(&h.ring, 2);
	check_ecanceled(&h.ring, 3);
	h.fd = twin;
	let_go(&h, 0);
	dev_check_same(h.buf, MB(1), 0xa5);
}
END_TEST

START_TEST(cancel_by_index_means_the_file_that_is_registered_there)
{
	static const uint64_t data[] = { 1, 2, 3 };
	struct held h;
	int files[3];

	hold(&h, data, 3);
	ck_assert_int_eq(nbread_cancel_file_index(&h.ring, 0, 0), -EBADF);
	files[0] = dev_reopen(h.fd, O_RDONLY);
	files[1] = h.fd;
	files[2] = -1;
	ck_assert_int_eq(nbread_register_files(&h.ring, files, 3), 0);
	ck_assert_int_eq(nbread_cancel_file_index(&h.ring, 2, 0), -EBADF);
	ck_assert_int_eq(nbread_cancel_file_index(&h.ring, 3, 0), -EBADF);
	ck_assert_int_eq(nbread_cancel_file_index(&h.ring, UINT32_MAX, 0), -EBADF);
	ck_assert_int_eq(nbread_cancel_file_index(&h.ring, 0, NBREAD_CANCEL_ALL), -ENOENT);
	/* The oldest one of this open file, by whatever name it was read. */
	ck_assert_int_eq(nbread_cancel_file_index(&h.ring, 1, 0), 1);
	check_ecanceled(&h.ring, 1);
	dev_prep(&h.ring, 1, h.buf + 6 * PG, PG, 6 * PG, NBREAD_SQE_FIXED_FILE, 4);
	dev_prep(&h.ring, 0, h.buf + 8 * PG, PG, 8 * PG, NBREAD_SQE_FIXED_FILE, 5);
	dev_submit(&h.ring, 2);
	close(h.fd);
	ck_assert_int_eq(nbread_cancel_file_index(&h.ring, 1, NBREAD_CANCEL_ALL), 3);
	check_ecanceled(&h.ring, 2);
	check_ecanceled(&h.ring, 3);
	check_ecanceled(&h.ring, 4);
	dev_check_none(&h.ring);
	h.fd = files[0];
	let_go(&h, 1);
	dev_check_same(h.buf, 8 * PG, 0xa5);
	dev_check(h.buf + 8 * PG, PG, 8 * PG, 10);
}
END_TEST

START_TEST(cancel_of_a_read_that_is_ready_but_did_not_run_ends_it)
{
	static const uint64_t data[] = { 1, 2 };
	struct nbread_cqe cqe;
	struct held h;
	int ret;

	hold(&h, data, 2);
	dev_release(h.fs);
	dev_await(nbtest_page_resident(h.fd, 0) && dev_readable(&h.ring));
	ret = nbread_cancel64(&h.ring, 1, 0);
	ck_assert_int_eq(ret, 1);
	check_ecanceled(&h.ring, 1);
	cqe = dev_next(&h.ring);
	ck_assert_uint_eq(cqe.user_data, 2);
	ck_assert_int_eq(cqe.res, PG);
	dev_check_same(h.buf, 2 * PG, 0xa5);
	dev_check_none(&h.ring);
	nbread_queue_exit(&h.ring);
}
END_TEST

START_TEST(a_cancelled_read_can_be_asked_for_again)
{
	static const uint64_t data[] = { 1 };
	struct held h;

	hold(&h, data, 1);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(nbread_cancel64(&h.ring, 1, 0), 1);
		check_ecanceled(&h.ring, 1);
		dev_prep(&h.ring, h.fd, h.buf, PG, 0, 0, 1);
		dev_submit(&h.ring, 1);
		dev_check_none(&h.ring);
	}
	/* A hundred waiters sit on one page, of which one has a read. */
	let_go(&h, 1);
	dev_check(h.buf, PG, 0, 10);
}
END_TEST

Suite *check_cancel_suite(void)
{
	Suite *s = suite_create("cancel");

	nbtest_add(s, cancel_of_nothing_is_enoent);
	nbtest_add(s, cancel_finds_its_read_by_user_data_and_no_other);
	nbtest_add(s, a_second_cancel_of_the_same_read_is_enoent);
	nbtest_add(s, without_all_the_oldest_match_alone_is_cancelled);
	nbtest_add(s, with_all_every_match_is_cancelled);
	nbtest_add(s, cancel_by_file_means_the_open_file);
	nbtest_add(s, cancel_by_index_means_the_file_that_is_registered_there);
	nbtest_add(s, cancel_of_a_read_that_is_ready_but_did_not_run_ends_it);
	nbtest_add(s, a_cancelled_read_can_be_asked_for_again);
	return s;
}
