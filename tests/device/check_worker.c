// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that cannot wait by callback are read by workers: right data, PUNTED in
 * the CQE, a bounded number at a time, with the submitter's credentials and
 * cgroups; and a worker that hangs holds up nobody who wants to leave.
 */
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include "device.h"
#include "dm.h"
#include "fuse.h"

#define SIZE KB(256)

enum { ON_TMPFS, ON_OVERLAY, ON_VFAT, ON_FUSE, NR_KINDS };

/* A cold file of SIZE bytes with id 13, or -1 where there is none to be had */
static int file_on(int kind)
{
	struct dev_fs dir = { .name = "it" };
	int fd;

	switch (kind) {
	case ON_TMPFS:
		nbtest_must_sh("mkdir -p /run/nbt-tmpfs && { mountpoint -q /run/nbt-tmpfs || "
			       "mount -t tmpfs nbt /run/nbt-tmpfs; }");
		strcpy(dir.mnt, "/run/nbt-tmpfs");
		return dev_file(&dir, SIZE, 13);
	case ON_OVERLAY:
		nbtest_must_sh(
			"modprobe overlay; cd %s && mkdir -p lo up wk && mkdir -p /run/nbt-ovl && "
			"{ mountpoint -q /run/nbt-ovl || mount -t overlay -o "
			"lowerdir=$PWD/lo,upperdir=$PWD/up,workdir=$PWD/wk nbt /run/nbt-ovl; }",
			dev_fs(DEV_EXT4)->mnt);
		strcpy(dir.mnt, "/run/nbt-ovl");
		fd = dev_file(&dir, SIZE, 13);
		nbtest_drop_caches();
		return fd;
	case ON_VFAT:
		return dev_cold_file(dev_fs(DEV_VFAT), SIZE, 13);
	case ON_FUSE:
		return open(fuse_start(SIZE, 13), O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

static void leave(int kind, int fd)
{
	close(fd);
	if (kind == ON_FUSE)
		fuse_stop();
	/* It would keep the ext4 below busy. */
	if (kind == ON_OVERLAY)
		nbtest_must_sh("umount /run/nbt-ovl");
}

static void check_punted(const struct nbread_file_info *info, unsigned int flags)
{
	if (!(info->flags & NBREAD_FILE_RESIDENT) || flags != NBREAD_CQE_HIT)
		ck_assert_uint_eq(flags, NBREAD_CQE_PUNTED);
}

START_TEST(a_file_without_callbacks_is_read_by_a_worker)
{
	int fd = file_on(_i);
	unsigned char *buf = dev_buf(SIZE + 64);
	struct iovec iov[3] = { { buf, 1 }, { buf + 1, 9999 }, { buf + 10000, 30000 } };
	struct nbread_file_info info;
	struct nbread_cqe cqe;
	struct nbread ring;

	ck_assert_int_ge(fd, 0);
	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	ck_assert_uint_eq(info.flags & NBREAD_FILE_PARKS, 0);
	ck_assert_int_eq(info.error, 0);
	/*
	 * Twice: not resident (as far as there is such a thing), and resident. Who answers
	 * that one FILE_INFO says; check_kinds.c holds it to that.
	 */
	for (int i = 0; i < 2; i++) {
		cqe = dev_read(&ring, fd, buf, SIZE + 64, 0, 0);
		ck_assert_int_eq(cqe.res, SIZE);
		check_punted(&info, cqe.flags);
		dev_check(buf, SIZE, 0, 13);
		dev_check_same(buf + SIZE, 64, 0xa5);
		memset(buf, 0xa5, SIZE);
		cqe = dev_readv(&ring, fd, iov, 3, 4095, 0);
		ck_assert_int_eq(cqe.res, 40000);
		check_punted(&info, cqe.flags);
		dev_check(buf, 40000, 4095, 13);
		memset(buf, 0xa5, SIZE);
		ck_assert_int_eq(dev_read(&ring, fd, buf, PG, SIZE - 5, 0).res, 5);
		ck_assert_int_eq(dev_read(&ring, fd, buf, PG, SIZE, 0).res, 0);
		memset(buf, 0xa5, SIZE);
	}
	if (!(info.flags & NBREAD_FILE_RESIDENT))
		ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-hits"), 0);
	nbread_queue_exit(&ring);
	leave(_i, fd);
}
END_TEST

START_TEST(a_cached_read_of_such_a_file_never_waits_and_never_says_0_before_its_end)
{
	int fd = file_on(_i), res;
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;

	ck_assert_int_ge(fd, 0);
	dev_ring(&ring, 8);
	if (_i == ON_FUSE)
		fuse_hold();
	res = dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res;
	ck_assert_msg(res == -EAGAIN || res == (int)PG, "CACHED: %d", res);
	if (res > 0)
		dev_check(buf, res, 0, 13);
	res = dev_try(&ring, fd, buf, PG, 0, 0).res;
	ck_assert_msg(res == -EAGAIN || res == (int)PG, "TRY: %d", res);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-punted"), 0);
	nbread_queue_exit(&ring);
	leave(_i, fd);
}
END_TEST

START_TEST(a_hole_of_tmpfs_reads_as_zeros)
{
	int fd = file_on(ON_TMPFS);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert_int_eq(ftruncate(fd, 3 * SIZE), 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, SIZE - 100, 0).res, SIZE);
	dev_check(buf, 100, SIZE - 100, 13);
	dev_check_same(buf + 100, SIZE - 100, 0);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_file_of_the_project_tree_is_read_by_a_worker)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	unsigned char *buf = dev_buf(SIZE), *own = dev_buf(SIZE);
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	for (off_t off = 0; off < (off_t)SIZE; off += 50000) {
		ssize_t n = pread(fd, own, 40000, off);

		cqe = dev_read(&ring, fd, buf, 40000, off, 0);
		ck_assert_int_eq(cqe.res, n);
		ck_assert_mem_eq(buf, own, n);
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(async_goes_to_a_worker_at_once)
{
	int fd = dev_cold_file(dev_fs(_i), SIZE, 13);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int i = 0; i < 2; i++) {
		cqe = dev_read(&ring, fd, buf, SIZE - 100, 50, NBREAD_SQE_ASYNC);
		ck_assert_int_eq(cqe.res, SIZE - 100);
		ck_assert_uint_eq(cqe.flags & ~NBREAD_CQE_HIT, NBREAD_CQE_PUNTED);
		dev_check(buf, SIZE - 100, 50, 13);
		memset(buf, 0xa5, SIZE);
	}
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-punted"), 2);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_worker_reads_with_the_credentials_of_the_submission)
{
	int fd = file_on(ON_FUSE);
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;

	dev_ring(&ring, 8);
	fuse_hold();
	dev_prep(&ring, fd, buf, PG, 0, 0, 1);
	dev_nobody();
	dev_submit(&ring, 1);
	dev_root();
	dev_await(fuse_held() == 1);
	ck_assert_uint_eq(fuse_reader_uid(), 65534);
	fuse_release();
	ck_assert_int_eq(dev_next(&ring).res, PG);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 8 * PG, 0).res, PG);
	ck_assert_uint_eq(fuse_reader_uid(), 0);
	nbread_queue_exit(&ring);
	leave(ON_FUSE, fd);
}
END_TEST

/* So many reads that all workers hang and four more are queued; how many workers */
static int hang(struct nbread *ring, int fd, unsigned char *buf)
{
	struct nbread_query q;
	int n;

	dev_ring(ring, 256);
	ck_assert_int_eq(nbread_query(ring, &q), 0);
	n = (int)q.max_workers;
	ck_assert_int_ge(n, 1);
	ck_assert_int_le(n + 4, (int)(SIZE / PG));
	fuse_hold();
	for (int i = 0; i < n + 4; i++)
		dev_prep(ring, fd, buf + i * PG, PG, i * PG, 0, i);
	dev_submit(ring, n + 4);
	dev_await(fuse_held() == (unsigned int)n);
	return n;
}

START_TEST(queued_reads_can_be_cancelled_and_running_ones_complete)
{
	int fd = file_on(ON_FUSE), n;
	unsigned char *buf = dev_buf(SIZE);
	struct nbread_cqe cqe;
	struct nbread ring;

	n = hang(&ring, fd, buf);
	for (int i = n; i < n + 3; i++) {
		ck_assert_int_eq(nbread_cancel64(&ring, i, 0), 1);
		ck_assert_uint_eq(nbread_cq_ready(&ring), 1);
		cqe = dev_next(&ring);
		ck_assert_uint_eq(cqe.user_data, i);
		ck_assert_int_eq(cqe.res, -ECANCELED);
	}
	ck_assert_int_eq(nbread_cancel64(&ring, 0, 0), -EALREADY);
	dev_check_none(&ring);
	fuse_release();
	for (int i = 0; i < n + 1; i++) {
		cqe = dev_next(&ring);
		ck_assert(cqe.user_data < (unsigned int)n || cqe.user_data == (unsigned int)n + 3);
		ck_assert_int_eq(cqe.res, PG);
		dev_check(buf + cqe.user_data * PG, PG, cqe.user_data * PG, 13);
	}
	dev_check_none(&ring);
	/* The cancelled ones did not run after all. */
	dev_check_same(buf + n * PG, 3 * PG, 0xa5);
	nbread_queue_exit(&ring);
	leave(ON_FUSE, fd);
}
END_TEST

START_TEST(close_does_not_wait_for_a_worker_that_hangs)
{
	int fd = file_on(ON_FUSE);
	unsigned char *buf = dev_buf(SIZE);
	long refs = dev_module_idle();
	struct nbread ring;

	hang(&ring, fd, buf);
	nbread_queue_exit(&ring);
	/* Its text is still in use. */
	ck_assert_int_gt(dev_module_refs(), refs);
	fuse_release();
	dev_await(dev_module_refs() == refs);
	leave(ON_FUSE, fd);
}
END_TEST

START_TEST(a_killed_process_does_not_wait_for_a_worker_that_hangs)
{
	int fd = file_on(ON_FUSE), ready[2], status;
	long refs = dev_module_idle();
	unsigned char *buf = dev_buf(SIZE);
	struct nbread_query q;
	struct nbread ring;
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	ck_assert_int_eq(nbread_query(NULL, &q), 0);
	fuse_hold();
	pid = fork();
	if (!pid) {
		/* The server is a thread of the parent. */
		dev_ring(&ring, 64);
		for (unsigned int i = 0; i < q.max_workers && i < 32; i++)
			dev_prep(&ring, fd, buf + i * PG, PG, i * PG, 0, i);
		ck_assert_int_gt(nbread_submit(&ring), 0);
		ck_assert_int_eq(write(ready[1], "x", 1), 1);
		if (_i)
			_exit(0);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	if (!_i)
		dev_await(fuse_held() > 0);
	if (!_i)
		kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, _i ? 0 : SIGKILL);
	fuse_release();
	dev_await(dev_module_refs() == refs);
	leave(ON_FUSE, fd);
}
END_TEST

/*
 * A number from a line 'KEY N' or 'MAJ:MIN rbytes=N ...' of a cgroup's file; of several lines the
 * most, since a read of one device may be a read of the one below it too.
 */
static unsigned long long from_cgroup(const char *file, const char *key)
{
	char path[128], line[256];
	unsigned long long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/nbt/%s", file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, key);
		unsigned long long here;

		/* 'inactive_file ' is another key. */
		if (!at || (at > line && at[-1] != ' '))
			continue;
		here = strtoull(at + strlen(key), NULL, 10);
		n = here > n ? here : n;
	}
	if (f)
		fclose(f);
	return n;
}

START_TEST(a_worker_charges_the_submitter_s_cgroups)
{
	int fd = dev_cold_file(dev_fs(DEV_EXT4), MB(8), 13);
	unsigned char *buf = dev_buf(MB(1));
	unsigned long long io, file;
	struct nbread ring;

	if (nbtest_sh("cd /sys/fs/cgroup && echo '+io +memory' >cgroup.subtree_control && "
		      "mkdir -p nbt && echo %d >nbt/cgroup.procs",
		      getpid()))
		nbtest_skip("no cgroup2 with io and memory");
	dev_ring(&ring, 8);
	io = from_cgroup("io.stat", "rbytes=");
	file = from_cgroup("memory.stat", "file ");
	for (size_t off = 0; off < MB(8); off += MB(1))
		ck_assert_int_eq(dev_read(&ring, fd, buf, MB(1), off, NBREAD_SQE_ASYNC).res, MB(1));
	/* The kernel adds both up some time later. */
	dev_await(from_cgroup("io.stat", "rbytes=") >= io + MB(8));
	dev_await(from_cgroup("memory.stat", "file ") >= file + MB(8) * 9 / 10);
	nbread_queue_exit(&ring);
	nbtest_must_sh("echo %d >/sys/fs/cgroup/cgroup.procs", getpid());
}
END_TEST

Suite *check_worker_suite(void)
{
	Suite *s = suite_create("worker");

	nbtest_add_loop(s, a_file_without_callbacks_is_read_by_a_worker, NR_KINDS);
	nbtest_add_loop(s, a_cached_read_of_such_a_file_never_waits_and_never_says_0_before_its_end,
			NR_KINDS);
	nbtest_add(s, a_hole_of_tmpfs_reads_as_zeros);
	nbtest_add(s, a_file_of_the_project_tree_is_read_by_a_worker);
	dev_add_each(s, async_goes_to_a_worker_at_once);
	nbtest_add(s, a_worker_reads_with_the_credentials_of_the_submission);
	nbtest_add(s, queued_reads_can_be_cancelled_and_running_ones_complete);
	nbtest_add(s, close_does_not_wait_for_a_worker_that_hangs);
	nbtest_add_loop(s, a_killed_process_does_not_wait_for_a_worker_that_hangs, 2);
	nbtest_add(s, a_worker_charges_the_submitter_s_cgroups);
	return s;
}
