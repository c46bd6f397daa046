// SPDX-License-Identifier: GPL-2.0-only
/*
 * Little memory: in a cgroup whose limit is far below the file's size, and is met, every read
 * is right, and a try neither fails nor waits for the device. And a read takes no more of it
 * than it has to.
 */
#include <sys/mman.h>
#include "device.h"

#define LIMIT MB(16)
#define SIZE MB(48)
#define BUF KB(256)

/* In a cgroup of our own until the test ends; false where there is none */
static bool limit_memory(void)
{
	return nbtest_sh("cd /sys/fs/cgroup && echo +memory >cgroup.subtree_control && "
			 "mkdir -p nbt-low && echo %zu >nbt-low/memory.max && "
			 "{ echo 0 >nbt-low/memory.swap.max || true; } 2>/dev/null && "
			 "echo %d >nbt-low/cgroup.procs",
			 LIMIT, getpid()) == 0;
}

/* How often the limit was in the way */
static unsigned long limit_met(void)
{
	FILE *f = fopen("/sys/fs/cgroup/nbt-low/memory.events", "re");
	unsigned long n = 0;
	char line[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "max %lu", &n) == 1)
			break;
	}
	if (f)
		fclose(f);
	return n;
}

/* Return: how often it was before. */
static unsigned long limited(void)
{
	if (!limit_memory())
		nbtest_skip_now("no cgroup2 with the memory controller");
	return limit_met();
}

START_TEST(reads_of_a_file_larger_than_the_memory_limit_are_right)
{
	int fd = dev_cold_file(dev_fs(_i), SIZE, 19);
	unsigned char *buf = dev_buf(16 * KB(128));
	struct nbread ring;
	size_t put = 0, done = 0;
	unsigned long met = limited();

	dev_ring(&ring, 16);
	while (done < SIZE) {
		struct nbread_cqe cqe;

		for (; put < SIZE && put - done < 16 * KB(128); put += KB(128))
			dev_prep(&ring, fd, buf + put % (16 * KB(128)), KB(128), put, 0, put);
		ck_assert_int_ge(nbread_submit(&ring), 0);
		/* All of a round: the slots of the buffer go by their place in it. */
		for (size_t n = (put - done) / KB(128); n; n--) {
			cqe = dev_next(&ring);
			ck_assert_msg(cqe.res == KB(128), "at %llu: %d",
				      (unsigned long long)cqe.user_data, cqe.res);
			dev_check(buf + cqe.user_data % (16 * KB(128)), KB(128), cqe.user_data, 19);
			done += KB(128);
		}
	}
	ck_assert_uint_gt(limit_met(), met);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(tries_under_a_memory_limit_say_eagain_or_give_the_data)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, SIZE, 19);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;
	unsigned long met = limited();

	dev_ring(&ring, 16);
	for (size_t off = 0; off < SIZE; off += KB(64)) {
		int res = dev_try(&ring, fd, buf, KB(64), off, 0).res;

		ck_assert_msg(res == -EAGAIN || (res > 0 && res <= (int)KB(64)), "at %zu: %d", off,
			      res);
		if (res > 0)
			dev_check(buf, res, off, 19);
	}
	ck_assert_uint_gt(limit_met(), met);
	nbread_queue_exit(&ring);
}
END_TEST

/* Room is made for readahead of what is clean, or there is none: one that waited would hang. */
START_TEST(a_try_at_the_memory_limit_does_not_wait_for_the_device)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, SIZE, 19);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;
	unsigned long met = limited();

	dev_ring(&ring, 16);
	/* Up to the middle and no further; and what a file system looks up for a read is in memory. */
	for (size_t off = SIZE / 2 + MB(2); off < SIZE; off += MB(1))
		dev_warm(fd, off - KB(512), PG);
	dev_warm(fd, 0, SIZE / 2);
	ck_assert_uint_gt(limit_met(), met);
	dev_hold(fs);
	for (size_t off = SIZE / 2 + MB(2); off < SIZE; off += MB(1))
		ck_assert_int_eq(dev_try(&ring, fd, buf, KB(64), off, 0).res, -EAGAIN);
	dev_release(fs);
	nbread_queue_exit(&ring);
}
END_TEST

/* As pread(2): what is behind the end of the file is not faulted in. */
START_TEST(a_worker_faults_in_no_more_of_the_buffer_than_the_file_fills)
{
	int fd = dev_cold_file(dev_fs(_i), 1000, 19);
	unsigned char *buf =
		mmap(NULL, BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char there[BUF / PG];
	struct nbread ring;

	ck_assert_ptr_ne(buf, MAP_FAILED);
	/* PREEMPT_RT has none, and says -EINVAL. */
	madvise(buf, BUF, MADV_NOHUGEPAGE);
	dev_ring(&ring, 8);
	dev_prep(&ring, fd, buf, BUF, 0, NBREAD_SQE_ASYNC, 1);
	dev_submit(&ring, 1);
	ck_assert_int_eq(dev_next(&ring).res, 1000);
	ck_assert_int_eq(mincore(buf, BUF, there), 0);
	/* A page behind the end may be: more is asked for than there is. */
	for (size_t i = 2; i < BUF / PG; i++)
		ck_assert_msg(!(there[i] & 1), "page %zu is there", i);
	dev_check(buf, 1000, 0, 19);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_memory_suite(void)
{
	Suite *s = suite_create("memory");

	dev_add_each(s, reads_of_a_file_larger_than_the_memory_limit_are_right);
	dev_add_each(s, tries_under_a_memory_limit_say_eagain_or_give_the_data);
	dev_add_each(s, a_try_at_the_memory_limit_does_not_wait_for_the_device);
	nbtest_add_loop(s, a_worker_faults_in_no_more_of_the_buffer_than_the_file_fills, DEV_BDEV);
	return s;
}
