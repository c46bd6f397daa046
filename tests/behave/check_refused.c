// SPDX-License-Identifier: GPL-2.0-only
/* Promises 8 to 10: what is told to whom, wrong entries, and files that are refused. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "behave.h"

static struct nbread ring;

static int pipe_end(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	return fds[0];
}

static int direct(void)
{
	char path[] = "/proc/self/fd/1234567", *at = path + 14;
	int fd = behave_warm_file(PG, 3), ret;

	snprintf(at, sizeof(path) - 14, "%d", fd);
	ret = open(path, O_RDONLY | O_DIRECT);
	if (ret < 0)
		nbtest_skip_now("no O_DIRECT here");
	return ret;
}

static int reopened(int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", behave_warm_file(PG, 3));
	return open(path, flags);
}

static int not_open(void)
{
	return 1 << 19;
}
static int own(void)
{
	return nbread_ring_fd(&ring);
}
static int write_only(void)
{
	return reopened(O_WRONLY);
}
static int by_path(void)
{
	return reopened(O_PATH);
}
static int sock(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int event(void)
{
	return eventfd(0, 0);
}
static int poller(void)
{
	return epoll_create1(0);
}
static int dir(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}
static int proc(void)
{
	return open("/proc/self/status", O_RDONLY);
}
static int sysfs(void)
{
	return open("/sys/kernel/uevent_seqnum", O_RDONLY);
}
static int null(void)
{
	return open("/dev/null", O_RDONLY);
}

static const struct {
	const char *name;
	int (*fd)(void);
	int want;
	unsigned why;
} refused[] = {
	{ "a_descriptor_that_is_not_open_is_ebadf", not_open, -EBADF, ~0U },
	{ "a_path_descriptor_is_ebadf", by_path, -EBADF, ~0U },
	{ "the_ring_itself_is_ebadf", own, -EBADF, NBREAD_WHY_NBREAD },
	{ "a_file_open_for_writing_is_ebadf", write_only, -EBADF, NBREAD_WHY_NOT_READABLE },
	{ "a_pipe_is_espipe", pipe_end, -ESPIPE, NBREAD_WHY_NOT_SEEKABLE },
	{ "a_socket_is_espipe", sock, -ESPIPE, NBREAD_WHY_NOT_SEEKABLE },
	{ "an_eventfd_is_espipe", event, -ESPIPE, NBREAD_WHY_NOT_SEEKABLE },
	{ "an_epoll_is_espipe", poller, -ESPIPE, NBREAD_WHY_NOT_SEEKABLE },
	{ "a_directory_is_eisdir", dir, -EISDIR, NBREAD_WHY_DIRECTORY },
	{ "a_file_of_proc_is_eopnotsupp", proc, -EOPNOTSUPP, NBREAD_WHY_NO_PAGE_CACHE },
	{ "a_file_of_sysfs_is_eopnotsupp", sysfs, -EOPNOTSUPP, NBREAD_WHY_NO_PAGE_CACHE },
	{ "dev_null_is_eopnotsupp", null, -EOPNOTSUPP, NBREAD_WHY_NO_PAGE_CACHE },
	{ "a_file_with_o_direct_is_eopnotsupp", direct, -EOPNOTSUPP, NBREAD_WHY_DIRECT_IO },
};

START_TEST(refused_file)
{
	struct nbread_file_info info;
	char buf[16];
	int fd, ret;

	nbtest_row(refused[_i].name);
	behave_ring(&ring, 8);
	fd = refused[_i].fd();
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(behave_read(&ring, fd, buf, sizeof(buf), 0, 0).res, refused[_i].want);
	ck_assert_int_eq(behave_read(&ring, fd, buf, 0, 0, NBREAD_SQE_ASYNC).res, refused[_i].want);
	ck_assert_int_eq(nbread_try(&ring, fd, buf, sizeof(buf), 0, 0), refused[_i].want);
	ret = nbread_file_info(&ring, fd, &info);
	if (refused[_i].why == ~0U) {
		ck_assert_int_eq(ret, -EBADF);
		return;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(info.error, refused[_i].want);
	ck_assert_uint_eq(info.reason, refused[_i].why);
	ck_assert_uint_eq(info.path, NBREAD_PATH_REFUSED);
}
END_TEST

static const struct {
	const char *name;
	struct nbread_sqe sqe;
	int want;
} wrong[] = {
	{ "an_unknown_opcode_is_einval", { .opcode = 99 }, -EINVAL },
	{ "a_reserved_byte_is_einval", { .opcode = NBREAD_OP_READ, .resv0 = 1 }, -EINVAL },
	{ "a_reserved_half_word_is_einval", { .opcode = NBREAD_OP_READ, .resv1 = 1 }, -EINVAL },
	{ "a_reserved_word_is_einval", { .opcode = NBREAD_OP_READ, .resv2 = { 0, 1 } }, -EINVAL },
	{ "an_unknown_flag_is_einval", { .opcode = NBREAD_OP_READ, .flags = 1 << 12 }, -EINVAL },
	{ "a_buffer_index_of_a_plain_read_is_einval",
	  { .opcode = NBREAD_OP_READ, .buf_index = 1 },
	  -EINVAL },
	{ "noio_without_cached_is_einval",
	  { .opcode = NBREAD_OP_READ, .flags = NBREAD_SQE_NOIO },
	  -EINVAL },
	{ "cached_and_async_are_einval",
	  { .opcode = NBREAD_OP_READ, .flags = NBREAD_SQE_CACHED | NBREAD_SQE_ASYNC },
	  -EINVAL },
	{ "a_negative_offset_is_einval", { .opcode = NBREAD_OP_READ, .off = -1ULL }, -EINVAL },
	{ "a_length_above_the_limit_is_einval",
	  { .opcode = NBREAD_OP_READ, .len = 0x80000000 },
	  -EINVAL },
	{ "an_end_that_overflows_is_einval",
	  { .opcode = NBREAD_OP_READ, .len = 9, .off = INT64_MAX - 8 },
	  -EINVAL },
	{ "too_many_vectors_are_einval", { .opcode = NBREAD_OP_READV, .len = 1025 }, -EINVAL },
	{ "vectors_that_cannot_be_read_are_efault",
	  { .opcode = NBREAD_OP_READV, .len = 2, .addr = 16 },
	  -EFAULT },
	{ "a_nop_with_a_length_is_einval", { .opcode = NBREAD_OP_NOP, .len = 1 }, -EINVAL },
};

START_TEST(wrong_entry)
{
	int fd = behave_warm_file(PG, 3);
	unsigned char *buf = behave_buf(2 * PG);
	struct nbread_sqe *sqe;

	nbtest_row(wrong[_i].name);
	behave_ring(&ring, 8);
	behave_prep(&ring, fd, buf, PG, 0, 0, 1);
	sqe = nbread_get_sqe(&ring);
	*sqe = wrong[_i].sqe;
	sqe->fd = sqe->opcode ? fd : 0;
	sqe->user_data = 2;
	behave_prep(&ring, fd, buf + PG, PG, 0, 0, 3);
	/* It ends alone. */
	behave_submit(&ring, 3);
	ck_assert_int_eq(behave_next(&ring).res, PG);
	ck_assert_int_eq(behave_next(&ring).res, wrong[_i].want);
	ck_assert_int_eq(behave_next(&ring).res, PG);
}
END_TEST

START_TEST(indices_that_cannot_be_are_einval)
{
	behave_ring(&ring, 8);
	ring.sq.sqe_tail += 1000;
	ck_assert_int_eq(nbread_submit(&ring), -EINVAL);
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 17), -EINVAL);
}
END_TEST

START_TEST(others_are_not_told_what_is_resident)
{
	int fd = behave_warm_file(PG, 3), own_fd, ret;
	struct nbread_file_info info;
	/* Before it is somebody else, who may not open the device. */
	bool noio = behave_query()->sqe_flags & NBREAD_SQE_NOIO;
	struct nbread_cqe cqe;
	char path[64], buf[64];

	if (geteuid() != 0)
		nbtest_skip("needs root, to be somebody else");
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own_fd = open(path, O_RDONLY);
	ck_assert_int_ge(own_fd, 0);
	behave_ring(&ring, 8);
	ck_assert_uint_eq(behave_read(&ring, own_fd, buf, 64, 0, 0).flags, NBREAD_CQE_HIT);
	ck_assert_int_eq(seteuid(65534), 0);
	cqe = behave_read(&ring, own_fd, buf, sizeof(buf), 0, 0);
	ck_assert_int_eq(cqe.res, sizeof(buf));
	ck_assert_uint_eq(cqe.flags, 0);
	ck_assert_int_eq(nbread_file_info(&ring, own_fd, &info), 0);
	ck_assert_uint_eq(info.flags & NBREAD_FILE_ORACLE, 0);
	ret = (int)nbread_try(&ring, own_fd, buf, sizeof(buf), 0, NBREAD_SQE_NOIO);
	ck_assert_int_eq(ret, noio ? -EPERM : -EOPNOTSUPP);
	/* Who may write it is told. */
	ck_assert_uint_eq(behave_read(&ring, fd, buf, 64, 0, 0).flags, NBREAD_CQE_HIT);
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

Suite *check_refused_suite(void)
{
	Suite *s = behave_promise(
		"refused",
		"8, 9, 10. What is told to whom; what is wrong ends alone, with a clear errno");

	behave_add(s, others_are_not_told_what_is_resident);
	behave_add_table(s, wrong_entry, wrong);
	behave_add(s, indices_that_cannot_be_are_einval);
	behave_add_table(s, refused_file, refused);
	return s;
}
