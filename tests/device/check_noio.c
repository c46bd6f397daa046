// SPDX-License-Identifier: GPL-2.0-only
/*
 * NOIO: a miss starts no I/O, and data that is in the page cache is a hit, also
 * where it carries the readahead mark, whatever atime mode the mount has. A
 * CACHED read without NOIO starts readahead on a miss.
 */
#include "device.h"
#include "dm.h"

#define SIZE MB(8)
#define PAGES (SIZE / PG)
#define MISSES 5000 /* of each kind */
#define BATCH 50

/* noatime wins over the others, and strictatime alone takes it back. */
static const char *const atimes[] = { "noatime,nolazytime", "strictatime,nolazytime",
				      "strictatime,lazytime", "relatime,nolazytime" };

#define MODES NBTEST_ARRAY_SIZE(atimes)

/* _i: file system * MODES + atime mode; the block device has only one */
#define NR_MOUNTS ((int)(DEV_BDEV * MODES + 1))

static const struct dev_fs *mounted(int i)
{
	const struct dev_fs *fs = dev_fs(i / (int)MODES);

	if (fs->mnt[0])
		fs_remount(fs->mnt, atimes[i % MODES]);
	return fs;
}

static uint64_t random_page(void)
{
	static uint64_t x = 1;

	x = x * 6364136223846793005ULL + 1442695040888963407ULL;
	return (x >> 33) % PAGES;
}

START_TEST(ten_thousand_noio_misses_start_no_io)
{
	const struct dev_fs *fs = mounted(_i);
	int fd = dev_cold_file(fs, SIZE, 3);
	unsigned char *buf = dev_buf(PG);
	struct nbread_try reqs[BATCH];
	struct nbread ring;
	uint64_t reads;

	dev_ring(&ring, 64);
	reads = dev_reads(fs);
	for (int done = 0; done < MISSES; done += BATCH) {
		memset(reqs, 0, sizeof(reqs));
		for (int i = 0; i < BATCH; i++) {
			reqs[i].fd = fd;
			reqs[i].flags = NBREAD_SQE_NOIO;
			reqs[i].addr = (uintptr_t)buf;
			reqs[i].off = random_page() * PG;
			reqs[i].len = PG;
			dev_prep(&ring, fd, buf, PG, random_page() * PG,
				 NBREAD_SQE_CACHED | NBREAD_SQE_NOIO, i);
		}
		ck_assert_int_eq(nbread_try_many(&ring, reqs, BATCH), 0);
		dev_submit(&ring, BATCH);
		for (int i = 0; i < BATCH; i++) {
			struct nbread_cqe cqe = dev_next(&ring);

			dev_must(cqe.res == -EAGAIN && !cqe.flags, "CACHED: %d, %#x", cqe.res,
				 cqe.flags);
			dev_must(reqs[i].res == -EAGAIN && !reqs[i].cqe_flags, "TRY: %d, %#x",
				 reqs[i].res, reqs[i].cqe_flags);
		}
	}
	ck_assert_uint_eq(dev_reads(fs), reads);
	ck_assert_uint_eq(nbtest_resident(fd, 0, SIZE), 0);
	dev_check_same(buf, PG, 0xa5);
	/* The counter does count. */
	ck_assert_int_eq(pread(fd, buf, PG, 0), PG);
	ck_assert_uint_gt(dev_reads(fs), reads);
	nbread_queue_exit(&ring);
}
END_TEST

/* Each resident page is a hit and each other page a miss, by TRY and by SQE. */
static void check_pages(struct nbread *ring, const struct dev_fs *fs, int fd, size_t size)
{
	unsigned char *buf = dev_buf(PG);
	uint64_t reads = dev_reads(fs);
	size_t resident = nbtest_resident(fd, 0, size), hits = 0;
	unsigned char *is = malloc(size / PG);

	for (size_t i = 0; i < size / PG; i++)
		is[i] = nbtest_page_resident(fd, i * PG);
	for (size_t i = 0; i < size / PG; i++) {
		struct nbread_try try = dev_try(ring, fd, buf, PG, i * PG, NBREAD_SQE_NOIO);
		struct nbread_cqe cqe;

		ck_assert_msg(try.res == (is[i] ? (int)PG : -EAGAIN),
			      "TRY of page %zu (resident: %d, of %zu): %d", i, is[i], resident,
			      try.res);
		ck_assert_uint_eq(try.cqe_flags, is[i] ? NBREAD_CQE_HIT : 0);
		cqe = dev_read(ring, fd, buf, PG, i * PG, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
		ck_assert_msg(cqe.res == try.res, "CACHED read of page %zu: %d", i, cqe.res);
		ck_assert_uint_eq(cqe.flags, try.cqe_flags);
		hits += cqe.res == (int)PG;
		if (is[i])
			dev_check(buf, PG, i * PG, 3);
	}
	ck_assert_uint_eq(hits, resident);
	ck_assert_uint_eq(nbtest_resident(fd, 0, size), resident);
	ck_assert_uint_eq(dev_reads(fs), reads);
	free(is);
}

START_TEST(after_a_plain_sequential_read_every_resident_page_is_a_hit)
{
	const struct dev_fs *fs = mounted(_i);
	int fd = dev_cold_file(fs, MB(2), 3), own = dev_reopen(fd, O_RDONLY);
	unsigned char *buf = dev_buf(KB(128));
	struct nbread ring;

	dev_ring(&ring, 8);
	/* Up to the middle: readahead is ahead of us and has left its mark there. */
	for (size_t off = 0; off < MB(1); off += KB(128))
		ck_assert_int_eq(pread(own, buf, KB(128), off), KB(128));
	check_pages(&ring, fs, fd, MB(2));
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(after_growing_sequential_reads_every_resident_page_is_a_hit)
{
	const struct dev_fs *fs = mounted(_i);
	int fd = dev_cold_file(fs, MB(1), 3), own = dev_reopen(fd, O_RDONLY);
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;
	size_t off = 0;

	dev_ring(&ring, 8);
	/* 32, 32, 64, 128, ... 4096 bytes: the first pages alone, so the mark is close. */
	for (size_t len = 32; len <= PG; off += len, len = off < 64 ? 32 : 2 * len)
		ck_assert_int_eq(pread(own, buf, len, off), len);
	check_pages(&ring, fs, fd, MB(1));
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(growing_tries_never_say_end_of_file_within_the_file)
{
	const struct dev_fs *fs = mounted(_i);
	int fd = dev_cold_file(fs, MB(1), 3), own = dev_reopen(fd, O_RDONLY);
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;
	size_t off = 0, len = 32;

	dev_ring(&ring, 8);
	while (off < MB(1)) {
		struct nbread_try try = dev_try(&ring, own, buf, len, off, NBREAD_SQE_NOIO);

		ck_assert_int_ne(try.res, 0);
		if (try.res < 0) {
			ck_assert_int_eq(try.res, -EAGAIN);
			ck_assert_int_eq(pread(own, buf, len, off), len);
			try.res = (int)len;
		}
		dev_check(buf, try.res, off, 3);
		off += try.res;
		len = off < 64 ? 32 : len < PG ? 2 * len : PG;
		if (len > MB(1) - off)
			len = MB(1) - off;
	}
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_cached_miss_without_noio_says_eagain_and_starts_readahead)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_file(fs, MB(1), 3);
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int kind = 0; kind < 2; kind++) {
		int res;

		nbtest_evict(fd);
		dev_hold(fs);
		res = kind ? dev_try(&ring, fd, buf, PG, KB(256), 0).res :
			     dev_read(&ring, fd, buf, PG, KB(256), NBREAD_SQE_CACHED).res;
		ck_assert_int_eq(res, -EAGAIN);
		ck_assert_uint_gt(dev_held(fs), 0);
		dev_release(fs);
		dev_await(nbtest_page_resident(fd, KB(256)));
		ck_assert_int_eq(dev_try(&ring, fd, buf, PG, KB(256), NBREAD_SQE_NOIO).res, PG);
		dev_check(buf, PG, KB(256), 3);
	}
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_noio_suite(void)
{
	Suite *s = suite_create("noio");

	nbtest_add_loop(s, ten_thousand_noio_misses_start_no_io, NR_MOUNTS);
	nbtest_add_loop(s, after_a_plain_sequential_read_every_resident_page_is_a_hit, NR_MOUNTS);
	nbtest_add_loop(s, after_growing_sequential_reads_every_resident_page_is_a_hit, NR_MOUNTS);
	nbtest_add_loop(s, growing_tries_never_say_end_of_file_within_the_file, NR_MOUNTS);
	dev_add_each(s, a_cached_miss_without_noio_says_eagain_and_starts_readahead);
	return s;
}
