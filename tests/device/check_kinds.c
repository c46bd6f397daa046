// SPDX-License-Identifier: GPL-2.0-only
/*
 * What FILE_INFO says of a file is what its reads then do, by their flags and by the
 * counters of the ring: on each kind of file system that a server meets.
 */
#include <linux/magic.h>
#include <sys/statfs.h>
#include "device_kind.h"

/* So much that one look-up finds it: an overlay on xfs has a worker for more (check_overlay.c). */
#define SIZE KB(56)
#define ID 31

static struct nbread ring;
static unsigned char *buf;
static struct nbread_file_info info;

/* The counters of the ring move as the flags of the completion say. */
static struct nbread_cqe counted(int fd, unsigned int flags)
{
	static const struct {
		const char *name;
		unsigned int flag;
	} counters[] = {
		{ "nbread-hits", NBREAD_CQE_HIT },
		{ "nbread-waited", NBREAD_CQE_WAITED },
		{ "nbread-punted", NBREAD_CQE_PUNTED },
	};
	uint64_t before[3];
	struct nbread_cqe cqe;

	for (int i = 0; i < 3; i++)
		before[i] = dev_fdinfo(&ring, counters[i].name);
	memset(buf, 0xa5, SIZE);
	cqe = dev_read(&ring, fd, buf, SIZE, 0, flags);
	for (int i = 0; i < 3; i++)
		ck_assert_msg(dev_fdinfo(&ring, counters[i].name) - before[i] ==
				      !!(cqe.flags & counters[i].flag),
			      "%s and the flags %#x of the completion differ", counters[i].name,
			      cqe.flags);
	dev_check_same(buf + (cqe.res > 0 ? cqe.res : 0), SIZE - (cqe.res > 0 ? cqe.res : 0), 0xa5);
	if (cqe.res > 0)
		dev_check(buf, cqe.res, 0, ID);
	return cqe;
}

static void expect(struct nbread_cqe cqe, int res, unsigned int flags, const char *what)
{
	ck_assert_msg(cqe.res == res && cqe.flags == flags,
		      "%s: res %d, flags %#x; by FILE_INFO (path %u, flags %#x) res %d, flags %#x",
		      what, cqe.res, cqe.flags, info.path, info.flags, res, flags);
}

/* The members fit each other. */
static void check_info(int fd)
{
	bool resident, parks;
	struct statfs sfs;

	ck_assert_int_eq(nbread_file_info(&ring, fd, &info), 0);
	resident = info.flags & NBREAD_FILE_RESIDENT;
	parks = info.flags & NBREAD_FILE_PARKS;
	ck_assert_int_eq(info.error, 0);
	ck_assert(info.flags & NBREAD_FILE_ORACLE);
	switch (info.path) {
	case NBREAD_PATH_FILEMAP:
		ck_assert(resident);
		ck_assert_uint_eq(info.reason, parks ? NBREAD_WHY_OK : NBREAD_WHY_NO_ASYNC);
		break;
	case NBREAD_PATH_ASYNC:
		ck_assert(resident && parks);
		ck_assert(info.reason == NBREAD_WHY_NOT_IN_TABLE ||
			  info.reason == NBREAD_WHY_FILEMAP_OFF);
		break;
	default:
		ck_assert_uint_eq(info.path, NBREAD_PATH_WORKER);
		ck_assert(!parks);
		ck_assert(info.reason == NBREAD_WHY_NO_ASYNC ||
			  (resident && info.reason == NBREAD_WHY_STACKED));
	}
	ck_assert_int_eq(fstatfs(fd, &sfs), 0);
	/* A block device's node is on another file system; 9p tells of the server's. */
	if (info.fs_magic != V9FS_MAGIC && info.fs_magic != BDEVFS_MAGIC)
		ck_assert_uint_eq(info.fs_magic, (uint32_t)sfs.f_type);
}

static void check_resident(int fd)
{
	bool resident = info.flags & NBREAD_FILE_RESIDENT;
	unsigned int hit = resident ? NBREAD_CQE_HIT : 0;
	int res = resident ? (int)SIZE : -EAGAIN;

	expect(counted(fd, 0), SIZE, resident ? hit : NBREAD_CQE_PUNTED, "READ, resident");
	expect(counted(fd, NBREAD_SQE_CACHED), res, hit, "CACHED, resident");
	expect(counted(fd, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO), res, hit, "NOIO, resident");
}

static void check_cold(int fd)
{
	struct nbread_cqe cqe;

	nbtest_evict(fd);
	cqe = counted(fd, 0);
	if (info.flags & NBREAD_FILE_PARKS)
		cqe.flags &= ~NBREAD_CQE_WAITED;
	expect(cqe, SIZE, info.flags & NBREAD_FILE_PARKS ? 0 : NBREAD_CQE_PUNTED, "READ, cold");
	nbtest_evict(fd);
	cqe = counted(fd, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
	expect(cqe, -EAGAIN, 0, "NOIO, cold");
	ck_assert_uint_eq(nbtest_resident(fd, 0, SIZE), 0);
	/*
	 * The disk may have answered the readahead by the time it is looked at. Last, since
	 * what is still on its way cannot be evicted.
	 */
	cqe = counted(fd, NBREAD_SQE_CACHED);
	ck_assert_msg((cqe.res == -EAGAIN || cqe.res > 0) && !cqe.flags,
		      "CACHED, cold: res %d, flags %#x", cqe.res, cqe.flags);
	dev_warm(fd, 0, SIZE);
}

/* Where the file system takes the flag at all */
static void check_direct(int fd)
{
	char path[64];
	int direct;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (direct < 0)
		return;
	ck_assert_int_eq(nbread_file_info(&ring, direct, &info), 0);
	ck_assert_uint_eq(info.path, NBREAD_PATH_REFUSED);
	ck_assert_uint_eq(info.reason, NBREAD_WHY_DIRECT_IO);
	ck_assert_int_eq(info.error, -EOPNOTSUPP);
	ck_assert_uint_eq(info.flags, 0);
	expect(counted(direct, 0), -EOPNOTSUPP, 0, "READ, O_DIRECT");
	expect(counted(direct, NBREAD_SQE_CACHED), -EOPNOTSUPP, 0, "CACHED, O_DIRECT");
	close(direct);
}

static void check_file(int fd)
{
	check_info(fd);
	dev_warm(fd, 0, SIZE);
	check_resident(fd);
	/* What lives in memory alone is never cold; check_tmpfs.c has its swap. */
	if (info.fs_magic != TMPFS_MAGIC) {
		check_cold(fd);
		check_resident(fd);
	}
	expect(counted(fd, NBREAD_SQE_ASYNC), SIZE, NBREAD_CQE_PUNTED, "ASYNC");
	check_direct(fd);
}

#define ROW(kind, id)                                                \
	{                                                            \
		"reads_of_" id "_are_served_as_file_info_says", kind \
	}

static const struct {
	const char *name, *kind;
} kinds[] = {
	ROW("ext4", "ext4"),
	ROW("xfs", "xfs"),
	ROW("btrfs", "btrfs"),
	ROW("btrfs-zstd", "btrfs_zstd"),
	ROW("bdev", "bdev"),
	ROW("f2fs", "f2fs"),
	ROW("tmpfs", "tmpfs"),
	ROW("overlay-ext4", "overlay_ext4"),
	ROW("overlay-xfs", "overlay_xfs"),
	ROW("nfs", "nfs"),
	ROW("fuse", "fuse"),
	ROW("9p", "9p"),
	ROW("vfat", "vfat"),
	ROW("ext4-crypt", "ext4_crypt"),
};

START_TEST(served)
{
	const struct dev_fs *fs;
	int fd;

	nbtest_row(kinds[_i].name);
	fs = dev_kind(kinds[_i].kind);
	buf = dev_buf(SIZE);
	dev_ring(&ring, 8);
	if (!strncmp(kinds[_i].kind, "overlay", 7)) {
		fd = dev_lower_file(fs, SIZE, ID);
		check_file(fd);
		close(fd);
	}
	fd = dev_file(fs, SIZE, ID);
	check_file(fd);
	close(fd);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_kinds_suite(void)
{
	Suite *s = suite_create("kinds");

	nbtest_add_table(s, served, kinds);
	return s;
}
