// SPDX-License-Identifier: GPL-2.0-only
/*
 * The portable backend's try in the call: what becomes of each answer of
 * preadv2(RWF_NOWAIT), also of those that no file system here gives, and how readahead
 * and NOIO go by the kernel's release.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "thr.h"

#define KERNEL(major, minor) ((major) << 8 | (minor))
#define HIT NBREAD_CQE_HIT
#define PUNTED NBREAD_CQE_PUNTED

/* Of a read of PG bytes, in the middle of the file. */
static const struct {
	const char *name;
	long nowait[3], blocking;
	unsigned flags;
	int res;
	unsigned cqe_flags, tries, reads; /* RWF_NOWAIT reads, and those of a thread */
} tries[] = {
	{ "all_the_bytes_at_once_are_a_hit", { 0 }, 0, 0, PG, HIT, 1, 0 },
	{ "a_try_that_would_wait_makes_a_read_for_a_thread", { -EAGAIN }, 0, 0, PG, PUNTED, 1, 1 },
	{ "a_file_that_takes_no_nowait_is_read_by_a_thread",
	  { -EOPNOTSUPP },
	  0,
	  0,
	  PG,
	  PUNTED,
	  1,
	  1 },
	{ "an_error_of_the_try_is_the_end_of_the_read", { -EIO }, 0, 0, -EIO, 0, 1, 0 },
	{ "a_try_that_the_file_system_refuses_ends_with_its_error",
	  { -EINVAL },
	  0,
	  0,
	  -EINVAL,
	  0,
	  1,
	  0 },
	{ "a_try_that_was_interrupted_ends_with_eintr", { -EINTR }, 0, 0, -EINTR, 0, 1, 0 },
	{ "a_short_try_is_read_by_a_thread_from_its_first_byte",
	  { 100, -EAGAIN },
	  0,
	  0,
	  PG,
	  PUNTED,
	  2,
	  1 },
	{ "what_became_resident_after_a_short_try_is_for_a_thread_too",
	  { 100, 1 },
	  0,
	  0,
	  PG,
	  PUNTED,
	  2,
	  1 },
	{ "an_error_behind_a_short_try_is_told_by_the_thread",
	  { 100, -EIO },
	  -EIO,
	  0,
	  -EIO,
	  PUNTED,
	  2,
	  1 },
	{ "a_short_try_at_the_end_of_the_file_is_a_hit", { 100, FAKE_EOF }, 0, 0, 100, HIT, 2, 0 },
	{ "a_try_at_the_end_of_the_file_is_a_hit_of_no_bytes", { FAKE_EOF }, 0, 0, 0, HIT, 1, 0 },
	{ "a_cached_read_that_would_wait_is_eagain",
	  { -EAGAIN },
	  0,
	  NBREAD_SQE_CACHED,
	  -EAGAIN,
	  0,
	  1,
	  0 },
	{ "a_cached_read_of_a_file_that_takes_no_nowait_is_eagain",
	  { -EOPNOTSUPP },
	  0,
	  NBREAD_SQE_CACHED,
	  -EAGAIN,
	  0,
	  1,
	  0 },
	{ "a_short_cached_read_is_no_hit", { 100, -EAGAIN }, 0, NBREAD_SQE_CACHED, 100, 0, 2, 0 },
	{ "a_short_cached_read_does_not_tell_the_error_behind_it",
	  { 100, -EIO },
	  0,
	  NBREAD_SQE_CACHED,
	  100,
	  0,
	  2,
	  0 },
	{ "a_cached_read_tells_its_error", { -EIO }, 0, NBREAD_SQE_CACHED, -EIO, 0, 1, 0 },
	{ "a_read_that_asks_for_a_thread_is_not_tried",
	  { 0 },
	  0,
	  NBREAD_SQE_ASYNC,
	  PG,
	  PUNTED,
	  0,
	  1 },
};

START_TEST(one_try)
{
	struct nbread_cqe cqe;

	thr_start(8, 1);
	memcpy(fake.nowait_steps, tries[_i].nowait, sizeof(tries[_i].nowait));
	fake.blocking_steps[0] = tries[_i].blocking;
	thr_prep(PG, KB(8), 7)->flags = (__u16)tries[_i].flags;
	thr_submit(1);
	cqe = thr_next();
	ck_assert_uint_eq(cqe.user_data, 7);
	ck_assert_int_eq(cqe.res, tries[_i].res);
	ck_assert_uint_eq(cqe.flags, tries[_i].cqe_flags);
	thr_settled(tries[_i].reads);
	ck_assert_uint_eq(fake.nowait_reads, tries[_i].tries);
	ck_assert_uint_eq(fake.blocking_reads, tries[_i].reads);
	if (tries[_i].reads)
		ck_assert_uint_eq(fake.blocking_offs[0], KB(8));
	if (cqe.res > 0)
		thr_right((size_t)cqe.res, KB(8));
	thr_end();
}
END_TEST

START_TEST(a_file_that_takes_no_nowait_is_asked_once_a_call)
{
	unsigned i;

	thr_start(8, 1);
	fake.nowait_error = -EOPNOTSUPP;
	for (i = 0; i < 4; i++)
		thr_prep(PG, i * PG, i)->flags = NBREAD_SQE_CACHED;
	thr_submit(4);
	for (i = 0; i < 4; i++)
		thr_posted(i, -EAGAIN);
	ck_assert_uint_eq(fake.nowait_reads, 1);
	/* It may be another file by the next call. */
	thr_prep(PG, 0, 9)->flags = NBREAD_SQE_CACHED;
	thr_submit(1);
	thr_posted(9, -EAGAIN);
	ck_assert_uint_eq(fake.nowait_reads, 2);
	thr_end();
}
END_TEST

/* statfs(2) may be a question to a server. */
START_TEST(a_file_system_is_asked_what_it_is_once)
{
	int empty = memfd_create("empty", MFD_CLOEXEC);
	int proc = open("/proc/version", O_RDONLY | O_CLOEXEC);
	struct nbread_try t[2] = { { .fd = empty, .addr = (uintptr_t)thr_buf, .len = PG },
				   { .fd = proc, .addr = (uintptr_t)thr_buf, .len = PG } };

	thr_start(8, 1);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_int_eq(nbread_try_many(&thr_ring, t, 1), 1);
		ck_assert_int_eq(t[0].res, 0);
		ck_assert_uint_eq(fake.statfs, 1);
	}
	for (unsigned i = 1; i <= 2; i++) {
		ck_assert_int_ge(nbread_try_many(&thr_ring, t, 2), 0);
		ck_assert_int_eq(t[1].res, -EOPNOTSUPP);
		ck_assert_uint_eq(fake.statfs, 1 + i);
	}
	thr_end();
	close(empty);
	close(proc);
}
END_TEST

START_TEST(another_file_of_the_call_is_asked_for_itself)
{
	thr_start(8, 1);
	fake.nowait_steps[0] = -EOPNOTSUPP;
	thr_prep(PG, 0, 1)->flags = NBREAD_SQE_CACHED;
	thr_prep(PG, PG, 2)->fd = thr_other.fd;
	thr_prep(PG, 2 * PG, 3)->flags = NBREAD_SQE_CACHED;
	thr_submit(3);
	thr_posted(1, -EAGAIN);
	thr_posted(2, PG);
	thr_posted(3, PG);
	nbtest_check_bytes(thr_buf + PG, PG, PG, thr_other.id, 1);
	thr_end();
}
END_TEST

START_TEST(a_batch_of_tries_has_an_answer_for_each)
{
	struct nbread_try t[5];
	unsigned i;

	thr_start(8, 1);
	memset(t, 0, sizeof(t));
	for (i = 0; i < 5; i++) {
		t[i].fd = thr_file.fd;
		t[i].addr = (uintptr_t)(thr_buf + i * PG);
		t[i].off = i * PG;
		t[i].len = PG;
	}
	fake.nowait_steps[0] = -EAGAIN;
	fake.nowait_steps[2] = 100;
	fake.nowait_steps[3] = -EAGAIN;
	fake.nowait_steps[4] = -EIO;
	fake.nowait_steps[5] = -EOPNOTSUPP;
	ck_assert_int_eq(nbread_try_many(&thr_ring, t, 5), 1);
	ck_assert_int_eq(t[0].res, -EAGAIN);
	ck_assert_int_eq(t[1].res, PG);
	ck_assert_uint_eq(t[1].cqe_flags, HIT);
	ck_assert_int_eq(t[2].res, 100);
	ck_assert_uint_eq(t[2].cqe_flags, 0);
	ck_assert_int_eq(t[3].res, -EIO);
	ck_assert_int_eq(t[4].res, -EAGAIN);
	/* A try never becomes a thread's. */
	ck_assert_uint_eq(fake_threads_tried(), 0);
	thr_end();
}
END_TEST

static const struct {
	const char *name;
	int kernel;
	bool served;
} noio[] = {
	{ "noio_is_eopnotsupp_where_nowait_may_start_io", KERNEL(5, 8), false },
	{ "noio_is_served_from_where_nowait_starts_none", KERNEL(5, 9), true },
	{ "noio_is_served_by_the_last_kernel_that_can", KERNEL(6, 11), true },
	{ "noio_is_eopnotsupp_since_nowait_reads_ahead", KERNEL(6, 12), false },
	{ "noio_is_eopnotsupp_on_a_newer_major", KERNEL(7, 0), false },
};

START_TEST(noio_by_kernel)
{
	struct nbread_query q;

	fake.kernel = noio[_i].kernel;
	thr_start(8, 1);
	ck_assert_int_eq(nbread_query(&thr_ring, &q), 0);
	ck_assert_int_eq(!!(q.sqe_flags & NBREAD_SQE_NOIO), noio[_i].served);
	fake.nowait_error = -EAGAIN;
	thr_prep(PG, 0, 1)->flags = NBREAD_SQE_CACHED | NBREAD_SQE_NOIO;
	thr_submit(1);
	thr_posted(1, noio[_i].served ? -EAGAIN : -EOPNOTSUPP);
	ck_assert_uint_eq(fake.nowait_reads, noio[_i].served);
	thr_none();
	ck_assert_uint_eq(fake_threads_tried(), 0);
	thr_end();
	ck_assert_uint_eq(fake.readaheads, 0);
}
END_TEST

static const struct {
	const char *name;
	int kernel;
	long nowait[2];
	size_t len;
	__u64 off, ahead; /* of the readahead; 0 bytes: there is none */
} misses[] = {
	{ "a_cached_miss_reads_ahead_what_it_wanted",
	  KERNEL(6, 1),
	  { -EAGAIN },
	  KB(64),
	  KB(8),
	  KB(64) },
	{ "a_cached_miss_in_the_middle_reads_ahead_the_rest",
	  KERNEL(6, 1),
	  { 4096, -EAGAIN },
	  KB(64),
	  KB(12),
	  KB(60) },
	{ "a_cached_error_reads_nothing_ahead", KERNEL(6, 1), { -EIO }, KB(64), 0, 0 },
	{ "a_cached_hit_reads_nothing_ahead", KERNEL(6, 1), { 0 }, KB(64), 0, 0 },
	{ "a_cached_read_at_the_end_reads_nothing_ahead",
	  KERNEL(6, 1),
	  { 4096, FAKE_EOF },
	  KB(64),
	  0,
	  0 },
	{ "a_file_without_nowait_is_not_read_ahead", KERNEL(6, 1), { -EOPNOTSUPP }, KB(64), 0, 0 },
	{ "where_nowait_reads_ahead_itself_nobody_else_does",
	  KERNEL(6, 12),
	  { -EAGAIN },
	  KB(64),
	  0,
	  0 },
};

START_TEST(readahead_of_a_miss)
{
	fake.kernel = misses[_i].kernel;
	thr_start(8, 1);
	memcpy(fake.nowait_steps, misses[_i].nowait, sizeof(misses[_i].nowait));
	thr_prep(misses[_i].len, KB(8), 1)->flags = NBREAD_SQE_CACHED;
	thr_submit(1);
	thr_next();
	thr_settled(misses[_i].ahead ? 1 : 0);
	ck_assert_uint_eq(fake.readaheads, misses[_i].ahead ? 1 : 0);
	ck_assert_uint_eq(fake.readahead_off, misses[_i].off);
	ck_assert_uint_eq(fake.readahead_len, misses[_i].ahead);
	thr_end();
}
END_TEST

START_TEST(readahead_that_nobody_can_do_is_dropped_and_the_miss_is_told)
{
	fake.kernel = KERNEL(6, 1);
	thr_start(8, 1);
	fake.nowait_steps[0] = -EAGAIN;
	fake.thread_steps[0] = EAGAIN;
	thr_prep(PG, 0, 1)->flags = NBREAD_SQE_CACHED;
	thr_submit(1);
	thr_posted(1, -EAGAIN);
	/* Dropped is dropped: a thread that comes later does not find it. */
	thr_async(PG, PG, 2);
	thr_submit(1);
	thr_ends(2, PG);
	thr_settled(1);
	ck_assert_uint_eq(fake.readaheads, 0);
	thr_end();
}
END_TEST

START_TEST(readahead_that_waits_for_a_thread_has_a_bound)
{
	unsigned i;

	fake.kernel = KERNEL(6, 1);
	thr_start(128, 1);
	fake.nowait_error = -EAGAIN;
	fake_hold(FAKE_READ);
	thr_async(PG, 0, 1);
	thr_submit(1);
	fake_wait_held(FAKE_READ, 1);
	for (i = 0; i < 100; i++)
		thr_prep(PG, i * PG, 100 + i)->flags = NBREAD_SQE_CACHED;
	thr_submit(100);
	for (i = 0; i < 100; i++)
		thr_posted(100 + i, -EAGAIN);
	fake_let_go(FAKE_READ);
	thr_ends(1, PG);
	thr_settled(1);
	ck_assert_uint_eq(fake.readaheads, 64);
	/* The first ones are kept. */
	ck_assert_uint_eq(fake.readahead_off, 63 * PG);
	thr_end();
}
END_TEST

Suite *check_threads_try_suite(void)
{
	Suite *s = suite_create("threads_try");

	nbtest_add_table(s, one_try, tries);
	nbtest_add(s, a_file_that_takes_no_nowait_is_asked_once_a_call);
	nbtest_add(s, a_file_system_is_asked_what_it_is_once);
	nbtest_add(s, another_file_of_the_call_is_asked_for_itself);
	nbtest_add(s, a_batch_of_tries_has_an_answer_for_each);
	nbtest_add_table(s, noio_by_kernel, noio);
	nbtest_add_table(s, readahead_of_a_miss, misses);
	nbtest_add(s, readahead_that_nobody_can_do_is_dropped_and_the_miss_is_told);
	nbtest_add(s, readahead_that_waits_for_a_thread_has_a_bound);
	return s;
}
