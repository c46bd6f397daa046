// SPDX-License-Identifier: GPL-2.0-only
/* See device_disk.h. */
#include "device_disk.h"

/* Past the page cache of the block device, which the file system does not use for data. */
static int open_disk(const struct dev_fs *fs)
{
	int fd = open(fs->dev, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		nbtest_fatal("%s: %s", fs->dev, strerror(errno));
	return fd;
}

void disk_read(const struct dev_fs *fs, uint64_t sector, void *page)
{
	void *own = dev_buf(PG);
	int fd = open_disk(fs);

	ck_assert_int_eq(pread(fd, own, PG, (off_t)sector * 512), PG);
	memcpy(page, own, PG);
	close(fd);
}

void disk_spoil(const struct dev_fs *fs, uint64_t sector)
{
	unsigned char *page = dev_buf(PG);
	int fd = open_disk(fs);

	ck_assert_int_eq(pread(fd, page, PG, (off_t)sector * 512), PG);
	page[1000] ^= 0x10;
	ck_assert_int_eq(pwrite(fd, page, PG, (off_t)sector * 512), PG);
	close(fd);
}

uint64_t disk_btrfs_sector(const struct dev_fs *fs, int fd, off_t off)
{
	uint64_t logical = dev_sector(fd, off) * 512;
	char line[256] = "";
	const char *at;

	nbtest_must_sh("btrfs-map-logical -l %llu %s >/run/nbt-map", (unsigned long long)logical,
		       fs->dev);
	ck_assert_int_gt(nbtest_read_text("/run/nbt-map", line, sizeof(line)), 0);
	at = strstr(line, "physical ");
	ck_assert_msg(at, "btrfs-map-logical said: %s", line);
	return strtoull(at + strlen("physical "), NULL, 10) / 512;
}

void disk_check_bad_page(struct nbread *ring, int fd, size_t size, size_t bad, unsigned int id)
{
	unsigned char *buf = dev_buf(size), *own = dev_buf(size);
	struct nbread_cqe cqe;
	ssize_t n;

	nbtest_evict(fd);
	for (int i = 0; i < 3; i++) {
		/* dev_read() sees a second completion, if there is one. */
		cqe = dev_read(ring, fd, buf, PG, bad, 0);
		ck_assert_int_eq(cqe.res, -EIO);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
		dev_check_none(ring);
		ck_assert_int_eq(dev_read(ring, fd, buf, PG, bad, NBREAD_SQE_CACHED).res, -EAGAIN);
		ck_assert_int_eq(dev_try(ring, fd, buf, PG, bad, NBREAD_SQE_NOIO).res, -EAGAIN);
		ck_assert_int_eq(dev_try(ring, fd, buf, PG, bad, 0).res, -EAGAIN);
		ck_assert_int_eq(dev_read(ring, fd, buf, PG, bad, NBREAD_SQE_ASYNC).res, -EIO);
		ck_assert_int_eq(pread(fd, own, PG, bad), -1);
		ck_assert_int_eq(errno, EIO);
	}
	dev_check_same(buf, PG, 0xa5);
	/* What is in front of it is delivered, and not one byte more; as by pread(2). */
	for (int cold = 0; cold < 2; cold++) {
		if (cold)
			nbtest_evict(fd);
		cqe = dev_read(ring, fd, buf, size, 0, 0);
		ck_assert_int_eq(cqe.res, bad);
		dev_check(buf, bad, 0, id);
		dev_check_same(buf + bad, size - bad, 0xa5);
		memset(buf, 0xa5, size);
		n = pread(fd, own, size, 0);
		ck_assert_int_eq(cqe.res, n);
	}
	/* So is what is behind it. */
	nbtest_evict(fd);
	cqe = dev_read(ring, fd, buf, size - bad - PG, bad + PG, 0);
	ck_assert_int_eq(cqe.res, size - bad - PG);
	dev_check(buf, size - bad - PG, bad + PG, id);
}
