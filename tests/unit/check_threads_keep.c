// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a ring of the portable backend keeps beyond a call: registered files and buffers
 * that are replaced while a read is held, and descriptors that run out.
 */
#include <unistd.h>
#include "thr.h"

static int files[4];

static struct nbread_sqe *read_of(unsigned index, size_t off, uint64_t user_data)
{
	struct nbread_sqe *sqe = thr_async(PG, off, user_data);

	sqe->flags |= NBREAD_SQE_FIXED_FILE;
	sqe->fd = (int)index;
	return sqe;
}

/* One thread, which stands with read 1 of file 0; read 2 of it waits. */
static void hold_file(void)
{
	thr_start(8, 1);
	files[0] = thr_file.fd;
	files[1] = thr_other.fd;
	ck_assert_int_eq(nbread_register_files(&thr_ring, files, 2), 0);
	fake_hold(FAKE_READ);
	read_of(0, 0, 1);
	read_of(0, PG, 2);
	thr_submit(2);
	fake_wait_held(FAKE_READ, 1);
}

static void replace(void)
{
	ck_assert_int_eq(nbread_register_files_update(&thr_ring, 0, &thr_other.fd, 1), 1);
}

static void empty(void)
{
	int none = -1;

	ck_assert_int_eq(nbread_register_files_update(&thr_ring, 0, &none, 1), 1);
}

static void unregister(void)
{
	ck_assert_int_eq(nbread_unregister_files(&thr_ring), 0);
}

static const struct {
	const char *name;
	void (*change)(void);
	int fewer; /* descriptors, when the reads have ended */
} changes[] = {
	{ "a_file_that_is_replaced_is_read_by_those_that_began_with_it", replace, 0 },
	{ "a_file_whose_slot_is_emptied_is_read_by_those_that_began_with_it", empty, 1 },
	{ "files_that_are_unregistered_are_read_by_those_that_began_with_them", unregister, 2 },
};

START_TEST(change_of_a_file)
{
	unsigned fds;

	hold_file();
	fds = nbtest_open_fds();
	changes[_i].change();
	/* The old descriptor is there as long as a read needs it. */
	ck_assert_uint_eq(nbtest_open_fds(), fds - (unsigned)changes[_i].fewer + 1);
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_ends(2, PG);
	thr_settled(1);
	thr_right(2 * PG, 0);
	ck_assert_uint_eq(nbtest_open_fds(), fds - (unsigned)changes[_i].fewer);
	thr_end();
}
END_TEST

START_TEST(an_update_without_an_array_is_efault)
{
	thr_start(8, 1);
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_file.fd, 1), 0);
	ck_assert_int_eq(nbread_register_files_update(&thr_ring, 0, NULL, 1), -EFAULT);
	thr_end();
}
END_TEST

START_TEST(cancel_by_index_does_not_mean_the_file_that_was_there_before)
{
	hold_file();
	replace();
	ck_assert_int_eq(nbread_cancel_file_index(&thr_ring, 0, NBREAD_CANCEL_ALL), -ENOENT);
	read_of(0, 2 * PG, 3);
	thr_submit(1);
	ck_assert_int_eq(nbread_cancel_file_index(&thr_ring, 0, NBREAD_CANCEL_ALL), 1);
	thr_posted(3, -ECANCELED);
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_ends(2, PG);
	thr_end();
}
END_TEST

START_TEST(cancelled_reads_let_go_of_their_file)
{
	unsigned fds;

	hold_file();
	fds = nbtest_open_fds();
	unregister();
	ck_assert_int_eq(nbread_cancel64(&thr_ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL), 2);
	thr_posted(1, -ECANCELED);
	thr_posted(2, -ECANCELED);
	/* The thread has not. */
	ck_assert_uint_eq(nbtest_open_fds(), fds - 1);
	fake_let_go(FAKE_READ);
	thr_settled(1);
	ck_assert_uint_eq(nbtest_open_fds(), fds - 2);
	thr_end();
}
END_TEST

START_TEST(a_read_that_no_thread_can_be_made_for_lets_go_of_its_file)
{
	unsigned fds;

	thr_start(8, 1);
	fds = nbtest_open_fds();
	ck_assert_int_eq(nbread_register_files(&thr_ring, &thr_file.fd, 1), 0);
	fake.thread_error = EAGAIN;
	read_of(0, 0, 1);
	thr_submit(1);
	thr_posted(1, -ENOMEM);
	fake.thread_error = 0;
	/* Nobody watches a deadline, as little. */
	fake.thread_steps[2] = EAGAIN;
	read_of(0, 0, 2)->deadline_ns = fake.now_ns + SEC;
	thr_submit(1);
	thr_posted(2, -ENOMEM);
	unregister();
	ck_assert_uint_eq(nbtest_open_fds(), fds);
	thr_settled(1);
	thr_end();
}
END_TEST

START_TEST(a_table_for_which_descriptors_run_out_is_not_registered)
{
	unsigned fds, nth, i;

	thr_start(8, 1);
	for (i = 0; i < 4; i++)
		files[i] = i % 2 ? thr_other.fd : thr_file.fd;
	fds = nbtest_open_fds();
	for (nth = 1; nth <= 4; nth++) {
		fake.fail_dup = nth;
		ck_assert_int_eq(nbread_register_files(&thr_ring, files, 4), -EMFILE);
		ck_assert_uint_eq(nbtest_open_fds(), fds);
		ck_assert_int_eq(nbread_unregister_files(&thr_ring), -ENXIO);
	}
	ck_assert_int_eq(nbread_register_files(&thr_ring, files, 4), 0);
	ck_assert_uint_eq(nbtest_open_fds(), fds + 4);
	thr_end();
}
END_TEST

START_TEST(a_table_for_which_memory_runs_out_is_not_registered)
{
	unsigned fds, nth;
	int ret;

	thr_start(8, 1);
	files[0] = files[1] = thr_file.fd;
	fds = nbtest_open_fds();
	for (nth = 1;; nth++) {
		fake_fail_alloc(nth);
		ret = nbread_register_files(&thr_ring, files, 2);
		if (!fake_alloc_failed())
			break;
		ck_assert_int_eq(ret, -ENOMEM);
		ck_assert_uint_eq(nbtest_open_fds(), fds);
	}
	ck_assert_int_eq(ret, 0);
	/* The table, and each of its files. */
	ck_assert_uint_eq(nth, 4);
	thr_end();
}
END_TEST

START_TEST(an_update_that_runs_out_of_descriptors_says_how_far_it_came)
{
	int news[3];
	unsigned i;

	thr_start(8, 1);
	for (i = 0; i < 4; i++)
		files[i] = thr_file.fd;
	for (i = 0; i < 3; i++)
		news[i] = thr_other.fd;
	ck_assert_int_eq(nbread_register_files(&thr_ring, files, 4), 0);
	fake.fail_dup = 3;
	ck_assert_int_eq(nbread_register_files_update(&thr_ring, 1, news, 3), 2);
	for (i = 0; i < 4; i++)
		read_of(i, i * PG, i);
	thr_submit(4);
	for (i = 0; i < 4; i++)
		thr_ends(i, PG);
	thr_right(PG, 0);
	nbtest_check_bytes(thr_buf + PG, 2 * PG, PG, thr_other.id, 1);
	/* The slot that it stopped at is as it was. */
	thr_right(PG, 3 * PG);
	fake.fail_dup = 1;
	ck_assert_int_eq(nbread_register_files_update(&thr_ring, 0, news, 1), -EMFILE);
	thr_end();
}
END_TEST

START_TEST(a_buffer_that_is_replaced_is_still_where_its_reads_go)
{
	struct iovec old = { thr_buf, PG }, new = { thr_buf + KB(64), PG };
	unsigned i;

	thr_start(8, 1);
	ck_assert_int_eq(nbread_register_buffers(&thr_ring, &old, 1), 0);
	fake_hold(FAKE_READ);
	for (i = 0; i < 2; i++) {
		struct nbread_sqe *sqe = nbread_get_sqe(&thr_ring);

		nbread_prep_read_fixed(sqe, thr_file.fd, thr_buf + i * 2048, 2048, i * 2048, 0);
		sqe->flags = NBREAD_SQE_ASYNC;
		nbread_sqe_set_data64(sqe, i);
	}
	thr_submit(2);
	fake_wait_held(FAKE_READ, 1);
	/* One read has begun, one waits. */
	ck_assert_int_eq(nbread_register_buffers_update(&thr_ring, 0, &new, 1), 1);
	ck_assert_int_eq(nbread_unregister_buffers(&thr_ring), 0);
	fake_let_go(FAKE_READ);
	thr_ends(0, 2048);
	thr_ends(1, 2048);
	thr_right(PG, 0);
	thr_untouched(PG, KB(64));
	thr_end();
}
END_TEST

START_TEST(an_eventfd_for_which_there_is_no_descriptor_is_not_registered)
{
	thr_start(8, 1);
	fake.fail_dup = 1;
	/* Any will do: the ring's own is one too. */
	ck_assert_int_eq(nbread_register_eventfd(&thr_ring, nbread_ring_fd(&thr_ring)), -EMFILE);
	ck_assert_int_eq(nbread_unregister_eventfd(&thr_ring), -ENXIO);
	thr_end();
}
END_TEST

Suite *check_threads_keep_suite(void)
{
	Suite *s = suite_create("threads_keep");

	nbtest_add_table(s, change_of_a_file, changes);
	nbtest_add(s, an_update_without_an_array_is_efault);
	nbtest_add(s, cancel_by_index_does_not_mean_the_file_that_was_there_before);
	nbtest_add(s, cancelled_reads_let_go_of_their_file);
	nbtest_add(s, a_read_that_no_thread_can_be_made_for_lets_go_of_its_file);
	nbtest_add(s, a_table_for_which_descriptors_run_out_is_not_registered);
	nbtest_add(s, a_table_for_which_memory_runs_out_is_not_registered);
	nbtest_add(s, an_update_that_runs_out_of_descriptors_says_how_far_it_came);
	nbtest_add(s, a_buffer_that_is_replaced_is_still_where_its_reads_go);
	nbtest_add(s, an_eventfd_for_which_there_is_no_descriptor_is_not_registered);
	return s;
}
