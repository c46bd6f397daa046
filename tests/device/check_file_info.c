// SPDX-License-Identifier: GPL-2.0-only
/*
 * FILE_INFO tells the truth: what it says of a file is what a read of it then
 * does, for each kind of file.
 */
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include "device.h"

/* The file system's row is used, unless the module was loaded with filemap=0. */
static bool filemap_on(void)
{
	struct nbread_query q;

	ck_assert_int_eq(nbread_query(NULL, &q), 0);
	return q.filemap;
}

START_TEST(a_file_with_callbacks_is_served_as_file_info_says)
{
	int fd = dev_cold_file(dev_fs(_i), KB(256), 21);
	unsigned char *buf = dev_buf(KB(256));
	struct nbread_file_info info;
	struct nbread_cqe cqe;
	struct nbread ring;
	struct statfs sfs;

	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	ck_assert_int_eq(info.fd, fd);
	ck_assert_uint_eq(info.path, filemap_on() ? NBREAD_PATH_FILEMAP : NBREAD_PATH_ASYNC);
	ck_assert_uint_eq(info.reason, filemap_on() ? NBREAD_WHY_OK : NBREAD_WHY_FILEMAP_OFF);
	ck_assert_int_eq(info.error, 0);
	ck_assert_uint_eq(info.flags,
			  NBREAD_FILE_ORACLE | NBREAD_FILE_RESIDENT | NBREAD_FILE_PARKS);
	ck_assert_int_eq(fstatfs(fd, &sfs), 0);
	/* Of a block device the node's file system is another one. */
	if (_i != DEV_BDEV)
		ck_assert_uint_eq(info.fs_magic, (uint32_t)sfs.f_type);
	/* Asking does not read anything. */
	ck_assert_uint_eq(nbtest_resident(fd, 0, KB(256)), 0);

	cqe = dev_read(&ring, fd, buf, KB(256), 0, 0);
	ck_assert_int_eq(cqe.res, KB(256));
	ck_assert_uint_eq(cqe.flags & ~NBREAD_CQE_WAITED, 0);
	cqe = dev_read(&ring, fd, buf, KB(256), 0, 0);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-punted"), 0);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-hits"), 1);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_file_without_callbacks_is_served_as_file_info_says)
{
	int fd = dev_cold_file(dev_fs(DEV_VFAT), KB(64), 21);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread_file_info info;
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	/* What is resident is looked up all the same, and only then. */
	ck_assert_uint_eq(info.path, filemap_on() ? NBREAD_PATH_FILEMAP : NBREAD_PATH_WORKER);
	ck_assert_uint_eq(info.flags,
			  NBREAD_FILE_ORACLE | (filemap_on() ? NBREAD_FILE_RESIDENT : 0));
	ck_assert_uint_eq(info.reason, NBREAD_WHY_NO_ASYNC);
	ck_assert_int_eq(info.error, 0);
	ck_assert_uint_eq(info.fs_magic, MSDOS_SUPER_MAGIC);
	ck_assert_uint_eq(dev_read(&ring, fd, buf, KB(64), 0, 0).flags, NBREAD_CQE_PUNTED);
	nbread_queue_exit(&ring);
}
END_TEST

static int open_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	return fds[0];
}

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int open_dir(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int open_write_only(void)
{
	return dev_reopen(dev_file(dev_fs(DEV_EXT4), PG, 21), O_WRONLY);
}

static int open_direct(void)
{
	return dev_reopen(dev_file(dev_fs(DEV_EXT4), PG, 21), O_RDONLY | O_DIRECT);
}

static int open_bdev_direct(void)
{
	return dev_reopen(dev_file(dev_fs(DEV_BDEV), PG, 21), O_RDONLY | O_DIRECT);
}

static int open_nbread(void)
{
	return open("/dev/nbread", O_RDWR);
}

static int open_proc(void)
{
	return open("/proc/self/status", O_RDONLY);
}

static int open_sysfs(void)
{
	return open("/sys/kernel/uevent_seqnum", O_RDONLY);
}

static int open_null(void)
{
	return open("/dev/null", O_RDONLY);
}

static const struct {
	const char *name;
	int (*open)(void);
	uint32_t reason;
	int error;
} refused[] = {
	{ "a_pipe_is_refused", open_pipe, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE },
	{ "a_socket_is_refused", open_socket, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE },
	{ "a_directory_is_refused", open_dir, NBREAD_WHY_DIRECTORY, -EISDIR },
	{ "a_write_only_file_is_refused", open_write_only, NBREAD_WHY_NOT_READABLE, -EBADF },
	{ "a_direct_io_file_is_refused", open_direct, NBREAD_WHY_DIRECT_IO, -EOPNOTSUPP },
	{ "a_direct_io_block_device_is_refused", open_bdev_direct, NBREAD_WHY_DIRECT_IO,
	  -EOPNOTSUPP },
	{ "a_ring_is_refused", open_nbread, NBREAD_WHY_NBREAD, -EBADF },
	{ "a_file_of_proc_is_refused", open_proc, NBREAD_WHY_NO_PAGE_CACHE, -EOPNOTSUPP },
	{ "a_file_of_sysfs_is_refused", open_sysfs, NBREAD_WHY_NO_PAGE_CACHE, -EOPNOTSUPP },
	{ "a_character_device_is_refused", open_null, NBREAD_WHY_NO_PAGE_CACHE, -EOPNOTSUPP },
};

START_TEST(refusal)
{
	unsigned char *buf = dev_buf(PG);
	struct iovec iov = { buf, PG };
	struct nbread_file_info info;
	int fd = refused[_i].open(), error = refused[_i].error;
	struct nbread ring;

	ck_assert_int_ge(fd, 0);
	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	ck_assert_uint_eq(info.path, NBREAD_PATH_REFUSED);
	ck_assert_uint_eq(info.reason, refused[_i].reason);
	ck_assert_int_eq(info.error, error);
	ck_assert_uint_eq(info.flags, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, 0).res, error);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, error);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_ASYNC).res, error);
	ck_assert_int_eq(dev_readv(&ring, fd, &iov, 1, 0, 0).res, error);
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, 0).res, error);
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, NBREAD_SQE_NOIO).res, error);
	dev_check_same(buf, PG, 0xa5);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_descriptor_that_is_not_open_is_ebadf)
{
	struct nbread_file_info info;
	struct nbread ring;
	int path_only = open("/", O_PATH);

	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, -1, &info), -EBADF);
	ck_assert_int_eq(nbread_file_info(&ring, 100000, &info), -EBADF);
	ck_assert_int_eq(nbread_file_info(&ring, path_only, &info), -EBADF);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(direct_io_switched_on_later_is_refused_from_then_on)
{
	int fd = dev_file(dev_fs(_i), KB(64), 21);
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, 0).res, PG);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_DIRECT), 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, 0).res, -EOPNOTSUPP);
	ck_assert_int_eq(dev_try(&ring, fd, buf, PG, 0, 0).res, -EOPNOTSUPP);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, 0).res, PG);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_file_info_suite(void)
{
	Suite *s = suite_create("file_info");

	dev_add_each(s, a_file_with_callbacks_is_served_as_file_info_says);
	nbtest_add(s, a_file_without_callbacks_is_served_as_file_info_says);
	nbtest_add_table(s, refusal, refused);
	nbtest_add(s, a_descriptor_that_is_not_open_is_ebadf);
	dev_add_each(s, direct_io_switched_on_later_is_refused_from_then_on);
	return s;
}
