// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only btrfs has: files within the metadata, compressed extents beside plain
 * ones, and checksums of data.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "device_disk.h"
#include "device_kind.h"

#define SIZE MB(1)
#define BAD (40 * PG)
#define ID 36

static const struct dev_fs *fs;
static struct nbread ring;
static unsigned char *buf;

static void begin(const char *options)
{
	fs = dev_made("btrfs", "-f", options);
	if (!fs)
		nbtest_skip_now("this kernel does not mount a btrfs with %s", options);
	buf = dev_buf(SIZE);
	dev_ring(&ring, 8);
}

static void end(int fd)
{
	nbread_queue_exit(&ring);
	close(fd);
	dev_kind_done();
}

/* FIEMAP_EXTENT_* that some extent of the file has; and in @all those that each has */
static unsigned int extents(int fd, unsigned int *all)
{
	static struct {
		struct fiemap map;
		struct fiemap_extent extent[64];
	} f;
	unsigned int some = 0;

	memset(&f, 0, sizeof(f));
	f.map.fm_length = SIZE;
	f.map.fm_flags = FIEMAP_FLAG_SYNC;
	f.map.fm_extent_count = 64;
	ck_assert_int_eq(ioctl(fd, FS_IOC_FIEMAP, &f), 0);
	ck_assert_uint_gt(f.map.fm_mapped_extents, 0);
	*all = UINT32_MAX;
	for (unsigned int i = 0; i < f.map.fm_mapped_extents; i++) {
		some |= f.extent[i].fe_flags;
		*all &= f.extent[i].fe_flags;
	}
	return some;
}

/* Cold and resident, the same as pread(2) gives. */
static void check_range(int fd, size_t off, size_t len)
{
	unsigned char *own = dev_buf(len);
	ssize_t want = pread(fd, own, len, off);

	for (int cold = 1; cold >= 0; cold--) {
		struct nbread_cqe cqe;

		if (cold)
			nbtest_evict(fd);
		cqe = dev_read(&ring, fd, buf, len, off, 0);
		ck_assert_int_eq(cqe.res, want);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, cold ? 0 : NBREAD_CQE_HIT);
		ck_assert_mem_eq(buf, own, want);
		dev_check_same(buf + want, len - want, 0xa5);
		memset(buf, 0xa5, len);
	}
	munmap(own, len);
}

START_TEST(a_file_within_the_metadata_is_read_right)
{
	unsigned int all;
	int fd;

	begin(_i ? "compress-force=zstd" : "defaults");
	fd = dev_file(fs, 777, ID);
	ck_assert_uint_ne(extents(fd, &all) & FIEMAP_EXTENT_DATA_INLINE, 0);
	check_range(fd, 0, 777);
	check_range(fd, 1, PG);
	check_range(fd, 700, KB(64));
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 777, NBREAD_SQE_CACHED).res, 0);
	/* It outgrows them. */
	nbtest_write_pattern(fd, 777, 3 * PG, ID, 1);
	ck_assert_int_eq(fsync(fd), 0);
	check_range(fd, 0, KB(64));
	end(fd);
}
END_TEST

/* Every other 64 KiB of bytes that do not compress; btrfs stores these plain by itself. */
static int mixed_file(void)
{
	uint64_t x = 88172645463325252ULL;
	int fd = dev_file(fs, SIZE, ID);
	unsigned char *part = dev_buf(KB(64));

	for (size_t off = KB(64); off < SIZE; off += KB(128)) {
		for (size_t i = 0; i < KB(64); i += 8) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memcpy(part + i, &x, 8);
		}
		ck_assert_int_eq(pwrite(fd, part, KB(64), off), KB(64));
		ck_assert_int_eq(fsync(fd), 0);
	}
	return fd;
}

START_TEST(compressed_and_plain_extents_of_one_file_are_read_right)
{
	unsigned int some, all;
	int fd;

	begin("compress-force=zstd");
	fd = mixed_file();
	some = extents(fd, &all);
	ck_assert_uint_ne(some & FIEMAP_EXTENT_ENCODED, 0);
	ck_assert_uint_eq(all & FIEMAP_EXTENT_ENCODED, 0);
	check_range(fd, 0, SIZE);
	check_range(fd, KB(64) - 100, 200);
	check_range(fd, KB(128) - PG, 2 * PG);
	check_range(fd, 1000, KB(300));
	check_range(fd, SIZE - 5, PG);
	end(fd);
}
END_TEST

START_TEST(a_page_whose_checksum_is_wrong_is_one_eio_and_never_a_byte)
{
	int fd;

	begin("defaults");
	fd = dev_file(fs, SIZE, ID);
	nbtest_must_sh("sync -f %s", fs->mnt);
	disk_spoil(fs, disk_btrfs_sector(fs, fd, BAD));
	disk_check_bad_page(&ring, fd, SIZE, BAD, ID);
	end(fd);
}
END_TEST

Suite *check_btrfs_suite(void)
{
	Suite *s = suite_create("btrfs");

	nbtest_add_loop(s, a_file_within_the_metadata_is_read_right, 2);
	nbtest_add(s, compressed_and_plain_extents_of_one_file_are_read_right);
	nbtest_add(s, a_page_whose_checksum_is_wrong_is_one_eio_and_never_a_byte);
	return s;
}
