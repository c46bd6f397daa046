// SPDX-License-Identifier: GPL-2.0-only
/*
 * Setting up a ring of the portable backend where something runs out, or is forbidden.
 */
#include "thr.h"

static struct nbread ring;

static const struct {
	const char *name;
	unsigned *nth;
	unsigned value;
	int want;
} lacks[] = {
	{ "setup_without_memory_for_its_owner_is_enomem", &fake.fail_memory, 1, -ENOMEM },
	{ "setup_without_memory_for_the_rings_is_enomem", &fake.fail_memory, 2, -ENOMEM },
	{ "setup_without_memory_for_the_arena_is_enomem", &fake.fail_memory, 3, -ENOMEM },
	{ "setup_without_an_eventfd_for_the_ring_is_emfile", &fake.fail_eventfd, 1, -EMFILE },
	{ "setup_without_an_eventfd_to_wait_with_is_emfile", &fake.fail_eventfd, 2, -EMFILE },
};

static void assert_no_ring(unsigned fds)
{
	ck_assert_int_eq(ring.ring_fd, -1);
	ck_assert_uint_eq(fake.portable_maps, 0);
	ck_assert_uint_eq(nbtest_open_fds(), fds);
	nbread_queue_exit(&ring); /* harmless */
	ck_assert_uint_eq(nbtest_open_fds(), fds);
}

START_TEST(setup_that_lacks_something)
{
	unsigned fds = nbtest_open_fds();

	setenv("NBREAD_BACKEND", "threads", 1);
	*lacks[_i].nth = lacks[_i].value;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), lacks[_i].want);
	assert_no_ring(fds);
	/* And now there is. */
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), 0);
	nbread_queue_exit(&ring);
	assert_no_ring(fds);
}
END_TEST

static const struct {
	const char *name;
	int *error, value;
} errors[] = {
	{ "setup_without_a_memfd_is_told", &fake.memfd_error, -ENOMEM },
	{ "setup_where_fork_cannot_be_told_is_told", &fake.wipe_error, -EINVAL },
};

START_TEST(setup_error)
{
	unsigned fds = nbtest_open_fds();

	setenv("NBREAD_BACKEND", "threads", 1);
	*errors[_i].error = errors[_i].value;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), errors[_i].value);
	assert_no_ring(fds);
}
END_TEST

static const struct {
	const char *name;
	int error, of_empty;
} no_file[] = {
	{ "under_a_limit_of_file_sizes", -EFBIG, 0 },
	{ "where_memfd_create_is_filtered_out", -EPERM, 0 },
	{ "where_there_is_no_memfd_create", -ENOSYS, 0 },
	{ "under_a_limit_and_a_filter", -EFBIG, -EACCES },
};

START_TEST(setup_where_nothing_can_copy_says_why)
{
	unsigned fds = nbtest_open_fds();

	setenv("NBREAD_BACKEND", "threads", 1);
	fake.copy_error = -EACCES;
	for (unsigned i = 0; i < 4; i++) {
		int why = no_file[i].of_empty ? no_file[i].of_empty : no_file[i].error;

		fake.memfd_error = no_file[i].error;
		fake.empty_memfd_error = no_file[i].of_empty;
		ck_assert_int_eq(nbread_queue_init(8, &ring, 0), why);
		assert_no_ring(fds);
	}
	/* And where there is nothing to look at vectors with. */
	fake.copy_error = 0;
	fake.null_error = -ENODEV;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -EACCES);
	fake.null_error = -EMFILE;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -EMFILE);
	fake.empty_memfd_error = -ENFILE;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -ENFILE);
	assert_no_ring(fds);
}
END_TEST

START_TEST(reads_are_copied_without_a_file)
{
	struct iovec iov[3] = { { thr_buf, 100 },
				{ thr_buf + 100, THR_CHUNK },
				{ thr_buf + 100 + THR_CHUNK, PG } };
	struct nbread_sqe *sqe;

	fake.memfd_error = no_file[_i].error;
	fake.empty_memfd_error = no_file[_i].of_empty;
	thr_start(8, 2);
	thr_async(2 * THR_CHUNK + PG, 0, 1);
	thr_submit(1);
	thr_ends(1, 2 * THR_CHUNK + PG);
	thr_right(2 * THR_CHUNK + PG, 0);
	memset(thr_buf, THR_POISON, sizeof(thr_buf));
	sqe = nbread_get_sqe(&thr_ring);
	nbread_prep_readv(sqe, thr_file.fd, iov, 3, 0);
	nbread_sqe_set_data64(sqe, 2);
	sqe->flags = NBREAD_SQE_ASYNC;
	thr_submit(1);
	thr_ends(2, 100 + THR_CHUNK + PG);
	thr_right(100 + THR_CHUNK + PG, 0);
	/* An array of vectors that is not there, and a wrong address. */
	sqe = nbread_get_sqe(&thr_ring);
	nbread_prep_readv(sqe, thr_file.fd, (struct iovec *)8, 2, 0);
	nbread_sqe_set_data64(sqe, 3);
	sqe->flags = NBREAD_SQE_ASYNC;
	thr_submit(1);
	thr_posted(3, -EFAULT);
	thr_async(PG, 0, 4)->addr = 8;
	thr_submit(1);
	thr_ends(4, -EFAULT);
	ck_assert_uint_ge(fake.own_copies, 6);
	ck_assert_uint_eq(fake.copies, 0);
	thr_settled(1);
	thr_end();
}
END_TEST

START_TEST(setup_is_enomem_whichever_allocation_fails)
{
	unsigned fds = nbtest_open_fds(), nth;
	int ret;

	setenv("NBREAD_BACKEND", "threads", 1);
	for (nth = 1;; nth++) {
		fake_fail_alloc(nth);
		ret = nbread_queue_init(8, &ring, 0);
		if (!fake_alloc_failed())
			break;
		ck_assert_int_eq(ret, -ENOMEM);
		assert_no_ring(fds);
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_gt(nth, 2);
	nbread_queue_exit(&ring);
	assert_no_ring(fds);
}
END_TEST

Suite *check_threads_setup_suite(void)
{
	Suite *s = suite_create("threads_setup");

	nbtest_add_table(s, setup_that_lacks_something, lacks);
	nbtest_add_table(s, setup_error, errors);
	nbtest_add(s, setup_where_nothing_can_copy_says_why);
	nbtest_add_table(s, reads_are_copied_without_a_file, no_file);
	nbtest_add(s, setup_is_enomem_whichever_allocation_fails);
	return s;
}
