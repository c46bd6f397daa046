// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that cannot be read: each with its errno, for READ, READV, CACHED, ASYNC,
 * TRY and the registration alike, and no reference to them is kept.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "abi.h"

Suite *check_bad_files_suite(void);

static int open_closed(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static int open_o_path(const char *path)
{
	return open(path, O_PATH | O_CLOEXEC);
}

static int open_write_only(const char *path)
{
	return open(path, O_WRONLY | O_CLOEXEC);
}

static int open_direct(const char *path)
{
	return open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
}

static int open_write_only_direct(const char *path)
{
	return open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
}

static int open_directory(const char *path)
{
	(void)path;
	return open(nbtest_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The other ends stay open in this test's process. */
static int open_pipe(const char *path)
{
	int fds[2];

	(void)path;
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "data", 4), 4);
	return fds[0];
}

static int open_pipe_writer(const char *path)
{
	int fds[2];

	(void)path;
	ck_assert_int_eq(pipe(fds), 0);
	return fds[1];
}

static int open_socket(const char *path)
{
	int fds[2];

	(void)path;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(write(fds[1], "data", 4), 4);
	return fds[0];
}

static int open_eventfd(const char *path)
{
	(void)path;
	return eventfd(1, EFD_CLOEXEC);
}

static int open_epoll(const char *path)
{
	(void)path;
	return epoll_create1(EPOLL_CLOEXEC);
}

static int open_timerfd(const char *path)
{
	(void)path;
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static int open_inotify(const char *path)
{
	(void)path;
	return inotify_init1(IN_CLOEXEC);
}

static int open_device(const char *path)
{
	(void)path;
	return raw_open_fd();
}

static int open_proc(const char *path)
{
	(void)path;
	return open("/proc/self/status", O_RDONLY | O_CLOEXEC);
}

static int open_sysfs(const char *path)
{
	(void)path;
	return open("/sys/kernel/uevent_seqnum", O_RDONLY | O_CLOEXEC);
}

static int open_zero(const char *path)
{
	(void)path;
	return open("/dev/zero", O_RDONLY | O_CLOEXEC);
}

static int open_null(const char *path)
{
	(void)path;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int open_terminal(const char *path)
{
	(void)path;
	return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static const struct {
	const char *what;
	int (*open)(const char *path);
	int want;
} files[] = {
	{ "closed_fd", open_closed, -EBADF },
	{ "o_path_fd", open_o_path, -EBADF },
	{ "write_only_file", open_write_only, -EBADF },
	{ "write_only_o_direct_file", open_write_only_direct, -EBADF },
	{ "pipe_writer", open_pipe_writer, -ESPIPE },
	{ "the_device_itself", open_device, -EBADF },
	{ "directory", open_directory, -EISDIR },
	{ "pipe", open_pipe, -ESPIPE },
	{ "socket", open_socket, -ESPIPE },
	{ "eventfd", open_eventfd, -ESPIPE },
	{ "epoll", open_epoll, -ESPIPE },
	{ "timerfd", open_timerfd, -ESPIPE },
	{ "inotify", open_inotify, -ESPIPE },
	{ "terminal", open_terminal, -ESPIPE },
	{ "o_direct_file", open_direct, -EOPNOTSUPP },
	{ "proc_file", open_proc, -EOPNOTSUPP },
	{ "sysfs_file", open_sysfs, -EOPNOTSUPP },
	{ "dev_zero", open_zero, -EOPNOTSUPP },
	{ "dev_null", open_null, -EOPNOTSUPP },
};

/* How it is asked for. */
static const struct {
	const char *how;
	uint8_t opcode;
	uint16_t flags;
	enum { BY_SQE, BY_TRY, BY_REGISTER } by;
} ways[] = {
	{ "read", NBREAD_OP_READ, 0, BY_SQE },
	{ "readv", NBREAD_OP_READV, 0, BY_SQE },
	{ "cached_read", NBREAD_OP_READ, NBREAD_SQE_CACHED, BY_SQE },
	{ "noio_read", NBREAD_OP_READ, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO, BY_SQE },
	{ "async_read", NBREAD_OP_READ, NBREAD_SQE_ASYNC, BY_SQE },
	{ "try", 0, 0, BY_TRY },
	{ "registration", 0, 0, BY_REGISTER },
};

#define NR_FILES NBTEST_ARRAY_SIZE(files)

/* Alone and behind a good one; all or nothing, but an update says how far it came. */
static void check_registration(struct abi *a, int fd, int want)
{
	int fds[2] = { a->file.fd, fd };

	ck_assert_int_eq(raw_register(a->r.fd, NBREAD_REGISTER_FILES, 0, &fd, 1, 0), want);
	ck_assert_int_eq(raw_register(a->r.fd, NBREAD_REGISTER_FILES, 0, fds, 2, 0), want);
	ck_assert_int_eq(raw_register(a->r.fd, NBREAD_UNREGISTER_FILES, 0, NULL, 0, 0), -ENXIO);
	ck_assert_int_eq(raw_register(a->r.fd, NBREAD_REGISTER_FILES, NBREAD_REGISTER_SPARSE, NULL,
				      2, 0),
			 0);
	ck_assert_int_eq(raw_register(a->r.fd, NBREAD_REGISTER_FILES_UPDATE, 0, &fd, 1, 0), want);
	ck_assert_int_eq(raw_register(a->r.fd, NBREAD_REGISTER_FILES_UPDATE, 0, fds, 2, 0), 1);
	ck_assert_int_eq(raw_read(&a->r, 1, a->buf, 4096, 0, NBREAD_SQE_FIXED_FILE, NULL), -EBADF);
	ck_assert_int_eq(raw_register(a->r.fd, NBREAD_UNREGISTER_FILES, 0, NULL, 0, 0), 0);
}

START_TEST(a_read_of_a_bad_file)
{
	size_t way = (size_t)_i / NR_FILES;
	struct nbread_sqe sqe;
	struct nbread_cqe cqe;
	struct iovec iov;
	uint32_t flags = 0;
	struct abi a;
	int fd, want = files[(size_t)_i % NR_FILES].want;

	abi_begin(&a);
	fd = files[(size_t)_i % NR_FILES].open(a.file.path);
	ck_assert_msg(fd >= 0, "open: %s", strerror(errno));
	a.fds = nbtest_open_fds();

	if (ways[way].by == BY_REGISTER) {
		check_registration(&a, fd, want);
	} else if (ways[way].by == BY_TRY) {
		ck_assert_int_eq(raw_try(a.r.fd, fd, a.buf, 4096, 4096, 0, &flags), want);
	} else {
		sqe = abi_valid(&a);
		sqe.fd = fd;
		sqe.opcode = ways[way].opcode;
		sqe.flags = ways[way].flags;
		if (sqe.opcode == NBREAD_OP_READV) {
			iov = (struct iovec){ a.buf, 4096 };
			sqe.addr = (uintptr_t)&iov;
			sqe.len = 1;
		}
		cqe = abi_submit(&a, &sqe);
		flags = cqe.flags;
		ck_assert_int_eq(cqe.res, want);
		ck_assert_uint_eq(cqe.user_data, ABI_USER_DATA);
	}
	ck_assert_uint_eq(flags, 0);
	abi_check_canary(&a, 0);
	/* A reference that was kept would hold the file open for writing: abi_end() sees it. */
	if (want != -EBADF || fcntl(fd, F_GETFD) >= 0) {
		close(fd);
		a.fds--;
	}
	abi_end(&a);
}
END_TEST

Suite *check_bad_files_suite(void)
{
	static char names[NR_FILES * NBTEST_ARRAY_SIZE(ways)][64];
	Suite *s = suite_create("bad_files");

	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(names); i++) {
		snprintf(names[i], sizeof(names[i]), "%s_of_%s_is_refused", ways[i / NR_FILES].how,
			 files[i % NR_FILES].what);
		nbtest_add_tcase(s, names[i], a_read_of_a_bad_file, NULL, NULL, (int)i, (int)i + 1,
				 NBTEST_TIMEOUT);
	}
	return s;
}
