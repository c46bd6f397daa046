// SPDX-License-Identifier: GPL-2.0-only
/*
 * An overlay reads other files: of its lower layer, of its upper one, and of the upper
 * one instead of the lower one after a copy up. What of them is resident needs no
 * worker; what is not starts no I/O that was not asked for; and the overlay alone
 * decides who may read.
 */
#include <sys/fanotify.h>
#include "device_kind.h"

#define SIZE MB(1)
#define ID 33

enum { LOWER, UPPER, NR_LAYERS };

static const char *const kinds[] = { "overlay-ext4", "overlay-xfs" };

static struct nbread ring;
static unsigned char *buf;
static const struct dev_fs *fs;
static const char *fs_kind;

/* _i: the file system below, and the layer */
static int begin(int i)
{
	int fd;

	fs_kind = kinds[i / NR_LAYERS];
	fs = dev_kind(fs_kind);
	fd = i % NR_LAYERS == LOWER ? dev_lower_file(fs, SIZE, ID) : dev_file(fs, SIZE, ID);
	buf = dev_buf(SIZE);
	dev_ring(&ring, 64);
	return fd;
}

static void end(int fd)
{
	close(fd);
	nbread_queue_exit(&ring);
}

/*
 * One read of xfs is atomic against writes, so what is not found by one look-up, of 32
 * folios, may be a worker's, and a CACHED read may give less.
 */
static bool in_one_look(size_t len, size_t off)
{
	return !strstr(fs_kind, "xfs") || off % PG + len <= 32 * PG;
}

static void check_hit(int res, unsigned int flags, size_t len, size_t off)
{
	bool hit = res == (int)len && flags == NBREAD_CQE_HIT;
	bool worker = res == (int)len && flags == NBREAD_CQE_PUNTED;
	bool less = res > 0 && res < (int)len && !flags;

	dev_must(hit || (!in_one_look(len, off) && (worker || less)),
		 "%zu bytes at %zu: res %d, flags %#x", len, off, res, flags);
	dev_check(buf, res, off, ID);
	dev_check_same(buf + res, len - res, 0xa5);
	memset(buf, 0xa5, len);
}

static void read_hit(int fd, size_t len, size_t off, unsigned int flags)
{
	struct nbread_cqe cqe = dev_read(&ring, fd, buf, len, off, flags);

	check_hit(cqe.res, cqe.flags, len, off);
}

START_TEST(resident_bytes_of_an_overlay_need_no_worker)
{
	static const size_t lens[] = { 1, 512, PG, PG + 1, KB(64) + 3, SIZE };
	int fd = begin(_i);

	dev_warm(fd, 0, SIZE);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(lens); i++) {
		for (size_t off = 0; off + lens[i] <= SIZE; off += SIZE / 5 - 77) {
			struct iovec iov[2] = { { buf, lens[i] / 3 },
						{ buf + lens[i] / 3, lens[i] - lens[i] / 3 } };
			struct nbread_cqe cqe;
			struct nbread_try try;

			read_hit(fd, lens[i], off, 0);
			cqe = dev_readv(&ring, fd, iov, 2, off, NBREAD_SQE_CACHED);
			check_hit(cqe.res, cqe.flags, lens[i], off);
			try = dev_try(&ring, fd, buf, lens[i], off, NBREAD_SQE_NOIO);
			check_hit(try.res, try.cqe_flags, lens[i], off);
		}
	}
	/* Over the end of the file, and behind it */
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, SIZE - 5, NBREAD_SQE_CACHED).res, 5);
	ck_assert_int_eq(dev_read(&ring, fd, buf, PG, SIZE, NBREAD_SQE_CACHED).res, 0);
	end(fd);
}
END_TEST

START_TEST(every_page_that_a_plain_read_of_an_overlay_left_is_a_hit)
{
	int fd = begin(_i), own;

	nbtest_evict(fd);
	/* In order and in small steps, so that readahead marks are left behind. */
	own = dev_reopen(fd, O_RDONLY);
	for (size_t off = 0; off < SIZE / 2; off += PG)
		ck_assert_int_eq(pread(own, buf, PG, off), PG);
	close(own);
	for (size_t off = 0; off < SIZE; off += PG) {
		if (nbtest_page_resident(fd, off))
			read_hit(fd, PG, off, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
	}
	end(fd);
}
END_TEST

START_TEST(noio_misses_of_an_overlay_start_no_io_below)
{
	int fd = begin(_i);
	uint64_t reads;

	nbtest_evict(fd);
	reads = dev_reads(fs);
	for (int i = 0; i < 1000; i++) {
		off_t off = (off_t)(i * UINT64_C(7919) * PG % SIZE);
		struct nbread_try try = dev_try(&ring, fd, buf, PG, off, NBREAD_SQE_NOIO);
		struct nbread_cqe cqe =
			dev_read(&ring, fd, buf, PG, off, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);

		dev_must(try.res == -EAGAIN && !try.cqe_flags, "TRY: %d, %#x", try.res,
			 try.cqe_flags);
		dev_must(cqe.res == -EAGAIN && !cqe.flags, "CACHED: %d, %#x", cqe.res, cqe.flags);
	}
	ck_assert_uint_eq(dev_reads(fs), reads);
	ck_assert_uint_eq(nbtest_resident(fd, 0, SIZE), 0);
	dev_check_same(buf, PG, 0xa5);
	/* With a part resident: just that, and nothing more is fetched. */
	dev_warm(fd, 0, 3 * PG);
	reads = dev_reads(fs);
	ck_assert_int_eq(dev_try(&ring, fd, buf, KB(64), 100, NBREAD_SQE_NOIO).res, 3 * PG - 100);
	dev_check(buf, 3 * PG - 100, 100, ID);
	ck_assert_uint_eq(dev_reads(fs), reads);
	ck_assert_uint_eq(nbtest_resident(fd, 0, SIZE), 3);
	end(fd);
}
END_TEST

START_TEST(a_cold_read_of_an_overlay_is_a_worker_s)
{
	int fd = begin(_i);
	struct nbread_cqe cqe;

	nbtest_evict(fd);
	cqe = dev_read(&ring, fd, buf, SIZE, 0, 0);
	ck_assert_int_eq(cqe.res, SIZE);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	dev_check(buf, SIZE, 0, ID);
	/* Here in part: no hit, and whole. */
	nbtest_evict(fd);
	dev_warm(fd, 0, KB(64));
	cqe = dev_read(&ring, fd, buf, KB(128), 0, 0);
	ck_assert_int_eq(cqe.res, KB(128));
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	dev_check(buf, KB(128), 0, ID);
	end(fd);
}
END_TEST

START_TEST(a_file_that_was_copied_up_after_its_open_gives_the_new_bytes)
{
	int fd = begin(_i * NR_LAYERS + LOWER), wfd;

	dev_warm(fd, 0, SIZE);
	read_hit(fd, SIZE, 0, 0);
	wfd = dev_reopen(fd, O_RDWR);
	nbtest_write_pattern(wfd, PG, 2 * PG, ID, 2);
	for (int cold = 0; cold < 3; cold++) {
		struct nbread_cqe cqe;

		if (cold == 1) {
			ck_assert_int_eq(fsync(wfd), 0);
			nbtest_evict(wfd);
		}
		cqe = dev_read(&ring, fd, buf, SIZE, 0, 0);
		ck_assert_int_eq(cqe.res, SIZE);
		dev_check(buf, PG, 0, ID);
		nbtest_check_bytes(buf + PG, 2 * PG, PG, ID, 2);
		dev_check(buf + 3 * PG, SIZE - 3 * PG, 3 * PG, ID);
		if (cold == 2 && in_one_look(SIZE, 0))
			ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	}
	/* Shorter, by the name */
	ck_assert_int_eq(ftruncate(wfd, PG + 10), 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, PG + 10);
	ck_assert_int_eq(dev_try(&ring, fd, buf, SIZE, 0, 0).res, PG + 10);
	ck_assert_int_eq(dev_try(&ring, fd, buf, SIZE, PG + 10, 0).res, 0);
	close(wfd);
	end(fd);
}
END_TEST

START_TEST(who_may_not_reach_the_layers_reads_through_the_overlay)
{
	int fd = begin(_i), own;
	struct nbread_cqe cqe;
	char path[128];

	nbtest_must_sh("chmod 700 %s.below", fs->mnt);
	dev_nobody();
	snprintf(path, sizeof(path), "%s.below/%s/file%d", fs->mnt,
		 _i % NR_LAYERS == LOWER ? "lower" : "upper", ID);
	ck_assert_int_eq(open(path, O_RDONLY), -1);
	ck_assert_int_eq(errno, EACCES);
	own = dev_reopen(fd, O_RDONLY);
	/* The mounter reads for them: resident (without a flag, that is the owner's), and cold */
	dev_root();
	dev_warm(fd, 0, SIZE);
	dev_nobody();
	cqe = dev_read(&ring, own, buf, KB(32), 0, 0);
	ck_assert_int_eq(cqe.res, KB(32));
	ck_assert_uint_eq(cqe.flags, 0);
	dev_check(buf, KB(32), 0, ID);
	ck_assert_int_eq(dev_read(&ring, own, buf, PG, 0, NBREAD_SQE_CACHED).res, PG);
	/* What they miss is brought in, whatever becomes of the read. */
	dev_root();
	nbtest_evict(fd);
	dev_nobody();
	ck_assert_int_eq(dev_read(&ring, own, buf, PG, 0, NBREAD_SQE_CACHED).res, -EAGAIN);
	dev_root();
	dev_await(nbtest_resident(fd, 0, PG));
	dev_nobody();
	ck_assert_int_eq(dev_try(&ring, own, buf, PG, 0, NBREAD_SQE_NOIO).res, -EPERM);
	dev_root();
	nbtest_evict(fd);
	dev_nobody();
	cqe = dev_read(&ring, own, buf, SIZE, 0, 0);
	ck_assert_int_eq(cqe.res, SIZE);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	dev_check(buf, SIZE, 0, ID);
	dev_root();
	close(own);
	end(fd);
}
END_TEST

START_TEST(a_file_that_the_overlay_does_not_let_one_read_is_not_read)
{
	int fd = begin(_i), own, fan;

	own = dev_reopen(fd, O_WRONLY);
	/* It was copied up, where xfs shares the blocks: in memory there is nothing yet. */
	dev_warm(fd, 0, SIZE);
	ck_assert_int_eq(dev_read(&ring, own, buf, PG, 0, 0).res, -EBADF);
	ck_assert_int_eq(dev_try(&ring, own, buf, PG, 0, 0).res, -EBADF);
	close(own);
	/* A listener on the overlay's file says no, and is asked though all is resident. */
	fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);
	if (fan < 0 || fanotify_mark(fan, FAN_MARK_ADD, FAN_ACCESS_PERM, fd, NULL))
		nbtest_skip("no fanotify permission listeners here: %s", strerror(errno));
	/* Newer kernels ask it only about what was opened after it came. */
	own = dev_reopen(fd, O_RDONLY);
	ck_assert_int_eq(dev_try(&ring, own, buf, PG, 0, 0).res, -EAGAIN);
	ck_assert_int_eq(dev_read(&ring, own, buf, PG, 0, NBREAD_SQE_CACHED).res, -EAGAIN);
	dev_check_same(buf, PG, 0xa5);
	close(own);
	close(fan);
	read_hit(fd, PG, 0, NBREAD_SQE_CACHED);
	end(fd);
}
END_TEST

Suite *check_overlay_suite(void)
{
	Suite *s = suite_create("overlay");
	int each = NBTEST_ARRAY_SIZE(kinds) * NR_LAYERS;

	nbtest_add_loop(s, resident_bytes_of_an_overlay_need_no_worker, each);
	nbtest_add_loop(s, every_page_that_a_plain_read_of_an_overlay_left_is_a_hit, each);
	nbtest_add_loop(s, noio_misses_of_an_overlay_start_no_io_below, each);
	nbtest_add_loop(s, a_cold_read_of_an_overlay_is_a_worker_s, each);
	nbtest_add_loop(s, a_file_that_was_copied_up_after_its_open_gives_the_new_bytes,
			NBTEST_ARRAY_SIZE(kinds));
	nbtest_add_loop(s, who_may_not_reach_the_layers_reads_through_the_overlay, each);
	nbtest_add_loop(s, a_file_that_the_overlay_does_not_let_one_read_is_not_read, each);
	return s;
}
