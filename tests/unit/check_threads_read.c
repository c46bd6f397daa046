// SPDX-License-Identifier: GPL-2.0-only
/*
 * The portable backend's blocking reads: short counts and errors part-way, -EAGAIN that
 * should not be, vectors that are cut anywhere, copies that fail, and what signals see.
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "thr.h"

/* Of a read of PG bytes at KB(8). */
static const struct {
	const char *name;
	long steps[10];
	int res;
	unsigned reads;
} faults[] = {
	{ "a_read_that_comes_in_pieces_is_put_together", { 1000, 1, 2000 }, PG, 4 },
	{ "an_error_at_once_is_told", { -EIO }, -EIO, 1 },
	{ "an_interrupted_read_is_asked_again", { -EINTR }, PG, 2 },
	{ "a_read_that_is_interrupted_for_ever_is_eintr",
	  { -EINTR, -EINTR, -EINTR, -EINTR, -EINTR, -EINTR, -EINTR, -EINTR },
	  -EINTR,
	  8 },
	{ "an_error_part_way_tells_the_bytes_before_it", { 1000, -EIO }, 1000, 2 },
	{ "an_interruption_part_way_is_asked_again", { 1000, 5, -EINTR }, PG, 4 },
	{ "the_end_of_the_file_part_way_ends_the_read", { 1000, FAKE_EOF }, 1000, 2 },
	{ "the_end_of_the_file_at_once_is_no_error", { FAKE_EOF }, 0, 1 },
	{ "a_blocking_read_that_says_eagain_is_asked_again", { -EAGAIN, -EAGAIN }, PG, 3 },
	{ "a_blocking_read_that_says_eagain_for_ever_is_eio",
	  { -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN },
	  -EIO,
	  8 },
	{ "eagain_part_way_is_asked_again", { 1000, -EAGAIN, 1000, -EAGAIN }, PG, 5 },
	{ "eagain_for_ever_part_way_tells_the_bytes_before_it",
	  { 1000, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN },
	  1000,
	  9 },
};

START_TEST(one_read)
{
	struct nbread_cqe cqe;
	size_t good = faults[_i].res > 0 ? (size_t)faults[_i].res : 0;

	thr_start(8, 1);
	memcpy(fake.blocking_steps, faults[_i].steps, sizeof(faults[_i].steps));
	thr_async(PG, KB(8), 7);
	thr_submit(1);
	cqe = thr_next();
	ck_assert_uint_eq(cqe.user_data, 7);
	ck_assert_int_eq(cqe.res, faults[_i].res);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	thr_settled(1);
	ck_assert_uint_eq(fake.blocking_reads, faults[_i].reads);
	thr_right(good, KB(8));
	thr_untouched(KB(8) - good, KB(8) + good);
	thr_end();
}
END_TEST

START_TEST(a_fault_of_one_read_is_none_of_the_next)
{
	thr_start(8, 1);
	fake.blocking_steps[0] = 100;
	fake.blocking_steps[1] = -EIO;
	thr_async(PG, 0, 1);
	thr_async(PG, PG, 2);
	thr_submit(2);
	thr_ends(1, 100);
	thr_ends(2, PG);
	thr_right(PG, PG);
	thr_end();
}
END_TEST

START_TEST(a_large_read_is_done_in_pieces_and_goes_on_where_it_was)
{
	static const __u64 offs[] = { KB(4), KB(260), KB(260) + 1000, KB(516) + 1000 };
	unsigned i;

	thr_start(8, 1);
	fake.blocking_steps[1] = 1000;
	thr_async(2 * THR_CHUNK + 5000, KB(4), 1);
	thr_submit(1);
	thr_ends(1, 2 * THR_CHUNK + 5000);
	ck_assert_uint_eq(fake.blocking_reads, NBTEST_ARRAY_SIZE(offs));
	for (i = 0; i < NBTEST_ARRAY_SIZE(offs); i++)
		ck_assert_uint_eq(fake.blocking_offs[i], offs[i]);
	thr_right(2 * THR_CHUNK + 5000, KB(4));
	thr_untouched(KB(4), 0);
	thr_untouched(PG, KB(4) + 2 * THR_CHUNK + 5000);
	thr_end();
}
END_TEST

static const struct {
	const char *name;
	size_t len;
	long copies[3];
	int res;
} copies[] = {
	{ "a_copy_that_fails_is_efault", PG, { -EFAULT }, -EFAULT },
	{ "a_copy_of_a_part_gives_that_part", PG, { 100 }, 100 },
	{ "a_copy_that_fails_later_gives_the_pieces_before_it",
	  THR_CHUNK + PG,
	  { 0, -EFAULT },
	  THR_CHUNK },
	{ "a_copy_of_a_part_later_gives_all_up_to_there", THR_CHUNK + PG, { 0, 7 }, THR_CHUNK + 7 },
};

START_TEST(copy_to_the_program)
{
	thr_start(8, 1);
	memcpy(fake.copy_steps, copies[_i].copies, sizeof(copies[_i].copies));
	thr_async(copies[_i].len, 0, 1);
	thr_submit(1);
	thr_ends(1, copies[_i].res);
	thr_settled(1);
	/* Nothing is read after a copy that failed. */
	ck_assert_uint_eq(fake.blocking_reads, copies[_i].len > THR_CHUNK ? 2 : 1);
	thr_end();
}
END_TEST

/* Vectors of odd sizes, some of none, apart from each other in thr_buf. */
static const size_t sizes[] = { 0, 1, 4095, 0, 10000, 3, 0, 0, 300, 7000, 0, 2 };
#define VECTORS NBTEST_ARRAY_SIZE(sizes)
#define GAP 64

static struct iovec iov[VECTORS];

static size_t make_vectors(void)
{
	size_t at = GAP, all = 0, i;

	for (i = 0; i < VECTORS; i++) {
		iov[i] = (struct iovec){ thr_buf + at, sizes[i] };
		at += sizes[i] + GAP;
		all += sizes[i];
	}
	return all;
}

/* The first @n bytes came, in their order, and no other one. */
static void assert_scattered(size_t n, size_t off)
{
	size_t at = 0, i, here;

	for (i = 0; i < VECTORS; i++) {
		thr_untouched(GAP, at);
		at += GAP;
		here = n < sizes[i] ? n : sizes[i];
		nbtest_check_bytes(thr_buf + at, here, off, thr_file.id, 1);
		thr_untouched(sizes[i] - here, at + here);
		at += sizes[i];
		off += here;
		n -= here;
	}
	thr_untouched(GAP, at);
}

static const struct {
	const char *name;
	long steps[6], copies[6];
	int res; /* 0: all */
} scattered[] = {
	{ "vectors_are_filled_by_one_read", { 0 }, { 0 }, 0 },
	{ "vectors_are_filled_by_pieces_that_end_within_them", { 50, 700, 8000, 1 }, { 0 }, 0 },
	{ "vectors_are_filled_by_pieces_that_end_between_them",
	  { 1, 4095, 10000, 3, 300 },
	  { 0 },
	  0 },
	{ "vectors_are_filled_byte_by_byte", { 1, 1, 1, 1, 1, 1 }, { 0 }, 0 },
	{ "vectors_keep_what_came_before_an_error", { 50, 5000, -EIO }, { 0 }, 5050 },
	{ "vectors_keep_what_came_before_the_end", { 4096, FAKE_EOF }, { 0 }, 4096 },
	{ "vectors_keep_what_could_be_copied", { 50, 5000 }, { 0, 4100 }, 4150 },
};

START_TEST(read_of_vectors)
{
	struct nbread_sqe *sqe;
	size_t all;

	thr_start(8, 1);
	all = make_vectors();
	memcpy(fake.blocking_steps, scattered[_i].steps, sizeof(scattered[_i].steps));
	memcpy(fake.copy_steps, scattered[_i].copies, sizeof(scattered[_i].copies));
	sqe = nbread_get_sqe(&thr_ring);
	nbread_prep_readv(sqe, thr_file.fd, iov, VECTORS, 12345);
	sqe->flags = NBREAD_SQE_ASYNC;
	thr_submit(1);
	/* The array is the program's again when the call returns. */
	memset(iov, 0, sizeof(iov));
	if (scattered[_i].res)
		all = (size_t)scattered[_i].res;
	thr_ends(0, (int)all);
	assert_scattered(all, 12345);
	thr_settled(1);
	thr_end();
}
END_TEST

START_TEST(vectors_of_which_a_try_filled_some_are_read_anew)
{
	struct nbread_sqe *sqe;
	size_t all;

	thr_start(8, 1);
	all = make_vectors();
	fake.nowait_steps[0] = 5000;
	fake.nowait_steps[1] = -EAGAIN;
	sqe = nbread_get_sqe(&thr_ring);
	nbread_prep_readv(sqe, thr_file.fd, iov, VECTORS, 12345);
	thr_submit(1);
	thr_ends(0, (int)all);
	ck_assert_uint_eq(fake.blocking_offs[0], 12345);
	assert_scattered(all, 12345);
	thr_end();
}
END_TEST

START_TEST(a_descriptor_that_is_another_file_after_the_read_is_ebadf)
{
	thr_start(8, 1);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 1);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	/* It has bytes of the file that was meant; whose they are it cannot know any more. */
	ck_assert_int_eq(dup2(thr_other.fd, thr_file.fd), thr_file.fd);
	fake_let_go(FAKE_READ);
	thr_ends(1, -EBADF);
	thr_settled(1);
	thr_untouched(PG, 0);
	thr_end();
}
END_TEST

#define BIT(sig) (1ULL << ((sig)-1))

START_TEST(threads_block_every_signal_and_the_caller_keeps_its_mask)
{
	const __u64 all = BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGCHLD) | BIT(SIGUSR1) | BIT(SIGALRM) |
			  BIT(SIGSEGV) | BIT(SIGPIPE) | BIT(SIGRTMIN) | BIT(SIGRTMAX);
	sigset_t set;
	__u64 before;

	thr_start(8, 2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	before = fake_signal_mask();
	thr_async(PG, 0, 1);
	thr_submit(1);
	thr_ends(1, PG);
	ck_assert_uint_eq(fake.blocking_mask & all, all);
	ck_assert_uint_eq(fake_signal_mask(), before);
	/* Nor when there is no thread to be had. */
	fake_wait_asleep(1);
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 2);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	fake.thread_error = EAGAIN;
	thr_async(PG, 0, 3);
	thr_submit(1);
	ck_assert_uint_eq(fake_threads_tried(), 2);
	ck_assert_uint_eq(fake_signal_mask(), before);
	thr_end();
}
END_TEST

Suite *check_threads_read_suite(void)
{
	Suite *s = suite_create("threads_read");

	nbtest_add_table(s, one_read, faults);
	nbtest_add(s, a_fault_of_one_read_is_none_of_the_next);
	nbtest_add(s, a_large_read_is_done_in_pieces_and_goes_on_where_it_was);
	nbtest_add_table(s, copy_to_the_program, copies);
	nbtest_add_table(s, read_of_vectors, scattered);
	nbtest_add(s, vectors_of_which_a_try_filled_some_are_read_anew);
	nbtest_add(s, a_descriptor_that_is_another_file_after_the_read_is_ebadf);
	nbtest_add(s, threads_block_every_signal_and_the_caller_keeps_its_mask);
	return s;
}
