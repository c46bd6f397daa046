// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where much came in at once two cores copy it, and what holds one of them up holds up
 * nothing else. Little is copied by the task that waits, and so is everything that a
 * task wants which may use one CPU alone.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "device.h"

#define MANY 64
#define SPREAD "/sys/module/nbread/parameters/spread"

struct many {
	const struct dev_fs *fs;
	struct nbread ring;
	unsigned char *buf;
	size_t len;
	int fd;
};

/* Reads that are parked: @n of @len bytes each, none of them behind another */
static void park(struct many *m, unsigned int n, size_t len, uint64_t deadline_ns)
{
	m->fs = dev_fs(DEV_EXT4);
	m->len = len;
	m->fd = dev_cold_file(m->fs, MANY * 2 * len, 41);
	if (!m->buf)
		m->buf = dev_buf(MANY * len);
	ck_assert_int_eq(posix_fadvise(m->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&m->ring, MANY);
	dev_hold(m->fs);
	for (unsigned int i = 0; i < n; i++) {
		struct nbread_sqe *sqe = nbread_get_sqe(&m->ring);

		ck_assert(sqe);
		nbread_prep_read(sqe, m->fd, m->buf + i * len, (unsigned int)len, i * 2 * len);
		nbread_sqe_set_data64(sqe, i);
		sqe->deadline_ns = deadline_ns;
	}
	dev_submit(&m->ring, (int)n);
	dev_check_none(&m->ring);
}

/* All data came in, and nobody did anything about it. */
static void come_in(struct many *m, unsigned int n)
{
	dev_release(m->fs);
	for (unsigned int i = 0; i < n; i++)
		dev_await(nbtest_page_resident(m->fd, i * 2 * m->len));
	dev_await(dev_readable(&m->ring));
	ck_assert_uint_eq(nbread_cq_ready(&m->ring), 0);
}

static void check_all(struct many *m, unsigned int n)
{
	bool seen[MANY] = {};

	for (unsigned int i = 0; i < n; i++) {
		struct nbread_cqe cqe = dev_next(&m->ring);

		ck_assert_uint_lt(cqe.user_data, n);
		ck_assert(!seen[cqe.user_data]);
		seen[cqe.user_data] = true;
		ck_assert_int_eq(cqe.res, (int)m->len);
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_WAITED);
		dev_check(m->buf + cqe.user_data * m->len, m->len, cqe.user_data * 2 * m->len, 41);
	}
	dev_check_none(&m->ring);
	ck_assert_uint_eq(dev_fdinfo(&m->ring, "nbread-inflight"), 0);
}

static uint64_t spread(const struct many *m)
{
	return dev_fdinfo(&m->ring, "nbread-spread");
}

static void end(struct many *m)
{
	nbread_queue_exit(&m->ring);
	close(m->fd);
	dev_await(dev_module_refs() == 0);
}

static void helpers_on(void)
{
	ck_assert_int_eq(nbtest_write_text(SPREAD, "1"), 0);
}

static void helpers_off(void)
{
	ck_assert_int_eq(nbtest_write_text(SPREAD, "0"), 0);
}

static bool has_two_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

START_TEST(much_that_came_in_is_copied_by_two_cores)
{
	struct many m = {};

	if (!has_two_cpus())
		nbtest_skip("one CPU");
	park(&m, MANY, PG, 0);
	come_in(&m, MANY);
	check_all(&m, MANY);
	/* Half of those that were there at the first look, at least. */
	ck_assert_uint_ge(spread(&m), MANY / 4);
	ck_assert_uint_le(spread(&m), MANY * 3 / 4);
	end(&m);
}
END_TEST

START_TEST(little_that_came_in_is_not_handed_over)
{
	struct many m = {};

	park(&m, 8, PG, 0);
	come_in(&m, 8);
	check_all(&m, 8);
	ck_assert_uint_eq(spread(&m), 0);
	end(&m);
}
END_TEST

START_TEST(a_task_that_may_use_one_cpu_copies_by_itself)
{
	struct many m = {};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	park(&m, MANY, PG, 0);
	come_in(&m, MANY);
	check_all(&m, MANY);
	ck_assert_uint_eq(spread(&m), 0);
	end(&m);
}
END_TEST

START_TEST(with_the_parameter_off_nobody_helps)
{
	struct many m = {};
	char was[8];

	ck_assert_int_gt(nbtest_read_text(SPREAD, was, sizeof(was)), 0);
	ck_assert_int_eq(nbtest_write_text(SPREAD, "0"), 0);
	park(&m, MANY, PG, 0);
	come_in(&m, MANY);
	check_all(&m, MANY);
	ck_assert_int_eq(nbtest_write_text(SPREAD, was), 0);
	ck_assert_uint_eq(spread(&m), 0);
	end(&m);
}
END_TEST

START_TEST(reads_of_several_pages_are_right_whoever_copies_them)
{
	struct many m = {};

	/* They park again and again, also out of the hands of who helps. */
	park(&m, MANY, KB(64), 0);
	dev_release(m.fs);
	check_all(&m, MANY);
	end(&m);
}
END_TEST

/* Buffers that hold up who writes to them, until they are let go */
static int hanging_buffers(struct many *m, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		nbtest_skip_now("this kernel has no userfaultfd");
	m->buf = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(m->buf != MAP_FAILED);
	reg.range.start = (uintptr_t)m->buf;
	reg.range.len = len;
	ck_assert_int_eq(ioctl(fd, UFFDIO_API, &api), 0);
	ck_assert_int_eq(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	return fd;
}

static void let_go(int uffd, const struct many *m, size_t len)
{
	struct uffdio_range range = { (uintptr_t)m->buf, len };

	ck_assert_int_eq(ioctl(uffd, UFFDIO_UNREGISTER, &range), 0);
	close(uffd);
}

static void *enter(void *ring)
{
	return (void *)(intptr_t)nbread_get_events(ring);
}

/* The reads came in, one thread runs them, and both it and its helper hang. */
static int hang(struct many *m, pthread_t *thread, uint64_t deadline_ns)
{
	struct uffd_msg msg;
	int uffd = hanging_buffers(m, MANY * PG);

	park(m, MANY, PG, deadline_ns);
	come_in(m, MANY);
	ck_assert_int_eq(pthread_create(thread, NULL, enter, &m->ring), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	return uffd;
}

START_TEST(reads_in_the_hands_of_a_helper_that_hangs_end_by_cancel_and_deadline)
{
	int uffd, err = _i ? -ETIME : -ECANCELED;
	struct many m = {};
	unsigned int data = 0;
	pthread_t thread;

	helpers_on();
	if (!has_two_cpus())
		nbtest_skip("one CPU");
	uffd = hang(&m, &thread, _i ? nbtest_now_ns() + 4000 * MS * nbtest_slow() : 0);
	if (!_i)
		ck_assert_int_eq(nbread_cancel64(&m.ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL),
				 MANY - 2);
	dev_await(nbread_cq_ready(&m.ring) == MANY - 2);
	/* The two that are being copied end by themselves. */
	let_go(uffd, &m, MANY * PG);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	for (int i = 0; i < MANY; i++) {
		struct nbread_cqe cqe = dev_next(&m.ring);
		unsigned char *at = m.buf + cqe.user_data * PG;

		if (cqe.res == err) {
			dev_check_same(at, PG, 0);
			continue;
		}
		ck_assert_int_eq(cqe.res, PG);
		dev_check(at, PG, cqe.user_data * 2 * PG, 41);
		data++;
	}
	ck_assert_uint_eq(data, 2);
	dev_check_none(&m.ring);
	end(&m);
}
END_TEST

START_TEST(a_helper_that_hangs_holds_up_no_exit)
{
	int status, ready[2];
	char byte;
	pid_t pid;

	if (!has_two_cpus())
		nbtest_skip("one CPU");
	dev_fs(DEV_EXT4);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct many m = {};
		pthread_t thread;

		hang(&m, &thread, 0);
		ck_assert_int_eq(write(ready[1], "x", 1), 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_msg(read(ready[0], &byte, 1) == 1, "the child did not get so far");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, SIGKILL);
	dev_await(dev_module_refs() == 0);
}
END_TEST

Suite *check_spread_suite(void)
{
	Suite *s = suite_create("spread");

	nbtest_add_fixture(s, much_that_came_in_is_copied_by_two_cores, helpers_on, helpers_off);
	nbtest_add_fixture(s, little_that_came_in_is_not_handed_over, helpers_on, helpers_off);
	nbtest_add_fixture(s, a_task_that_may_use_one_cpu_copies_by_itself, helpers_on,
			   helpers_off);
	nbtest_add_fixture(s, with_the_parameter_off_nobody_helps, helpers_on, helpers_off);
	nbtest_add_fixture(s, reads_of_several_pages_are_right_whoever_copies_them, helpers_on,
			   helpers_off);
	nbtest_add_loop(s, reads_in_the_hands_of_a_helper_that_hangs_end_by_cancel_and_deadline, 2);
	nbtest_add_fixture(s, a_helper_that_hangs_holds_up_no_exit, helpers_on, helpers_off);
	return s;
}
