// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a read needs is gone before it is done: the descriptor, the file's name,
 * the buffer, the memory of the ring; and rings that are given up in any state.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include "device.h"
#include "fuse.h"

/* ENTER past the library: its view of the ring is gone. */
static int enter(int ring_fd)
{
	struct nbread_enter e = { .to_submit = 0 };
	int ret = ioctl(ring_fd, NBREAD_IOC_ENTER, &e);

	return ret < 0 ? -errno : ret;
}

START_TEST(a_file_closed_while_its_read_is_parked_is_read_all_the_same)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, KB(256), 14), own = dev_reopen(fd, O_RDONLY);
	unsigned char *buf = dev_buf(KB(256));
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	dev_hold(fs);
	dev_prep(&ring, own, buf, KB(256), 0, 0, 1);
	dev_submit(&ring, 1);
	close(own);
	/* The number may be another file by then. */
	ck_assert_int_eq(open("/dev/null", O_RDONLY | O_CLOEXEC), own);
	if (fs->mnt[0]) {
		char path[64];

		snprintf(path, sizeof(path), "%s/file14", fs->mnt);
		ck_assert_int_eq(unlink(path), 0);
	}
	dev_release(fs);
	cqe = dev_next(&ring);
	ck_assert_int_eq(cqe.res, KB(256));
	dev_check(buf, KB(256), 0, 14);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_buffer_that_is_gone_when_the_data_comes_is_efault)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, KB(64), 14);
	unsigned char *buf = dev_buf(3 * PG);
	struct nbread ring;

	dev_ring(&ring, 8);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, PG, 0, 0, 1);
	dev_prep(&ring, fd, buf + PG, 2 * PG, 8 * PG, 0, 2);
	dev_submit(&ring, 2);
	munmap(buf, PG);
	munmap(buf + 2 * PG, PG);
	dev_release(fs);
	for (int i = 0; i < 2; i++) {
		struct nbread_cqe cqe = dev_next(&ring);

		/* As pread(2): what could be delivered counts. */
		ck_assert_int_eq(cqe.res, cqe.user_data == 1 ? -EFAULT : (int)PG);
	}
	dev_check(buf + PG, PG, 8 * PG, 14);
	dev_check_none(&ring);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(the_ring_memory_may_go_before_the_ring)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, KB(64), 14);
	unsigned char *buf = dev_buf(KB(64));
	long refs = dev_module_idle();
	struct nbread ring;

	dev_ring(&ring, 8);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, KB(64), 0, 0, 1);
	dev_submit(&ring, 1);
	munmap(ring.ring_ptr, ring.ring_size);
	dev_release(fs);
	dev_await(dev_readable(&ring));
	/* It completes into memory that only the kernel still has. */
	ck_assert_int_eq(enter(nbread_ring_fd(&ring)), 0);
	dev_check(buf, KB(64), 0, 14);
	close(nbread_ring_fd(&ring));
	dev_await(dev_module_refs() == refs);
}
END_TEST

START_TEST(the_ring_memory_may_stay_after_the_ring)
{
	long refs = dev_module_idle();
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int i = 0; i < 3; i++)
		nbread_prep_nop(nbread_get_sqe(&ring));
	dev_submit(&ring, 3);
	close(nbread_ring_fd(&ring));
	/* Completions that nobody reaped are still there to be read. */
	ck_assert_uint_eq(nbread_cq_ready(&ring), 3);
	munmap(ring.ring_ptr, ring.ring_size);
	dev_await(dev_module_refs() == refs);
}
END_TEST

START_TEST(a_thousand_rings_come_and_go)
{
	long refs = dev_module_idle();
	struct nbread ring;

	for (int i = 0; i < 1000; i++) {
		dev_ring(&ring, 1 + i % 64);
		if (i % 3)
			nbread_prep_nop(nbread_get_sqe(&ring));
		if (i % 3 == 2)
			dev_submit(&ring, 1);
		nbread_queue_exit(&ring);
	}
	dev_await(dev_module_refs() == refs);
}
END_TEST

/* Once the server of fuse.c holds the first request of its read. */
static void kill_while_held(pid_t pid)
{
	int status;

	dev_await(fuse_held() == 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, SIGKILL);
}

/* Nobody's signal reaches a worker, and who would be charged for what it faults in? */
START_TEST(a_worker_leaves_a_long_read_of_a_program_that_is_gone)
{
	long refs = dev_module_idle();
	struct nbread ring;
	pid_t pid;
	int fd;

	fuse_direct(true);
	fd = open(fuse_start(MB(1), 14), O_RDONLY | O_CLOEXEC);
	fuse_hold();
	pid = fork();
	if (!pid) {
		/* The server is a thread of the parent. */
		dev_ring(&ring, 8);
		dev_prep(&ring, fd, dev_buf(MB(1)), MB(1), 0, 0, 1);
		dev_submit(&ring, 1);
		for (;;)
			pause();
	}
	kill_while_held(pid);
	fuse_release();
	dev_await(dev_module_refs() == refs);
	/* The 256 KiB that had begun: 128 KiB are asked for at a time. */
	ck_assert_uint_eq(fuse_reads(), 2);
	close(fd);
	fuse_stop();
}
END_TEST

/* _i: with a registered buffer. It would keep what the program has mapped, too. */
START_TEST(a_killed_program_s_memory_goes_though_a_worker_hangs_in_its_read)
{
	long refs = dev_module_idle();
	struct nbread ring;
	pid_t pid;
	int fd;

	nbtest_must_sh("mkdir -p /run/nbt-mapped && mount -t tmpfs none /run/nbt-mapped");
	fuse_direct(true);
	fd = open(fuse_start(MB(1), 14), O_RDONLY | O_CLOEXEC);
	fuse_hold();
	pid = fork();
	if (!pid) {
		int mapped = open("/run/nbt-mapped/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		struct iovec iov = { .iov_base = dev_buf(MB(1)), .iov_len = MB(1) };

		/* The server is a thread of the parent. */
		ck_assert_int_eq(ftruncate(mapped, PG), 0);
		ck_assert(mmap(NULL, PG, PROT_READ, MAP_SHARED, mapped, 0) != MAP_FAILED);
		dev_ring(&ring, 8);
		if (_i) {
			ck_assert_int_eq(nbread_register_buffers(&ring, &iov, 1), 0);
			nbread_prep_read_fixed(nbread_get_sqe(&ring), fd, iov.iov_base, KB(64), 0,
					       0);
		} else {
			dev_prep(&ring, fd, iov.iov_base, MB(1), 0, 0, 1);
		}
		dev_submit(&ring, 1);
		for (;;)
			pause();
	}
	kill_while_held(pid);
	dev_await(umount2("/run/nbt-mapped", 0) == 0);
	ck_assert_uint_eq(fuse_held(), 1);
	fuse_release();
	dev_await(dev_module_refs() == refs);
	close(fd);
	fuse_stop();
}
END_TEST

Suite *check_gone_suite(void)
{
	Suite *s = suite_create("gone");

	dev_add_each(s, a_file_closed_while_its_read_is_parked_is_read_all_the_same);
	dev_add_each(s, a_buffer_that_is_gone_when_the_data_comes_is_efault);
	nbtest_add(s, a_worker_leaves_a_long_read_of_a_program_that_is_gone);
	nbtest_add_loop(s, a_killed_program_s_memory_goes_though_a_worker_hangs_in_its_read, 2);
	nbtest_add(s, the_ring_memory_may_go_before_the_ring);
	nbtest_add(s, the_ring_memory_may_stay_after_the_ring);
	nbtest_add(s, a_thousand_rings_come_and_go);
	return s;
}
