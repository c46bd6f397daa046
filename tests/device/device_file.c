// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files with known contents, and which of their pages are cached. See device.h.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "device.h"

void dev_check_same(const void *buf, size_t len, int value)
{
	const unsigned char *p = buf;

	for (size_t i = 0; i < len; i++) {
		if (p[i] != value)
			nbtest_fatal("byte %zu of the buffer was touched: %02x for %02x", i, p[i],
				     (unsigned int)value);
	}
}

void *dev_buf(size_t len)
{
	void *buf = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_msg(buf != MAP_FAILED, "mmap: %s", strerror(errno));
	return memset(buf, 0xa5, len);
}

int dev_file(const struct dev_fs *fs, size_t size, unsigned int id)
{
	char path[128];
	int fd;

	if (fs->mnt[0]) {
		snprintf(path, sizeof(path), "%s/file%u", fs->mnt, id);
		unlink(path);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	} else {
		fd = open(fs->dev, O_RDWR | O_CLOEXEC);
	}
	if (fd < 0)
		nbtest_fatal("cannot open a file of %s: %s", fs->name, strerror(errno));
	nbtest_write_pattern(fd, 0, size, id, 1);
	ck_assert_int_eq(fsync(fd), 0);
	return fd;
}

int dev_cold_file(const struct dev_fs *fs, size_t size, unsigned int id)
{
	int fd = dev_file(fs, size, id);

	nbtest_evict(fd);
	return fd;
}

int dev_reopen(int fd, int flags)
{
	char path[64];
	int copy;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = open(path, flags | O_CLOEXEC);
	if (copy < 0)
		nbtest_fatal("cannot reopen: %s", strerror(errno));
	return copy;
}

void dev_warm(int fd, off_t off, size_t len)
{
	char page[4096];
	int own = dev_reopen(fd, O_RDONLY);

	/* Random: no read-ahead, so that no other page gets in. */
	ck_assert_int_eq(posix_fadvise(own, 0, 0, POSIX_FADV_RANDOM), 0);
	for (off_t at = off; at < off + (off_t)len; at += PG)
		dev_must(pread(own, page, PG, at) >= 0, "pread: %s", strerror(errno));
	close(own);
}

uint64_t dev_sector(int fd, off_t off)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} f = { .map = { .fm_start = off, .fm_length = 1, .fm_extent_count = 1 } };
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	if (S_ISBLK(st.st_mode))
		return off / 512;
	f.map.fm_flags = FIEMAP_FLAG_SYNC;
	ck_assert_int_eq(ioctl(fd, FS_IOC_FIEMAP, &f), 0);
	ck_assert_uint_eq(f.map.fm_mapped_extents, 1);
	return (f.extent.fe_physical + (off - f.extent.fe_logical)) / 512;
}
