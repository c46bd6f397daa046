// SPDX-License-Identifier: GPL-2.0-only
/*
 * The real lib/sys.c, which fake_sys.c replaces for the other suites: here under
 * other names. -errno comes back, and errno is as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "nbtest.h"
#include "fake.h"
#include "real_sys.h"

#define MARK 4711 /* no errno */

START_TEST(an_open_that_fails_returns_its_error_and_leaves_errno)
{
	errno = MARK;
	ck_assert_int_eq(real_open("/nonexistent/device"), -ENOENT);
	ck_assert_int_eq(errno, MARK);
}
END_TEST

START_TEST(an_opened_device_is_closed_on_exec_and_open_for_both)
{
	int fd = real_open("/dev/zero");

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(real_close(fd), 0);
}
END_TEST

START_TEST(the_other_calls_return_their_errors_and_leave_errno)
{
	void *mem = &mem;

	errno = MARK;
	ck_assert_int_eq(real_close(-1), -EBADF);
	ck_assert_int_eq(real_ioctl(-1, NBREAD_IOC_QUERY, NULL), -EBADF);
	ck_assert_int_eq(real_mmap(-1, 4096, &mem), -EBADF);
	ck_assert_ptr_eq(mem, &mem);
	ck_assert_int_eq(real_munmap((void *)1, 4096), -EINVAL);
	ck_assert_int_eq(errno, MARK);
}
END_TEST

START_TEST(the_clock_is_the_monotonic_one)
{
	uint64_t before = nbtest_now_ns(), now = real_now_ns();

	ck_assert_uint_ge(now, before);
	ck_assert_uint_le(now, nbtest_now_ns());
}
END_TEST

START_TEST(a_device_that_does_not_know_the_call_is_enotty)
{
	struct nbread_query q;
	int fd = real_open("/dev/zero");

	ck_assert_int_eq(real_ioctl(fd, NBREAD_IOC_QUERY, &q), -ENOTTY);
	real_close(fd);
}
END_TEST

START_TEST(a_mapping_is_shared_with_the_file)
{
	struct nbtest_file f;
	void *mem = NULL;
	char c;

	nbtest_file_new(&f, 1, 4096);
	ck_assert_int_eq(real_mmap(f.fd, 4096, &mem), 0);
	*(char *)mem = 'x';
	ck_assert_int_eq(pread(f.fd, &c, 1, 0), 1);
	ck_assert_int_eq(c, 'x');
	ck_assert_int_eq(real_munmap(mem, 4096), 0);
	nbtest_file_free(&f);
}
END_TEST

static int make_a_file_that_is_too_large(void *arg)
{
	struct rlimit limit = { 4096, 4096 };
	int fd;

	(void)arg;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 1;
	errno = MARK;
	/* The kernel would say so by a signal that kills. */
	if (real_memfd(4097) != -EFBIG || errno != MARK)
		return 2;
	fd = real_memfd(4096);
	return fd < 0 || real_memfd(0) < 0 ? 3 : 0;
}

START_TEST(a_file_above_the_limit_of_their_size_is_efbig_and_no_signal)
{
	ck_assert_int_eq(nbtest_in_child(make_a_file_that_is_too_large, NULL), 0);
}
END_TEST

START_TEST(a_copy_to_memory_that_is_not_there_is_efault_or_short)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *mem =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec to[2] = { { mem, 3 }, { mem + page - 6, 6 } };

	ck_assert_ptr_ne(mem, MAP_FAILED);
	munmap(mem + page, page);
	ck_assert_int_eq(real_copy(to, 2, "abcdefghi", 9), 9);
	ck_assert_int_eq(memcmp(mem, "abc", 3), 0);
	ck_assert_int_eq(memcmp(mem + page - 6, "defghi", 6), 0);
	to[1].iov_len = 7;
	ck_assert_int_lt(real_copy(to, 2, "0123456789", 10), 10);
	to[0].iov_base = mem + page;
	errno = MARK;
	ck_assert_int_eq(real_copy(to, 1, "xyz", 3), -EFAULT);
	ck_assert_int_eq(errno, MARK);
	munmap(mem, page);
}
END_TEST

static void *copy_without_a_main_thread(void *arg)
{
	char c = 0;
	struct iovec to = { &c, 1 };

	pthread_join(*(pthread_t *)arg, NULL);
	_exit(real_copy(&to, 1, "x", 1) == 1 && c == 'x' ? 0 : 1);
}

static int leave_by_the_main_thread(void *arg)
{
	static pthread_t self;
	pthread_t thread;

	(void)arg;
	self = pthread_self();
	if (pthread_create(&thread, NULL, copy_without_a_main_thread, &self))
		return 2;
	pthread_exit(NULL);
}

START_TEST(a_copy_needs_no_main_thread)
{
	ck_assert_int_eq(nbtest_in_child(leave_by_the_main_thread, NULL), 0);
}
END_TEST

START_TEST(memory_that_is_given_back_is_0_with_a_file_below_it_and_without)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fds[2] = { -1, real_memfd(page) };
	void *mem;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(real_memory(fds[i], page, &mem), 0);
		memset(mem, 'x', page);
		errno = MARK;
		ck_assert_int_eq(real_forget(mem, page), 0);
		ck_assert_int_eq(errno, MARK);
		ck_assert_int_eq(*(char *)mem, 0);
		real_munmap(mem, page);
	}
	real_close(fds[1]);
}
END_TEST

static volatile sig_atomic_t caught, left;

static void on_signal(int sig)
{
	caught = sig;
}

static void *interrupt(void *target)
{
	/* Again and again, since the first may come before the call sleeps. */
	while (!left) {
		pthread_kill(*(pthread_t *)target, SIGUSR1);
		nbtest_sleep_tick();
	}
	return NULL;
}

START_TEST(a_call_that_a_signal_interrupts_is_not_started_again)
{
	struct sigaction sa = { .sa_handler = on_signal }; /* no SA_RESTART */
	pthread_t self = pthread_self(), thread;
	struct nbtest_file f;
	int ret;

	/* An open that waits: for the holder of a lease, us, to give it up. */
	nbtest_file_new(&f, 1, 4096);
	if (fcntl(f.fd, F_SETLEASE, F_WRLCK) < 0) {
		nbtest_file_free(&f);
		nbtest_skip("no file leases here: %m");
	}
	signal(SIGIO, SIG_IGN);
	sigaction(SIGUSR1, &sa, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt, &self), 0);
	errno = MARK;
	ret = real_open(f.path);
	ck_assert_int_eq(errno, MARK);
	left = 1;
	ck_assert_int_eq(ret, -EINTR);
	ck_assert_int_eq(caught, SIGUSR1);
	pthread_join(thread, NULL);
	nbtest_file_free(&f);
}
END_TEST

START_TEST(the_null_device_looks_at_vectors_and_gives_no_byte)
{
	char byte = 'x';
	struct iovec iov[2] = { { &byte, 1 }, { &byte, 1 } };
	const __u64 off = UINT64_C(1) << 40;
	int fd = real_null();

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq((int)real_read(fd, iov, 2, off, false), 0);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_eq((int)real_read(fd, (struct iovec *)8, 2, off, false), -EFAULT);
	iov[1].iov_len = SIZE_MAX;
	ck_assert_int_eq((int)real_read(fd, iov, 2, off, false), -EINVAL);
	real_close(fd);
}
END_TEST

Suite *check_sys_suite(void)
{
	Suite *s = suite_create("sys");

	nbtest_add(s, an_open_that_fails_returns_its_error_and_leaves_errno);
	nbtest_add(s, an_opened_device_is_closed_on_exec_and_open_for_both);
	nbtest_add(s, the_other_calls_return_their_errors_and_leave_errno);
	nbtest_add(s, the_clock_is_the_monotonic_one);
	nbtest_add(s, a_device_that_does_not_know_the_call_is_enotty);
	nbtest_add(s, a_mapping_is_shared_with_the_file);
	nbtest_add(s, a_file_above_the_limit_of_their_size_is_efbig_and_no_signal);
	nbtest_add(s, a_copy_to_memory_that_is_not_there_is_efault_or_short);
	nbtest_add(s, a_copy_needs_no_main_thread);
	nbtest_add(s, memory_that_is_given_back_is_0_with_a_file_below_it_and_without);
	nbtest_add(s, a_call_that_a_signal_interrupts_is_not_started_again);
	nbtest_add(s, the_null_device_looks_at_vectors_and_gives_no_byte);
	return s;
}
