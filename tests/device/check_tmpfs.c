// SPDX-License-Identifier: GPL-2.0-only
/*
 * tmpfs has no disk: what is resident is a hit, and a hole, a page that was allocated
 * and never written, and a page that is out on swap are read by a worker.
 */
#include <sys/mman.h>
#include "device_kind.h"

#define SIZE KB(512)
#define ID 32

static struct nbread ring;
static unsigned char *buf;
static const struct dev_fs *fs;

static int begin(void)
{
	fs = dev_kind("tmpfs");
	buf = dev_buf(SIZE);
	dev_ring(&ring, 8);
	return dev_file(fs, SIZE, ID);
}

static void end(int fd)
{
	close(fd);
	nbread_queue_exit(&ring);
}

static void check_zeroes(struct nbread_cqe cqe, size_t len)
{
	ck_assert_int_eq(cqe.res, len);
	dev_check_same(buf, len, 0);
	memset(buf, 0xa5, len);
}

/* Every range: whole and in part, across pages, to the end of the file and over it */
static void check_hits(int fd, size_t size)
{
	static const size_t offs[] = { 0, 1, 4095, PG, 3 * PG + 9, KB(64) - 1, KB(256) };
	static const size_t lens[] = { 1, 512, PG, PG + 1, KB(64), SIZE };

	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(offs) * NBTEST_ARRAY_SIZE(lens); i++) {
		size_t off = offs[i / NBTEST_ARRAY_SIZE(lens)];
		size_t len = lens[i % NBTEST_ARRAY_SIZE(lens)];
		int want = (int)(off + len <= size ? len : size - off);
		struct iovec iov[2] = { { buf, len / 3 }, { buf + len / 3, len - len / 3 } };
		struct nbread_cqe cqe = dev_read(&ring, fd, buf, len, off, 0);

		dev_must(cqe.res == want && cqe.flags == NBREAD_CQE_HIT, "READ: %d, flags %#x",
			 cqe.res, cqe.flags);
		dev_check(buf, want, off, ID);
		cqe = dev_readv(&ring, fd, iov, 2, off, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
		dev_must(cqe.res == want && cqe.flags == NBREAD_CQE_HIT, "READV: %d, flags %#x",
			 cqe.res, cqe.flags);
		dev_check(buf, want, off, ID);
	}
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-punted"), 0);
}

START_TEST(resident_bytes_of_tmpfs_need_no_worker)
{
	int fd = begin();

	check_hits(fd, SIZE);
	end(fd);
}
END_TEST

START_TEST(resident_bytes_of_a_memfd_need_no_worker)
{
	int fd = memfd_create("nbt", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	buf = dev_buf(SIZE);
	dev_ring(&ring, 8);
	nbtest_write_pattern(fd, 0, SIZE, ID, 1);
	check_hits(fd, SIZE);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(resident_bytes_in_huge_pages_of_tmpfs_need_no_worker)
{
	struct dev_fs huge = { .name = "tmpfs", .mnt = "/run/nbt-huge" };
	int fd;

	if (nbtest_sh("mkdir -p %s; mount -t tmpfs -o huge=always nbt %s", huge.mnt, huge.mnt))
		nbtest_skip("this kernel has no huge pages for tmpfs");
	buf = dev_buf(SIZE);
	dev_ring(&ring, 8);
	/* Larger than a huge page, and no multiple of it. */
	fd = dev_file(&huge, MB(2) + SIZE, ID);
	check_hits(fd, MB(2) + SIZE);
	close(fd);
	nbread_queue_exit(&ring);
	nbtest_must_sh("umount %s", huge.mnt);
}
END_TEST

START_TEST(a_hole_of_a_tmpfs_file_is_read_as_zeroes_by_a_worker)
{
	int fd = begin(), res;
	struct nbread_cqe cqe;

	ck_assert_int_eq(ftruncate(fd, 2 * SIZE), 0);
	for (int i = 0; i < 2; i++) {
		res = dev_read(&ring, fd, buf, PG, SIZE + PG, NBREAD_SQE_CACHED).res;
		ck_assert_int_eq(res, -EAGAIN);
		ck_assert_int_eq(dev_try(&ring, fd, buf, PG, SIZE + PG, NBREAD_SQE_NOIO).res,
				 -EAGAIN);
		dev_check_same(buf, SIZE, 0xa5);
		cqe = dev_read(&ring, fd, buf, SIZE, SIZE, 0);
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
		check_zeroes(cqe, SIZE);
	}
	/* Half and half: the bytes before the hole, and for CACHED no others. */
	res = dev_read(&ring, fd, buf, 4 * PG, SIZE - 2 * PG, NBREAD_SQE_CACHED).res;
	ck_assert_int_eq(res, 2 * PG);
	dev_check(buf, 2 * PG, SIZE - 2 * PG, ID);
	dev_check_same(buf + 2 * PG, SIZE - 2 * PG, 0xa5);
	ck_assert_int_eq(dev_read(&ring, fd, buf, 4 * PG, SIZE - 2 * PG, 0).res, 4 * PG);
	dev_check(buf, 2 * PG, SIZE - 2 * PG, ID);
	dev_check_same(buf + 2 * PG, 2 * PG, 0);
	end(fd);
}
END_TEST

START_TEST(allocated_pages_of_tmpfs_that_were_never_written_read_as_zeroes)
{
	int fd = begin(), res;
	void *old = dev_buf(MB(64));

	/* Memory that was in use comes next: not zeroes, but for kernels with init_on_alloc. */
	munmap(old, MB(64));
	ck_assert_int_eq(fallocate(fd, 0, SIZE, SIZE), 0);
	for (int i = 0; i < 2; i++) {
		/* Whether they count as resident is the kernel's affair; what they hold is not. */
		res = dev_read(&ring, fd, buf, PG, SIZE + PG, NBREAD_SQE_CACHED).res;
		ck_assert_msg(res == -EAGAIN || res == (int)PG, "CACHED: %d", res);
		dev_check_same(buf, PG, res > 0 ? 0 : 0xa5);
		memset(buf, 0xa5, PG);
		check_zeroes(dev_read(&ring, fd, buf, SIZE, SIZE, 0), SIZE);
	}
	end(fd);
}
END_TEST

START_TEST(the_tail_of_a_tmpfs_page_is_zero_after_truncation_and_growth)
{
	int fd = begin();
	struct nbread_cqe cqe;

	ck_assert_int_eq(ftruncate(fd, 1000), 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, 0).res, 1000);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 1000, NBREAD_SQE_CACHED).res, 0);
	ck_assert_int_eq(ftruncate(fd, PG), 0);
	cqe = dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED);
	ck_assert_int_eq(cqe.res, PG);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	dev_check(buf, 1000, 0, ID);
	dev_check_same(buf + 1000, PG - 1000, 0);
	end(fd);
}
END_TEST

/*
 * Out with the pages of the file, until one at its start is no longer there: what is on its way to
 * the swap may be a page of both for a while.
 */
static bool swap_out(int fd)
{
	bool gone = false, there;
	struct nbread_try try;

	for (int i = 0; i < 50 && !gone; i++) {
		void *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

		ck_assert(p != MAP_FAILED);
		if (madvise(p, SIZE, MADV_POPULATE_READ) || madvise(p, SIZE, MADV_PAGEOUT)) {
			munmap(p, SIZE);
			return false;
		}
		munmap(p, SIZE);
		there = nbtest_page_resident(fd, 0);
		try = dev_try(&ring, fd, buf, PG, 0, NBREAD_SQE_NOIO);
		gone = try.res == -EAGAIN;
		if (gone)
			continue;
		ck_assert(there);
		ck_assert_int_eq(try.res, PG);
		dev_check(buf, PG, 0, ID);
	}
	return gone;
}

START_TEST(pages_of_tmpfs_that_are_on_swap_are_read_by_a_worker)
{
	int fd = begin();
	struct nbread_cqe cqe;

	if (!swap_out(fd))
		nbtest_skip("the kernel does not swap out on request (MADV_PAGEOUT)");
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, -EAGAIN);
	cqe = dev_read(&ring, fd, buf, SIZE, 0, 0);
	ck_assert_int_eq(cqe.res, SIZE);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	dev_check(buf, SIZE, 0, ID);
	/* They are back. */
	cqe = dev_read(&ring, fd, buf, SIZE, 0, 0);
	ck_assert_int_eq(cqe.res, SIZE);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	dev_check(buf, SIZE, 0, ID);
	end(fd);
}
END_TEST

/* The largest size there can be: one byte more than is left cannot be reckoned. */
START_TEST(a_read_of_a_file_of_the_largest_size_stays_in_its_buffer)
{
	const off_t most = INT64_MAX;
	int fd = begin();
	struct nbread_cqe cqe;

	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(ftruncate(fd, most), 0);
	cqe = dev_read(&ring, fd, buf, PG, 0, 0);
	ck_assert_int_eq(cqe.res, PG);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	dev_check_same(buf, PG, 0);
	dev_check_same(buf + PG, SIZE - PG, 0xa5);
	memset(buf, 0xa5, PG);
	cqe = dev_read(&ring, fd, buf, PG, most - PG, 0);
	ck_assert_int_eq(cqe.res, PG);
	dev_check_same(buf + PG, SIZE - PG, 0xa5);
	end(fd);
}
END_TEST

Suite *check_tmpfs_suite(void)
{
	Suite *s = suite_create("tmpfs");

	nbtest_add(s, resident_bytes_of_tmpfs_need_no_worker);
	nbtest_add(s, resident_bytes_of_a_memfd_need_no_worker);
	nbtest_add(s, resident_bytes_in_huge_pages_of_tmpfs_need_no_worker);
	nbtest_add(s, a_hole_of_a_tmpfs_file_is_read_as_zeroes_by_a_worker);
	nbtest_add(s, allocated_pages_of_tmpfs_that_were_never_written_read_as_zeroes);
	nbtest_add(s, the_tail_of_a_tmpfs_page_is_zero_after_truncation_and_growth);
	nbtest_add(s, pages_of_tmpfs_that_are_on_swap_are_read_by_a_worker);
	nbtest_add(s, a_read_of_a_file_of_the_largest_size_stays_in_its_buffer);
	return s;
}
