// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that change under a parked read: truncated, punched, overwritten. The
 * read ends with what a pread(2) could have given at some moment since it was
 * submitted; never with old data after the change was done before the read ran,
 * and never not at all.
 */
#include <pthread.h>
#include "device.h"

#define SIZE KB(256)
#define OFF KB(128)
#define LEN KB(32)

struct change {
	int fd;
	int kind;
	int ret;
	bool done;
};

enum { TRUNCATE_ALL, TRUNCATE_IN, TRUNCATE_AND_BACK, PUNCH, OVERWRITE, NR_CHANGES };

/* In a thread: it waits for pages that are locked for reading. */
static void *change(void *arg)
{
	struct change *c = arg;

	switch (c->kind) {
	case TRUNCATE_ALL:
		c->ret = ftruncate(c->fd, 0);
		break;
	case TRUNCATE_IN:
		c->ret = ftruncate(c->fd, OFF + KB(8) + 100);
		break;
	case TRUNCATE_AND_BACK:
		c->ret = ftruncate(c->fd, 0) || ftruncate(c->fd, SIZE);
		break;
	case PUNCH:
		c->ret = fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OFF, LEN);
		break;
	case OVERWRITE:
		nbtest_write_pattern(c->fd, OFF, LEN, 18, 2);
		break;
	}
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The file's data of one generation, or zeros: nothing else, 8 bytes at a time. */
static void check_piece(const unsigned char *p, size_t off, bool old, bool zero, bool new)
{
	static const unsigned char zeros[8];

	if (old && nbtest_mismatch(p, 8, off, 18, 1) < 0)
		return;
	if (new &&nbtest_mismatch(p, 8, off, 18, 2) < 0)
		return;
	ck_assert_msg(zero && !memcmp(p, zeros, 8), "bytes at %zu are of no time", off);
}

/* _i: file system * NR_CHANGES + change; and as often again with the read after the change */
START_TEST(a_file_that_changes_under_a_parked_read_gives_what_pread_could_have_given)
{
	bool after = _i >= DEV_BDEV * NR_CHANGES;
	int kind = _i % NR_CHANGES;
	const struct dev_fs *fs = dev_fs(_i / NR_CHANGES % DEV_BDEV);
	int fd = dev_cold_file(fs, SIZE, 18);
	struct change c = { .fd = fd, .kind = kind };
	unsigned char *buf = dev_buf(LEN);
	struct nbread_cqe cqe;
	struct nbread ring;
	pthread_t thread;

	dev_ring(&ring, 8);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, LEN, OFF, 0, 1);
	dev_submit(&ring, 1);
	dev_check_none(&ring);
	ck_assert_int_eq(pthread_create(&thread, NULL, change, &c), 0);
	/* It is on its way, or waits for the device like us: most often, for all may happen. */
	nbtest_wait_until(__atomic_load_n(&c.done, __ATOMIC_ACQUIRE), 200);
	dev_release(fs);
	/* Then the read runs after the change for sure. */
	if (after)
		dev_await(__atomic_load_n(&c.done, __ATOMIC_ACQUIRE));
	cqe = dev_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 1);
	/* A worker that had it was as quick as the change, perhaps. */
	after = after && !(cqe.flags & NBREAD_CQE_PUNTED);
	pthread_join(thread, NULL);
	ck_assert_int_eq(c.ret, 0);
	ck_assert_int_ge(cqe.res, 0);
	ck_assert_int_le(cqe.res, LEN);
	switch (kind) {
	case TRUNCATE_ALL:
		ck_assert_msg(!after || !cqe.res, "%d", cqe.res);
		break;
	case TRUNCATE_AND_BACK:
		ck_assert_msg(!after || cqe.res == (int)LEN, "%d", cqe.res);
		break;
	case TRUNCATE_IN:
		ck_assert_msg((!after && cqe.res == (int)LEN) || cqe.res == KB(8) + 100, "%d",
			      cqe.res);
		break;
	default:
		ck_assert_int_eq(cqe.res, LEN);
	}
	for (int at = 0; at + 8 <= cqe.res; at += 8)
		check_piece(buf + at, OFF + at, kind == TRUNCATE_IN || !after,
			    kind == TRUNCATE_AND_BACK || kind == PUNCH ||
				    (kind == TRUNCATE_IN && !after),
			    kind == OVERWRITE);
	/* From now on there is only one answer. */
	memset(buf, 0xa5, LEN);
	cqe = dev_read(&ring, fd, buf, LEN, OFF, 0);
	ck_assert_int_eq(cqe.res, kind == TRUNCATE_ALL ? 0 :
				  kind == TRUNCATE_IN  ? KB(8) + 100 :
							 LEN);
	for (int at = 0; at + 8 <= cqe.res; at += 8)
		check_piece(buf + at, OFF + at, kind == TRUNCATE_IN,
			    kind == TRUNCATE_AND_BACK || kind == PUNCH, kind == OVERWRITE);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_read_that_is_ready_when_its_data_is_truncated_away_ends_at_the_new_end)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, SIZE, 18);
	unsigned char *buf = dev_buf(LEN);
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, LEN, OFF, 0, 1);
	dev_submit(&ring, 1);
	dev_release(fs);
	dev_await(dev_readable(&ring));
	ck_assert_int_eq(ftruncate(fd, OFF + 77), 0);
	cqe = dev_next(&ring);
	ck_assert_int_eq(cqe.res, 77);
	dev_check(buf, 77, OFF, 18);
	dev_check_same(buf + 77, LEN - 77, 0xa5);

	nbtest_evict(fd);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, LEN, KB(64), 0, 2);
	dev_submit(&ring, 1);
	dev_release(fs);
	dev_await(dev_readable(&ring));
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(dev_next(&ring).res, 0);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_read_that_is_ready_when_its_pages_are_dropped_gets_them_again)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, SIZE, 18);
	unsigned char *buf = dev_buf(LEN);
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int i = 0; i < 5; i++) {
		nbtest_evict(fd);
		dev_hold(fs);
		dev_prep(&ring, fd, buf, LEN, OFF, 0, i);
		dev_submit(&ring, 1);
		dev_release(fs);
		dev_await(dev_readable(&ring));
		nbtest_evict(fd);
		cqe = dev_next(&ring);
		ck_assert_uint_eq(cqe.user_data, i);
		ck_assert_int_eq(cqe.res, LEN);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
		dev_check(buf, LEN, OFF, 18);
		memset(buf, 0xa5, LEN);
	}
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_truncate_suite(void)
{
	Suite *s = suite_create("truncate");

	nbtest_add_loop(s,
			a_file_that_changes_under_a_parked_read_gives_what_pread_could_have_given,
			2 * DEV_BDEV * NR_CHANGES);
	nbtest_add_loop(s, a_read_that_is_ready_when_its_data_is_truncated_away_ends_at_the_new_end,
			DEV_BDEV);
	dev_add_each(s, a_read_that_is_ready_when_its_pages_are_dropped_gets_them_again);
	return s;
}
