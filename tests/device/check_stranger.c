// SPDX-License-Identifier: GPL-2.0-only
/*
 * One who may not learn what is resident, as mincore(2) has it, and reads all the same: each
 * of his questions changes the answer, since what he missed is read ahead, also where
 * the read itself never begins. Where that cannot be started in the call he gets no look.
 */
#include "device_kind.h"
#include "fuse.h"

#define SIZE KB(64)
#define ID 45

static struct nbread ring;
static unsigned char *buf;

/* The same file as nobody sees it: open for reading, and root's. */
static int strangers(int fd)
{
	int own = dev_reopen(fd, O_RDONLY);

	if (!buf)
		buf = dev_buf(SIZE);
	dev_nobody();
	return own;
}

static void check_brought_in(int fd)
{
	dev_root();
	dev_await(nbtest_resident(fd, 0, PG));
	nbread_queue_exit(&ring);
}

START_TEST(a_miss_whose_time_is_over_is_read_ahead)
{
	int fd = dev_cold_file(dev_fs(_i), SIZE, ID), own;
	struct nbread_sqe *sqe;

	dev_ring(&ring, 8);
	own = strangers(fd);
	sqe = nbread_get_sqe(&ring);
	nbread_prep_read(sqe, own, buf, PG, 0);
	sqe->deadline_ns = 1;
	dev_submit(&ring, 1);
	ck_assert_int_eq(dev_next(&ring).res, -ETIME);
	check_brought_in(fd);
}
END_TEST

START_TEST(a_cached_miss_of_an_sqwq_ring_is_read_ahead)
{
	int fd = dev_cold_file(dev_fs(_i), SIZE, ID), own;

	ck_assert_int_eq(nbread_queue_init(8, &ring, NBREAD_SETUP_SQWQ), 0);
	own = strangers(fd);
	ck_assert_int_eq(dev_read(&ring, own, buf, PG, 0, NBREAD_SQE_CACHED).res, -EAGAIN);
	check_brought_in(fd);
}
END_TEST

/* The only worker hangs; so a read that is queued behind it can be cancelled for certain. */
START_TEST(a_miss_that_was_cancelled_in_the_queue_is_read_ahead)
{
	struct nbread_setup p = { .flags = NBREAD_SETUP_SQWQ, .max_workers = 1 };
	const struct dev_fs *slow = dev_fs(DEV_EXT4);
	int hangs = dev_cold_file(slow, SIZE, ID);
	int fd = dev_cold_file(dev_fs(DEV_XFS), SIZE, ID), own;
	struct nbread_cqe cqe;

	ck_assert_int_eq(nbread_queue_init_params(8, &ring, &p), 0);
	buf = dev_buf(SIZE);
	dev_hold(slow);
	dev_prep(&ring, hangs, buf, PG, 0, 0, 1);
	dev_submit(&ring, 1);
	dev_await(dev_held(slow));
	own = strangers(fd);
	dev_prep(&ring, own, buf + PG, PG, 0, 0, 2);
	dev_submit(&ring, 1);
	ck_assert_int_eq(nbread_cancel64(&ring, 2, 0), 1);
	cqe = dev_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 2);
	ck_assert_int_eq(cqe.res, -ECANCELED);
	dev_root();
	dev_await(nbtest_resident(fd, 0, PG));
	dev_release(slow);
	ck_assert_int_eq(dev_next(&ring).res, PG);
	dev_check_same(buf + PG, PG, 0xa5);
	nbread_queue_exit(&ring);
}
END_TEST

static void expect(int fd, bool looks, const char *who)
{
	uint64_t before = dev_fdinfo(&ring, "nbread-punted");
	struct nbread_file_info info;
	struct nbread_cqe cqe;

	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	ck_assert_msg(!!(info.flags & NBREAD_FILE_RESIDENT) == looks, "%s: FILE_INFO", who);
	cqe = dev_read(&ring, fd, buf, SIZE, 0, NBREAD_SQE_CACHED);
	ck_assert_msg(cqe.res == (looks ? (int)SIZE : -EAGAIN), "%s: CACHED %d", who, cqe.res);
	ck_assert_int_eq(dev_try(&ring, fd, buf, SIZE, 0, 0).res, cqe.res);
	cqe = dev_read(&ring, fd, buf, SIZE, 0, 0);
	ck_assert_msg(cqe.res == (int)SIZE && !(cqe.flags & NBREAD_CQE_PUNTED) == looks,
		      "%s: READ %d, flags %#x", who, cqe.res, cqe.flags);
	dev_check(buf, SIZE, 0, ID);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-punted"), before + !looks);
}

/* Its read begins in a worker only, so a look would leave no trace. */
START_TEST(a_file_system_without_nowait_is_not_looked_at)
{
	int fd = dev_file(dev_kind(_i & 2 ? "tmpfs" : "vfat"), SIZE, ID), own;

	ck_assert_int_eq(nbread_queue_init(8, &ring, _i & 1 ? NBREAD_SETUP_SQWQ : 0), 0);
	nbtest_warm(fd);
	own = strangers(fd);
	expect(own, false, "nobody");
	dev_root();
	expect(own, true, "root");
	dev_nobody();
	expect(fd, true, "nobody, with root's open file that may write");
	dev_root();
	nbread_queue_exit(&ring);
}
END_TEST

/* Whether he may write the file only its server knows, which does not answer. */
START_TEST(noio_does_not_wait_for_the_word_of_a_server)
{
	int fd;

	fuse_ask_attr(true);
	fd = open(fuse_start(SIZE, ID), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	buf = dev_buf(SIZE);
	ck_assert_int_eq(nbread_queue_init(8, &ring, _i ? NBREAD_SETUP_SQWQ : 0), 0);
	dev_warm(fd, 0, SIZE);
	fuse_hold_attr();
	dev_nobody();
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, NBREAD_SQE_NOIO).res, -EAGAIN);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO).res,
			 -EAGAIN);
	dev_root();
	nbread_queue_exit(&ring);
	close(fd);
	fuse_stop();
}
END_TEST

Suite *check_stranger_suite(void)
{
	Suite *s = suite_create("stranger");

	dev_add_each(s, a_miss_whose_time_is_over_is_read_ahead);
	dev_add_each(s, a_cached_miss_of_an_sqwq_ring_is_read_ahead);
	nbtest_add(s, a_miss_that_was_cancelled_in_the_queue_is_read_ahead);
	nbtest_add_loop(s, a_file_system_without_nowait_is_not_looked_at, 4);
	nbtest_add_loop(s, noio_does_not_wait_for_the_word_of_a_server, 2);
	return s;
}
