// SPDX-License-Identifier: GPL-2.0-only
/*
 * An SQWQ ring: ENTER answers what is resident, on any kind of file system, and leaves all
 * else to workers, of which there is a bounded number.
 */
#include <linux/magic.h>
#include "device_kind.h"
#include "fuse.h"
#include "sq.h"

#define SIZE KB(256)
#define ID 44
#define HITS 200

static unsigned char *buf;

/* One READ; ENTER takes it in the call, or the ring's thread if it has one. */
static struct nbread_cqe one(struct raw *r, int fd, size_t len, off_t off, unsigned int flags)
{
	struct nbread_cqe cqe;

	memset(buf, 0xa5, len);
	sq_prep(r, fd, buf, len, off, flags, (uint64_t)off);
	raw_publish(r);
	ck_assert_int_eq(raw_enter_ns(r, 1, 1, 60000 * MS), 1);
	dev_must(raw_reap(r, &cqe) && cqe.user_data == (uint64_t)off, "no completion");
	if (cqe.res > 0)
		dev_check(buf, (size_t)cqe.res, off, ID);
	return cqe;
}

static void expect(struct nbread_cqe cqe, int res, unsigned int flags, const char *what)
{
	ck_assert_msg(cqe.res == res && cqe.flags == flags, "%s: res %d, flags %#x", what, cqe.res,
		      cqe.flags);
}

static void check_hits(struct raw *r, int fd)
{
	for (unsigned int i = 0; i < HITS; i++)
		expect(one(r, fd, 512, i * 512 % SIZE, 0), 512, NBREAD_CQE_HIT, "resident");
	/* Longer than one look, and to the end of the file and beyond it */
	expect(one(r, fd, KB(96), 100, 0), KB(96), NBREAD_CQE_HIT, "96 KiB");
	if (nbtest_size(fd) == SIZE)
		expect(one(r, fd, KB(8), SIZE - KB(4), 0), KB(4), NBREAD_CQE_HIT, "the last 4 KiB");
	ck_assert_int_eq(sq_info(r, "nbread-punted"), 0);
}

/* Nothing but a worker brings in a page: no readahead by the caller either. */
static void check_misses(struct raw *r, int fd, bool always_there)
{
	unsigned int noio = NBREAD_SQE_CACHED | NBREAD_SQE_NOIO;

	expect(one(r, fd, PG, 0, NBREAD_SQE_ASYNC), PG, NBREAD_CQE_PUNTED, "ASYNC");
	if (always_there)
		return;
	nbtest_evict(fd);
	expect(one(r, fd, PG, KB(64), noio), -EAGAIN, 0, "NOIO, cold");
	expect(one(r, fd, PG, KB(64), NBREAD_SQE_CACHED), -EAGAIN, 0, "CACHED, cold");
	ck_assert_uint_eq(nbtest_resident(fd, 0, SIZE), 0);
	expect(one(r, fd, PG, KB(64), 0), PG, NBREAD_CQE_PUNTED, "cold");
	expect(one(r, fd, PG, KB(64), 0), PG, NBREAD_CQE_HIT, "and again");
	/* In part: the whole of it comes from one read. */
	nbtest_evict(fd);
	dev_warm(fd, 0, PG);
	expect(one(r, fd, SIZE, 0, 0), SIZE, NBREAD_CQE_PUNTED, "resident in part");
	if (nbtest_size(fd) == SIZE)
		ck_assert_int_eq(one(r, fd, PG, SIZE, 0).res, 0);
}

static void check_file(int fd, unsigned int flags)
{
	struct nbread_file_info info = { .fd = fd };
	struct raw r;

	dev_warm(fd, 0, SIZE);
	sq_ring(&r, 8, flags, flags & NBREAD_SETUP_SQTHREAD ? NBREAD_SQ_IDLE_NONE : 0);
	ck_assert_int_eq(raw_ioctl(r.fd, NBREAD_IOC_FILE_INFO, &info), 0);
	ck_assert(info.flags & NBREAD_FILE_RESIDENT);
	ck_assert(!(info.flags & NBREAD_FILE_PARKS));
	check_hits(&r, fd);
	check_misses(&r, fd, info.fs_magic == TMPFS_MAGIC);
	raw_close(&r);
}

#define ROW(kind, id)                                    \
	{                                                \
		"on_" id "_hits_need_no_worker", kind, 0 \
	}
#define THREAD_ROW(kind, id)                                                  \
	{                                                                     \
		"on_" id "_the_same_by_a_thread", kind, NBREAD_SETUP_SQTHREAD \
	}

static const struct {
	const char *name, *kind;
	unsigned int flags;
} kinds[] = {
	ROW("ext4", "ext4"),
	THREAD_ROW("ext4", "ext4"),
	ROW("xfs", "xfs"),
	ROW("btrfs", "btrfs"),
	ROW("bdev", "bdev"),
	ROW("f2fs", "f2fs"),
	ROW("tmpfs", "tmpfs"),
	ROW("overlay-ext4", "overlay_ext4"),
	ROW("nfs", "nfs"),
	ROW("fuse", "fuse"),
	ROW("9p", "9p"),
	ROW("vfat", "vfat"),
	THREAD_ROW("f2fs", "f2fs"),
};

START_TEST(served)
{
	const struct dev_fs *fs;
	int fd;

	nbtest_row(kinds[_i].name);
	fs = dev_kind(kinds[_i].kind);
	buf = dev_buf(SIZE);
	if (!strncmp(kinds[_i].kind, "overlay", 7))
		fd = dev_lower_file(fs, SIZE, ID);
	else
		fd = dev_file(fs, SIZE, ID);
	check_file(fd, NBREAD_SETUP_SQWQ | kinds[_i].flags);
	close(fd);
}
END_TEST

/* Cold reads of the first @nr pages; the call does not wait for the server. */
static void ask_server(struct raw *r, int fd, unsigned int nr)
{
	nbtest_evict(fd);
	fuse_hold();
	for (unsigned int i = 0; i < nr; i++)
		sq_prep(r, fd, buf + i * PG, PG, (off_t)(i * PG), 0, i);
	raw_publish(r);
	ck_assert_int_eq(raw_enter(r, nr, 0), nr);
}

static void let_server_answer(struct raw *r, unsigned int nr)
{
	fuse_release();
	ck_assert_int_eq(raw_enter_ns(r, 0, nr, 60000 * MS), 0);
	for (unsigned int i = 0; i < nr; i++)
		expect(sq_next(r), PG, NBREAD_CQE_PUNTED, "released");
	dev_check(buf, nr * PG, 0, ID);
}

static void set_workers(struct raw *r, unsigned int nr)
{
	struct nbread_register reg = { .op = NBREAD_REGISTER_WORKERS, .nr = nr };

	ck_assert_int_eq(raw_ioctl(r->fd, NBREAD_IOC_REGISTER, &reg), 0);
	ck_assert_int_eq(sq_info(r, "nbread-workers-max"), nr);
}

/* Files of FUSE, whose server holds the reads: so many are with it as the ring has workers. */
START_TEST(as_many_reads_run_at_a_time_as_the_ring_has_workers)
{
	int fd = open(fuse_start(SIZE, ID), O_RDONLY | O_CLOEXEC);
	struct raw r = { .p = { .sq_entries = 64, .flags = NBREAD_SETUP_SQWQ, .max_workers = 3 } };

	ck_assert_int_ge(fd, 0);
	buf = dev_buf(32 * PG);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	ck_assert_int_eq(raw_open_p(&r), 0);
	ck_assert_uint_eq(r.p.max_workers, 3);
	ck_assert_int_eq(sq_info(&r, "nbread-workers-max"), 3);
	ask_server(&r, fd, 32);
	dev_await(fuse_held() == 3);
	/* Those that were too many would be with the server by now: a call of ours is not quicker. */
	ck_assert_int_eq(raw_enter(&r, 0, 0), 0);
	ck_assert_uint_eq(fuse_most_held(), 3);
	/* More come at once, also if nothing is asked any more. */
	set_workers(&r, 5);
	dev_await(fuse_held() == 5);
	ck_assert_uint_eq(fuse_most_held(), 5);
	let_server_answer(&r, 32);
	/* Those that are too many end with what they have, and the others leave nothing. */
	ask_server(&r, fd, 32);
	dev_await(fuse_held() == 5);
	set_workers(&r, 2);
	fuse_let_go();
	ck_assert_int_eq(raw_enter_ns(&r, 0, 5, 60000 * MS), 0);
	dev_await(fuse_held() == 2);
	ck_assert_int_eq(raw_enter(&r, 0, 0), 0);
	ck_assert_uint_eq(fuse_held(), 2);
	let_server_answer(&r, 32);
	raw_close(&r);
	close(fd);
	fuse_stop();
}
END_TEST

/* A server may be asked whether the cache is still good, and a thread cannot be killed meanwhile. */
START_TEST(a_thread_leaves_reads_of_a_server_to_workers)
{
	int fd = open(fuse_start(SIZE, ID), O_RDONLY | O_CLOEXEC);
	struct nbread_file_info info = { .fd = fd };
	struct raw r;

	ck_assert_int_ge(fd, 0);
	buf = dev_buf(SIZE);
	dev_warm(fd, 0, SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQWQ | NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE);
	ck_assert_int_eq(raw_ioctl(r.fd, NBREAD_IOC_FILE_INFO, &info), 0);
	ck_assert_uint_eq(info.flags & NBREAD_FILE_RESIDENT, 0);
	for (unsigned int i = 0; i < 4; i++)
		expect(one(&r, fd, PG, i * PG, 0), PG, NBREAD_CQE_PUNTED, "resident");
	expect(one(&r, fd, PG, 0, NBREAD_SQE_CACHED), -EAGAIN, 0, "CACHED");
	raw_close(&r);
	close(fd);
	fuse_stop();
}
END_TEST

/* Another open file left all of it in the cache, which tells of this one nothing. */
START_TEST(a_file_that_is_read_past_the_page_cache_is_never_a_hit)
{
	const char *path = fuse_start(SIZE, ID);
	int fd = open(path, O_RDONLY | O_CLOEXEC), direct;
	struct raw r;

	ck_assert_int_ge(fd, 0);
	fuse_direct(true);
	direct = open(path, O_RDONLY | O_CLOEXEC);
	fuse_direct(false);
	ck_assert_int_ge(direct, 0);
	buf = dev_buf(SIZE);
	dev_warm(fd, 0, SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQWQ, 0);
	for (unsigned int i = 0; i < 4; i++) {
		expect(one(&r, fd, PG, i * PG, 0), PG, NBREAD_CQE_HIT, "through the cache");
		expect(one(&r, direct, PG, i * PG, 0), PG, NBREAD_CQE_PUNTED, "past it");
	}
	raw_close(&r);
	close(direct);
	close(fd);
	fuse_stop();
}
END_TEST

/* The file system's own disk hangs. On an ordinary ring the caller might wait for metadata. */
START_TEST(the_caller_does_not_enter_the_file_system_for_a_miss)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, MB(4), ID);
	struct raw r;

	buf = dev_buf(8 * PG);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	sq_ring(&r, 64, NBREAD_SETUP_SQWQ, 0);
	nbtest_drop_caches();
	dev_hold(fs);
	for (unsigned int i = 0; i < 8; i++)
		sq_prep(&r, fd, buf + i * PG, PG, (off_t)(i * KB(512)), 0, i);
	raw_publish(&r);
	ck_assert_int_eq(raw_enter(&r, 8, 0), 8);
	ck_assert_uint_eq(raw_cq_ready(&r), 0);
	dev_await(dev_held(fs) > 0);
	dev_release(fs);
	ck_assert_int_eq(raw_enter_ns(&r, 0, 8, 60000 * MS), 0);
	for (unsigned int i = 0; i < 8; i++)
		expect(sq_next(&r), PG, NBREAD_CQE_PUNTED, "released");
	for (unsigned int i = 0; i < 8; i++)
		dev_check(buf + i * PG, PG, (off_t)(i * KB(512)), ID);
	raw_close(&r);
	close(fd);
}
END_TEST

Suite *check_sqwq_suite(void)
{
	Suite *s = suite_create("sqwq");

	nbtest_add_table(s, served, kinds);
	nbtest_add(s, as_many_reads_run_at_a_time_as_the_ring_has_workers);
	nbtest_add(s, a_thread_leaves_reads_of_a_server_to_workers);
	nbtest_add(s, a_file_that_is_read_past_the_page_cache_is_never_a_hit);
	dev_add_each(s, the_caller_does_not_enter_the_file_system_for_a_miss);
	return s;
}
