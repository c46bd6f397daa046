// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misses are finished by the wake-up of the folio: no worker, no thread, no
 * sleep a read; whatever the readahead settings, however many waits a read
 * needs and however many reads wait for one folio.
 */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include "device.h"
#include "dm.h"

#define DEPTH 32
#define COLD_MB 32
#define READS (COLD_MB * 256)
/* NB_HELPERS of module/spread.c */
#define HELPERS 3

/* Kernel threads with our name, and threads in all */
static void count_threads(unsigned int *ours, unsigned int *all)
{
	char text[128];
	unsigned int n = 0;
	struct dirent *d;
	DIR *proc = opendir("/proc");

	ck_assert(proc);
	while ((d = readdir(proc))) {
		char path[300];

		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		if (nbtest_read_text(path, text, sizeof(text)) > 0)
			n += strstr(text, "nbread") && !strstr(text, "nbread-dev");
	}
	closedir(proc);
	*ours = n;
	ck_assert_int_gt(nbtest_read_text("/proc/loadavg", text, sizeof(text)), 0);
	ck_assert_int_eq(sscanf(text, "%*f %*f %*f %*u/%u", all), 1);
}

#define NULL_MNT "/run/nbt-null"

/* 80 us a read; a test that failed may have left one mounted. */
static const char *null_disk(unsigned int megabytes)
{
	fs_umount_quiet(NULL_MNT);
	return null_blk(megabytes, 80000);
}

/* A permutation of the file's pages */
static size_t nth_page(size_t n)
{
	return n * 2654435761U % READS;
}

START_TEST(cold_random_reads_at_depth_32_need_no_worker_and_hardly_a_context_switch)
{
	const char *dev;
	struct dev_fs fs = { "ext4", "", "", NULL_MNT };
	unsigned int ours, all, ours_now, all_now, most = 0, waited = 0;
	unsigned char *buf = dev_buf(DEPTH * PG);
	size_t next = 0, done = 0, page[DEPTH];
	struct rusage before, after;
	struct nbread ring;
	long switches;
	int fd;

	dev = null_disk(512);
	fs_make("ext4", dev);
	fs_mount("ext4", dev, fs.mnt, NULL);
	fd = dev_cold_file(&fs, MB(COLD_MB), 5);
	/* Readahead of neighbours would turn misses into hits. */
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&ring, DEPTH);
	count_threads(&ours, &all);
	getrusage(RUSAGE_SELF, &before);
	for (; next < DEPTH; next++) {
		page[next] = nth_page(next);
		dev_prep(&ring, fd, buf + next * PG, PG, page[next] * PG, 0, next);
	}
	while (done < READS) {
		struct nbread_cqe *cqe;
		unsigned int head, n = 0;

		/*
		 * Not waiting: how often a program that asks to sleep does so is up to the
		 * speed of the device. What is counted is sleep that it did not ask for.
		 */
		dev_must(nbread_submit(&ring) >= 0 && nbread_get_events(&ring) == 0, "ENTER");
		nbread_for_each_cqe(&ring, head, cqe) {
			size_t slot = cqe->user_data;

			dev_must(cqe->res == PG &&
					 !(cqe->flags & (NBREAD_CQE_PUNTED | NBREAD_CQE_HIT)),
				 "%d, %#x", cqe->res, cqe->flags);
			waited += !!(cqe->flags & NBREAD_CQE_WAITED);
			dev_check(buf + slot * PG, PG, page[slot] * PG, 5);
			if (next < READS) {
				page[slot] = nth_page(next++);
				dev_prep(&ring, fd, buf + slot * PG, PG, page[slot] * PG, 0, slot);
			}
			n++;
		}
		nbread_cq_advance(&ring, n);
		if (done / 1024 != (done + n) / 1024) {
			count_threads(&ours_now, &all_now);
			/*
			 * Fewer: one that an earlier test left idle has gone. More: a few may
			 * help to copy (module/spread.c), never one a read.
			 */
			ck_assert_uint_le(ours_now, ours + HELPERS);
			most = all_now > most ? all_now : most;
		}
		done += n;
	}
	getrusage(RUSAGE_SELF, &after);
	switches = after.ru_nvcsw - before.ru_nvcsw;
	fprintf(stderr, "%d reads: %u waited, %ld voluntary context switches, threads %u -> %u\n",
		READS, waited, switches, all, most);
	ck_assert_uint_gt(waited, READS / 100);
	ck_assert_msg(switches < READS / 100, "%ld context switches", switches);
	/* A few of the kernel's own workers may come in the meantime, not one a read. */
	ck_assert_uint_le(most, all + 4);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-punted"), 0);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-waited"), waited);
	nbread_queue_exit(&ring);
	close(fd);
	fs_umount(fs.mnt);
	null_blk_remove();
}
END_TEST

#define DISK "/sys/block/nullb0/"

/* A read is counted after its data came in, when nothing is in flight any more. */
static bool disk_is_quiet(void)
{
	char text[64];

	return nbtest_read_text(DISK "inflight", text, sizeof(text)) > 0 &&
	       strtoul(text, NULL, 10) == 0;
}

/* Of reads: finished, and merged into another */
static void disk_counts(unsigned long *reads, unsigned long *merged)
{
	char text[256];

	dev_await(disk_is_quiet());
	ck_assert_int_gt(nbtest_read_text(DISK "stat", text, sizeof(text)), 0);
	ck_assert_int_eq(sscanf(text, "%lu %lu", reads, merged), 2);
}

/* See NB_MAY_PLUG in module/compat.h. */
static bool has_plugs(void)
{
	int major = 0, minor = 0;
	struct utsname u;

	ck_assert_int_eq(uname(&u), 0);
	ck_assert_int_eq(sscanf(u.release, "%d.%d", &major, &minor), 2);
	return !strstr(u.version, "PREEMPT_RT") || major > 6 || (major == 6 && minor >= 7);
}

/*
 * Under a block plug neighbours are one request to the disk (module/plug.h). A hit of a page ends
 * the plug, so that nothing waits for its copy; a longer one does not, since it may start the
 * next window of readahead. Of a row the first two go by themselves, and what follows is one, as
 * long as it is below the 255 sectors that this disk takes at a time.
 */
static const struct {
	const char *name;
	size_t len;
	bool hit; /* in the middle */
	unsigned requests;
} rows_of_misses[] = {
	{ "misses_in_a_row_reach_the_disk_together", PG, false, 3 },
	{ "a_hit_of_a_page_sends_off_what_a_row_of_misses_holds", PG, true, 6 },
	{ "a_longer_hit_leaves_a_row_of_misses_together", 2 * PG, true, 4 },
};

START_TEST(row_of_misses)
{
	const size_t len = rows_of_misses[_i].len;
	struct dev_fs fs = { "ext4", "", "", NULL_MNT };
	unsigned long reads, merged, reads_now, merged_now;
	unsigned char *buf = dev_buf(DEPTH * len);
	size_t hit = rows_of_misses[_i].hit ? DEPTH / 2 : DEPTH;
	struct nbread ring;
	const char *dev;
	int fd;

	nbtest_row(rows_of_misses[_i].name);
	if (!has_plugs())
		nbtest_skip("a real-time kernel older than 6.7: reads go to the disk one by one");
	dev = null_disk(256);
	fs_make("ext4", dev);
	/* A scheduler would hold the first two for a moment, and might join them. */
	ck_assert_int_eq(nbtest_write_text(DISK "queue/scheduler", "none"), 0);
	fs_mount("ext4", dev, fs.mnt, "noatime");
	fd = dev_cold_file(&fs, DEPTH * len, 5);
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	if (hit < DEPTH)
		dev_warm(fd, hit * len, len);
	dev_ring(&ring, DEPTH);
	disk_counts(&reads, &merged);
	for (size_t i = 0; i < DEPTH; i++)
		dev_prep(&ring, fd, buf + i * len, len, i * len, 0, i);
	dev_submit(&ring, DEPTH);
	for (size_t i = 0; i < DEPTH; i++) {
		struct nbread_cqe cqe = dev_next(&ring);

		ck_assert_int_eq(cqe.res, len);
		ck_assert_uint_eq(!!(cqe.flags & NBREAD_CQE_HIT), cqe.user_data == hit);
	}
	dev_check(buf, DEPTH * len, 0, 5);
	disk_counts(&reads_now, &merged_now);
	ck_assert_uint_eq(reads_now - reads, rows_of_misses[_i].requests);
	ck_assert_uint_eq(merged_now - merged, DEPTH - (hit < DEPTH) - rows_of_misses[_i].requests);
	nbread_queue_exit(&ring);
	close(fd);
	fs_umount(fs.mnt);
	null_blk_remove();
}
END_TEST

START_TEST(a_cold_read_longer_than_the_readahead_window_is_whole)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, MB(4), 5);
	unsigned char *buf = dev_buf(MB(1));
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int n = 0; n < 3; n++) {
		/* Anew: readahead that goes on where it was would not start with our page. */
		int own = dev_reopen(fd, O_RDONLY);
		size_t off = n * MB(1) + n * 1000;

		/* The first wait is certain; how many follow is up to the device. */
		nbtest_evict(fd);
		dev_hold(fs);
		dev_prep(&ring, own, buf, MB(1), off, 0, n);
		dev_submit(&ring, 1);
		dev_check_none(&ring);
		dev_release(fs);
		cqe = dev_next(&ring);
		ck_assert_uint_eq(cqe.user_data, n);
		ck_assert_int_eq(cqe.res, MB(1));
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_WAITED);
		dev_check(buf, MB(1), off, 5);
		memset(buf, 0xa5, MB(1));
		close(own);
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_cold_readv_of_many_small_vectors_is_whole)
{
	int fd = dev_cold_file(dev_fs(_i), MB(1), 5);
	unsigned char *buf = dev_buf(MB(1));
	struct iovec iov[200];
	struct nbread_cqe cqe;
	struct nbread ring;
	size_t len = 0;

	dev_ring(&ring, 8);
	for (int i = 0; i < 200; i++) {
		/* Lengths 0, 37, 74, ... so that vectors end within and across pages. */
		iov[i] = (struct iovec){ buf + len, (size_t)i * 37 };
		len += iov[i].iov_len;
	}
	cqe = dev_readv(&ring, fd, iov, 200, 777, 0);
	ck_assert_int_eq(cqe.res, len);
	dev_check(buf, len, 777, 5);
	nbread_queue_exit(&ring);
}
END_TEST

/* _i: file system * 2 + (0: POSIX_FADV_RANDOM, 1: blockdev --setra 0) */
START_TEST(a_miss_without_readahead_is_parked_and_not_waited_for_in_the_call)
{
	const struct dev_fs *fs = dev_fs(_i / 2);
	bool random = _i % 2 == 0;
	unsigned char *buf = dev_buf(8 * PG);
	struct nbread ring;
	int fd, own;

	fd = dev_cold_file(fs, MB(1), 5);
	if (!random)
		nbtest_must_sh("blockdev --setra 0 %s", fs->dev);
	own = dev_reopen(fd, O_RDONLY);
	if (random)
		ck_assert_int_eq(posix_fadvise(own, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&ring, 8);
	dev_hold(fs);
	/* A call that waited for the device would not come back within minutes. */
	for (int i = 0; i < 4; i++)
		dev_prep(&ring, own, buf + i * 2 * PG, 2 * PG, i * KB(64), 0, i);
	dev_submit(&ring, 4);
	dev_check_none(&ring);
	ck_assert_uint_gt(dev_held(fs), 0);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-punted"), 0);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-inflight"), 4);
	dev_release(fs);
	for (int i = 0; i < 4; i++) {
		struct nbread_cqe cqe = dev_next(&ring);

		ck_assert_int_eq(cqe.res, 2 * PG);
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_WAITED);
		dev_check(buf + cqe.user_data * 2 * PG, 2 * PG, cqe.user_data * KB(64), 5);
	}
	nbread_queue_exit(&ring);
	if (!random)
		nbtest_must_sh("blockdev --setra 256 %s", fs->dev);
}
END_TEST

START_TEST(five_hundred_reads_of_one_cold_page_all_complete)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, KB(64), 5);
	unsigned char *buf = dev_buf(500 * 512);
	bool seen[500] = { false };
	struct nbread ring;

	dev_ring(&ring, 512);
	dev_hold(fs);
	for (int i = 0; i < 500; i++)
		dev_prep(&ring, fd, buf + i * 512, 512, i * 7, 0, i);
	dev_submit(&ring, 500);
	dev_check_none(&ring);
	dev_release(fs);
	for (int i = 0; i < 500; i++) {
		struct nbread_cqe cqe = dev_next(&ring);

		ck_assert_uint_lt(cqe.user_data, 500);
		ck_assert(!seen[cqe.user_data]);
		seen[cqe.user_data] = true;
		ck_assert_int_eq(cqe.res, 512);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
		dev_check(buf + cqe.user_data * 512, 512, cqe.user_data * 7, 5);
	}
	dev_check_none(&ring);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(vectors_and_entries_may_be_overwritten_once_the_call_returned)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, KB(64), 5);
	unsigned char *buf = dev_buf(KB(64)), *other = dev_buf(KB(64));
	struct iovec *iov = malloc(3 * sizeof(*iov));
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	iov[0] = (struct iovec){ buf, 1000 };
	iov[1] = (struct iovec){ buf + 1000, 10000 };
	iov[2] = (struct iovec){ buf + 11000, KB(64) - 11000 };
	dev_hold(fs);
	nbread_prep_readv(nbread_get_sqe(&ring), fd, iov, 3, 0);
	dev_submit(&ring, 1);
	for (int i = 0; i < 3; i++)
		iov[i] = (struct iovec){ other, KB(64) };
	memset(iov, 0x5a, 3 * sizeof(*iov));
	free(iov);
	memset(ring.sq.sqes, 0x5a, ring.sq.ring_entries * sizeof(struct nbread_sqe));
	dev_check_none(&ring);
	dev_release(fs);
	cqe = dev_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 0);
	ck_assert_int_eq(cqe.res, KB(64));
	dev_check(buf, KB(64), 0, 5);
	dev_check_same(other, KB(64), 0xa5);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_miss_suite(void)
{
	Suite *s = suite_create("miss");

	nbtest_add_slow(s, cold_random_reads_at_depth_32_need_no_worker_and_hardly_a_context_switch,
			240);
	nbtest_add_table(s, row_of_misses, rows_of_misses);
	dev_add_each(s, a_cold_read_longer_than_the_readahead_window_is_whole);
	dev_add_each(s, a_cold_readv_of_many_small_vectors_is_whole);
	nbtest_add_loop(s, a_miss_without_readahead_is_parked_and_not_waited_for_in_the_call,
			DEV_NR_FS * 2);
	dev_add_each(s, five_hundred_reads_of_one_cold_page_all_complete);
	dev_add_each(s, vectors_and_entries_may_be_overwritten_once_the_call_returned);
	return s;
}
