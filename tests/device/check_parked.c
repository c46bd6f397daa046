// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thousand reads parked on a device that holds its reads for minutes: cancel,
 * close, exit, exec and SIGKILL do not wait for it; the module cannot be
 * unloaded and the file system not be unmounted meanwhile; and when the device
 * lets go nothing is left behind. A call that did wait would do so until the test's time is up.
 */
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "parked.h"

/* Where the file system does not matter: one that holds no lock for a read, one that does. */
static const int kinds[] = { DEV_EXT4, DEV_BDEV };

static void check_cancelled(struct nbread *ring, int n)
{
	static bool seen[PARKED];

	memset(seen, 0, sizeof(seen));
	ck_assert_uint_eq(nbread_cq_ready(ring), n);
	for (int i = 0; i < n; i++) {
		struct nbread_cqe cqe = dev_next(ring);

		ck_assert_uint_lt(cqe.user_data, PARKED);
		ck_assert(!seen[cqe.user_data]);
		seen[cqe.user_data] = true;
		ck_assert_int_eq(cqe.res, -ECANCELED);
		ck_assert_uint_eq(cqe.flags & (NBREAD_CQE_HIT | NBREAD_CQE_PUNTED), 0);
	}
}

START_TEST(all_parked_reads_complete_when_the_device_lets_go)
{
	struct parked p;

	parked_base(&p, _i);
	parked_start(&p);
	dev_release(p.fs);
	for (int i = 0; i < PARKED; i++) {
		struct nbread_cqe cqe = dev_next(&p.ring);
		size_t n = cqe.user_data;

		ck_assert_uint_lt(n, PARKED);
		ck_assert_int_eq(cqe.res, PARKED_LEN);
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_WAITED);
		dev_check(p.buf + n * PARKED_LEN, PARKED_LEN, PARKED_OFF(n), 7);
		/* Twice would be seen here. */
		memset(p.buf + n * PARKED_LEN, 0xa5, PARKED_LEN);
	}
	dev_check_none(&p.ring);
	parked_close(&p);
	parked_gone(&p);
}
END_TEST

START_TEST(cancel_of_one_of_a_thousand_is_immediate)
{
	struct parked p;

	parked_base(&p, DEV_EXT4);
	parked_start(&p);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(nbread_cancel64(&p.ring, i * 99, 0), 1);
		check_cancelled(&p.ring, 1);
	}
	ck_assert_uint_eq(dev_fdinfo(&p.ring, "nbread-inflight"), PARKED - 10);
	ck_assert_uint_eq(dev_fdinfo(&p.ring, "nbread-cancelled"), 10);
	dev_check_same(p.buf, PARKED * PARKED_LEN, 0xa5);
	dev_release(p.fs);
	for (int i = 0; i < PARKED - 10; i++) {
		struct nbread_cqe cqe = dev_next(&p.ring);

		ck_assert_int_eq(cqe.res, PARKED_LEN);
		ck_assert(cqe.user_data % 99 || cqe.user_data > 9 * 99);
		memset(p.buf + cqe.user_data * PARKED_LEN, 0xa5, PARKED_LEN);
	}
	dev_check_none(&p.ring);
	parked_close(&p);
	parked_gone(&p);
}
END_TEST

START_TEST(cancel_of_a_thousand_is_immediate)
{
	struct parked p;

	parked_base(&p, kinds[_i]);
	parked_start(&p);
	ck_assert_int_eq(nbread_cancel64(&p.ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL),
			 PARKED);
	check_cancelled(&p.ring, PARKED);
	ck_assert_uint_eq(dev_fdinfo(&p.ring, "nbread-inflight"), 0);
	dev_check_none(&p.ring);
	/* The ring lives on and sees none of them again. */
	dev_release(p.fs);
	dev_await(dev_module_refs() <= p.refs + 2);
	dev_check_none(&p.ring);
	ck_assert(!dev_readable(&p.ring));
	parked_close(&p);
	parked_gone(&p);
}
END_TEST

START_TEST(cancel_by_file_is_immediate_and_spares_the_others)
{
	struct parked p;

	parked_base(&p, DEV_BDEV);
	parked_start(&p);
	for (int i = 0; i < 20; i++)
		dev_prep(&p.ring, p.fds[500], p.buf, 1, PARKED * PG - 1 - i, 0, 500);
	dev_submit(&p.ring, 20);
	ck_assert_int_eq(nbread_cancel_fd(&p.ring, p.fds[500], NBREAD_CANCEL_ALL), 21);
	for (int i = 0; i < 21; i++) {
		struct nbread_cqe cqe = dev_next(&p.ring);

		ck_assert_uint_eq(cqe.user_data, 500);
		ck_assert_int_eq(cqe.res, -ECANCELED);
	}
	dev_check_none(&p.ring);
	ck_assert_uint_eq(dev_fdinfo(&p.ring, "nbread-inflight"), PARKED - 1);
	parked_close(&p);
	parked_gone(&p);
}
END_TEST

START_TEST(close_of_the_ring_does_not_wait)
{
	struct parked p;

	parked_base(&p, kinds[_i]);
	parked_start(&p);
	parked_close(&p);
	/* The waiters live on by themselves. */
	ck_assert_int_gt(dev_module_refs(), p.refs);
	parked_gone(&p);
}
END_TEST

enum { END_EXIT, END_EXEC, END_SIGKILL, END_NR };

START_TEST(the_end_of_the_process_does_not_wait)
{
	struct parked p;
	int ready[2], status;
	pid_t pid;
	char byte;

	parked_base(&p, kinds[_i / END_NR]);
	ck_assert_int_eq(nbtest_sh("true"), 0);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		parked_start(&p);
		ck_assert_int_eq(write(ready[1], "x", 1), 1);
		if (_i % END_NR == END_EXIT)
			_exit(0);
		if (_i % END_NR == END_EXEC)
			execlp("true", "true", NULL);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_msg(read(ready[0], &byte, 1) == 1, "the child did not get so far");
	if (_i % END_NR == END_SIGKILL)
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, _i % END_NR == END_SIGKILL ? SIGKILL : 0);
	ck_assert_int_gt(dev_module_refs(), p.refs);
	parked_gone(&p);
}
END_TEST

static void check_rmmod_is_busy(void)
{
	ck_assert_int_eq(syscall(SYS_delete_module, "nbread", O_NONBLOCK), -1);
	/* What the kernel says for 'in use'; EBUSY is for one that is on its way in or out. */
	ck_assert_msg(errno == EWOULDBLOCK || errno == EBUSY, "%s", strerror(errno));
	ck_assert_int_ne(nbtest_sh("rmmod nbread 2>/dev/null"), 0);
	ck_assert_int_eq(access("/sys/module/nbread", F_OK), 0);
}

START_TEST(the_module_cannot_be_unloaded_before_the_last_waiter_is_gone)
{
	char params[256] = "", name[64], line[512], value[64];
	struct parked p;
	int ko;
	FILE *f;

	parked_base(&p, DEV_EXT4);
	parked_start(&p);
	check_rmmod_is_busy();
	ck_assert_int_eq(nbread_cancel64(&p.ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL),
			 PARKED);
	check_rmmod_is_busy();
	parked_close(&p);
	check_rmmod_is_busy();
	parked_gone(&p);

	/* And then it can, and comes back. */
	ck_assert(getenv("NBREAD_KO"));
	f = popen("ls /sys/module/nbread/parameters 2>/dev/null", "re");
	while (f && fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = 0;
		snprintf(line, sizeof(line), "/sys/module/nbread/parameters/%s", name);
		if (nbtest_read_text(line, value, sizeof(value)) > 0)
			snprintf(params + strlen(params), sizeof(params) - strlen(params), "%s=%s ",
				 name, value);
	}
	if (f)
		pclose(f);
	ck_assert_msg(syscall(SYS_delete_module, "nbread", O_NONBLOCK) == 0, "rmmod: %s",
		      strerror(errno));
	ck_assert_int_ne(access("/dev/nbread", F_OK), 0);
	ko = open(getenv("NBREAD_KO"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(ko, 0);
	ck_assert_msg(syscall(SYS_finit_module, ko, params, 0) == 0, "insmod: %s", strerror(errno));
	close(ko);
	dev_await(access("/dev/nbread", F_OK) == 0);
	dev_ring(&p.ring, 8);
	nbread_queue_exit(&p.ring);
}
END_TEST

START_TEST(a_file_system_with_parked_reads_is_busy_and_nothing_else)
{
	struct parked p;

	parked_base(&p, DEV_EXT4);
	parked_start(&p);
	close(p.fd);
	ck_assert_int_eq(umount2(p.fs->mnt, 0), -1);
	ck_assert_int_eq(errno, EBUSY);
	/* Now only the waiters hold it. */
	parked_close(&p);
	ck_assert_int_eq(umount2(p.fs->mnt, 0), -1);
	ck_assert_int_eq(errno, EBUSY);
	p.fd = -1;
	parked_gone(&p);
}
END_TEST

START_TEST(a_wake_up_of_another_page_is_not_taken_for_ours)
{
	const struct dev_fs *fs = dev_fs(DEV_XFS);
	unsigned char *buf = dev_buf(PG);
	struct nbread other;
	struct parked p;
	int fd;

	/* The kernel's wait queues for pages are few, so strangers share one. */
	parked_base(&p, DEV_EXT4);
	fd = dev_cold_file(fs, MB(16), 8);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	parked_start(&p);
	dev_ring(&other, 1024);
	dev_hold(fs);
	for (int i = 0; i < 1000; i++)
		dev_prep(&other, fd, buf, 1, i * 4 * PG, 0, i);
	dev_submit(&other, 1000);
	dev_check_none(&other);
	dev_release(fs);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(dev_next(&other).res, 1);
	ck_assert_uint_gt(dev_fdinfo(&other, "nbread-waited"), 900);
	ck_assert_msg(!dev_readable(&p.ring), "a read became ready though its page did not");
	dev_check_none(&p.ring);
	nbread_queue_exit(&other);
	close(fd);
	parked_close(&p);
	parked_gone(&p);
}
END_TEST

Suite *check_parked_suite(void)
{
	Suite *s = suite_create("parked");

	dev_add_each(s, all_parked_reads_complete_when_the_device_lets_go);
	nbtest_add(s, cancel_of_one_of_a_thousand_is_immediate);
	nbtest_add_loop(s, cancel_of_a_thousand_is_immediate, 2);
	nbtest_add(s, cancel_by_file_is_immediate_and_spares_the_others);
	nbtest_add_loop(s, close_of_the_ring_does_not_wait, 2);
	nbtest_add_loop(s, the_end_of_the_process_does_not_wait, 2 * END_NR);
	nbtest_add(s, the_module_cannot_be_unloaded_before_the_last_waiter_is_gone);
	nbtest_add(s, a_file_system_with_parked_reads_is_busy_and_nothing_else);
	nbtest_add(s, a_wake_up_of_another_page_is_not_taken_for_ours);
	return s;
}
