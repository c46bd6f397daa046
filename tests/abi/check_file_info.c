// SPDX-License-Identifier: GPL-2.0-only
/* FILE_INFO: how a file would be served, and why. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "abi.h"

Suite *check_file_info_suite(void);

static struct nbread_file_info info_of(int fd)
{
	struct nbread_file_info info = { .fd = fd };
	int dev = raw_open_fd();
	int ret = raw_ioctl(dev, NBREAD_IOC_FILE_INFO, &info);

	ck_assert_msg(ret == 0, "FILE_INFO: %s", strerror(-ret));
	ck_assert_int_eq(info.fd, fd);
	ck_assert_uint_eq(info.resv[0] | info.resv[1], 0);
	close(dev);
	return info;
}

START_TEST(a_file_of_the_tested_file_system_is_in_the_table)
{
	struct nbread_file_info info;
	struct statfs fs;
	struct abi a;

	abi_begin(&a);
	info = info_of(a.file.fd);
	ck_assert_int_eq(info.error, 0);
	if (abi_query().filemap) {
		ck_assert_uint_eq(info.path, NBREAD_PATH_FILEMAP);
		ck_assert_uint_eq(info.reason, NBREAD_WHY_OK);
	} else {
		ck_assert_uint_eq(info.path, NBREAD_PATH_ASYNC);
		ck_assert_uint_eq(info.reason, NBREAD_WHY_FILEMAP_OFF);
	}
	ck_assert_uint_eq(info.flags,
			  NBREAD_FILE_ORACLE | NBREAD_FILE_RESIDENT | NBREAD_FILE_PARKS);
	ck_assert_int_eq(fstatfs(a.file.fd, &fs), 0);
	ck_assert_uint_eq(info.fs_magic, (uint32_t)fs.f_type);
	abi_end(&a);
}
END_TEST

START_TEST(a_file_that_cannot_wait_by_callback_is_told)
{
	int fd = memfd_create("nbread", MFD_CLOEXEC);
	struct nbread_file_info info = info_of(fd);

	ck_assert_uint_eq(info.path,
			  abi_query().filemap ? NBREAD_PATH_FILEMAP : NBREAD_PATH_WORKER);
	ck_assert_uint_eq(info.reason, NBREAD_WHY_NO_ASYNC);
	ck_assert_uint_eq(info.flags & NBREAD_FILE_PARKS, 0);
	ck_assert_uint_eq(!!(info.flags & NBREAD_FILE_RESIDENT), abi_query().filemap);
	ck_assert_int_eq(info.error, 0);
	close(fd);
}
END_TEST

static int open_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	return fds[0];
}

static int open_write_only(void)
{
	return open(nbtest_dir(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

static int open_direct(void)
{
	return open(nbtest_dir(), O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
}

static int open_dir(void)
{
	return open(nbtest_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int open_epoll(void)
{
	return epoll_create1(0);
}

static int open_eventfd(void)
{
	return eventfd(1, 0);
}

static int open_proc(void)
{
	return open("/proc/self/status", O_RDONLY | O_CLOEXEC);
}

static int open_zero(void)
{
	return open("/dev/zero", O_RDONLY | O_CLOEXEC);
}

static const struct {
	const char *name;
	int (*open)(void);
	uint32_t reason;
	int error;
} refused[] = {
	{ "info_of_a_pipe", open_pipe, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE },
	{ "info_of_a_socket", open_socket, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE },
	{ "info_of_an_eventfd", open_eventfd, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE },
	{ "info_of_an_epoll", open_epoll, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE },
	{ "info_of_a_directory", open_dir, NBREAD_WHY_DIRECTORY, -EISDIR },
	{ "info_of_a_write_only_file", open_write_only, NBREAD_WHY_NOT_READABLE, -EBADF },
	{ "info_of_an_o_direct_file", open_direct, NBREAD_WHY_DIRECT_IO, -EOPNOTSUPP },
	{ "info_of_the_device_itself", raw_open_fd, NBREAD_WHY_NBREAD, -EBADF },
	{ "info_of_a_proc_file", open_proc, NBREAD_WHY_NO_PAGE_CACHE, -EOPNOTSUPP },
	{ "info_of_a_character_device", open_zero, NBREAD_WHY_NO_PAGE_CACHE, -EOPNOTSUPP },
};

/* And a read of it ends with the error that was foretold. */
START_TEST(info_of_a_refused_file)
{
	struct nbread_file_info info;
	struct nbread_sqe sqe;
	struct abi a;
	int fd = refused[_i].open();

	ck_assert_int_ge(fd, 0);
	abi_begin(&a);
	info = info_of(fd);
	ck_assert_uint_eq(info.path, NBREAD_PATH_REFUSED);
	ck_assert_uint_eq(info.reason, refused[_i].reason);
	ck_assert_int_eq(info.error, refused[_i].error);
	ck_assert_uint_eq(info.flags, 0);
	sqe = abi_valid(&a);
	sqe.fd = fd;
	ck_assert_int_eq(abi_submit(&a, &sqe).res, info.error);
	abi_end(&a);
	close(fd);
}
END_TEST

START_TEST(info_takes_anything_in_its_out_members)
{
	struct nbread_file_info clean, info;
	struct abi a;

	abi_begin(&a);
	clean = info_of(a.file.fd);
	info = clean;
	info.flags = 0;
	info.path = info.reason = info.fs_magic = UINT32_MAX;
	info.error = -1;
	ck_assert_int_eq(raw_ioctl(a.r.fd, NBREAD_IOC_FILE_INFO, &info), 0);
	ck_assert_mem_eq(&info, &clean, sizeof(info));
	abi_end(&a);
}
END_TEST

static int info_as_nobody(void *arg)
{
	struct abi *a = arg;
	struct nbread_file_info info = { .fd = open(a->file.path, O_RDONLY | O_CLOEXEC) };

	if (raw_ioctl(a->r.fd, NBREAD_IOC_FILE_INFO, &info) != 0 || info.error)
		return 1;
	return info.flags & NBREAD_FILE_ORACLE ? 2 : 0;
}

START_TEST(info_tells_a_stranger_that_residency_is_not_for_it)
{
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(fchmod(a.file.fd, 0644), 0);
	ck_assert_int_eq(nbtest_as_nobody(info_as_nobody, &a), 0);
	abi_end(&a);
}
END_TEST

Suite *check_file_info_suite(void)
{
	Suite *s = suite_create("file_info");

	nbtest_add(s, a_file_of_the_tested_file_system_is_in_the_table);
	nbtest_add(s, a_file_that_cannot_wait_by_callback_is_told);
	nbtest_add_table(s, info_of_a_refused_file, refused);
	nbtest_add(s, info_takes_anything_in_its_out_members);
	nbtest_add(s, info_tells_a_stranger_that_residency_is_not_for_it);
	return s;
}
