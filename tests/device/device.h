/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the behaviour tests share, beside tests/support.
 *
 * File systems. The scratch disk is cut into pieces by device-mapper, one a
 * file system, made and mounted at the first use and left for the tests that
 * follow. The piece under a file system can be switched while it is mounted:
 * to hold its reads for minutes (dev_hold), to let go of them (dev_release),
 * to fail some sectors (dev_break). What a test that died left behind is put
 * right by the next dev_fs().
 *
 * All of these end the test with a message when they fail.
 */
#ifndef NBREAD_TESTS_DEVICE_H
#define NBREAD_TESTS_DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <libnbread.h>
#include "nbtest.h"

enum {
	DEV_EXT4,
	DEV_XFS,
	DEV_BTRFS,
	DEV_BDEV,
	DEV_NR_FS,
	DEV_VFAT = DEV_NR_FS,
	DEV_KIND, /* for device_kind.h */
	DEV_NR_ALL
};

/* One page of the page cache. */
#define PG ((size_t)4096)
#define KB(n) ((size_t)(n) << 10)
#define MB(n) ((size_t)(n) << 20)

#define MS UINT64_C(1000000)

/** struct dev_fs - a file system, or the block device itself (mnt is empty then) */
struct dev_fs {
	const char *name;
	char piece[16]; /* name of the device-mapper device */
	char dev[32];
	char mnt[32];
};

/** dev_add_each - a test for each of ext4, xfs, btrfs and a block device; _i is the DEV_* */
#define dev_add_each(suite, fn) nbtest_add_loop(suite, fn, DEV_NR_FS)

/** dev_fs - ready to use, without faults */
const struct dev_fs *dev_fs(int kind);

/** dev_hold - reads of the device take minutes from now on */
void dev_hold(const struct dev_fs *fs);

/** dev_release - the device lets go of them, and is as usual */
void dev_release(const struct dev_fs *fs);

/** dev_break - these sectors are bad until dev_release() */
void dev_break(const struct dev_fs *fs, uint64_t sector, unsigned int nr);

/** dev_hold_bad - reads of these sectors fail, but not before dev_release() or dev_break() */
void dev_hold_bad(const struct dev_fs *fs, uint64_t sector, unsigned int nr);

/** dev_reads - reads that the device has finished, asked when it is quiet */
uint64_t dev_reads(const struct dev_fs *fs);

/** dev_held - reads that were sent to the device and did not come back */
unsigned int dev_held(const struct dev_fs *fs);

/**
 * dev_file - a new file with the bytes of @id (generation 1), on disk, open for
 * reading and writing; of a block device the start
 */
int dev_file(const struct dev_fs *fs, size_t size, unsigned int id);

/** dev_cold_file - and nothing of it in the page cache */
int dev_cold_file(const struct dev_fs *fs, size_t size, unsigned int id);

/** dev_reopen - the same file as another open file, with its own read-ahead state */
int dev_reopen(int fd, int flags);

/** dev_warm - just these pages get into the page cache */
void dev_warm(int fd, off_t off, size_t len);

/** dev_sector - where this byte of the file is on the device */
uint64_t dev_sector(int fd, off_t off);

/** dev_check - the bytes that dev_file() wrote */
#define dev_check(buf, len, off, id) nbtest_check_bytes(buf, len, off, id, 1)

/** dev_check_same - all bytes still have the value that memset() gave them */
void dev_check_same(const void *buf, size_t len, int value);

/** dev_buf - pages filled with 0xa5 */
void *dev_buf(size_t len);

/** dev_ring - a ring of the module */
void dev_ring(struct nbread *ring, unsigned int entries);

/** dev_prep - fills the next submission entry */
void dev_prep(struct nbread *ring, int fd, void *buf, size_t len, off_t off, unsigned int flags,
	      uint64_t user_data);

/** dev_submit - hands over what is prepared: so many */
void dev_submit(struct nbread *ring, int taken);

/** dev_next - takes the next completion, which has to come */
struct nbread_cqe dev_next(struct nbread *ring);

/** dev_check_none - there is no completion, and a call does not make one */
void dev_check_none(struct nbread *ring);

/** dev_read - one READ from prep to completion */
struct nbread_cqe dev_read(struct nbread *ring, int fd, void *buf, size_t len, off_t off,
			   unsigned int flags);

/** dev_readv - one READV */
struct nbread_cqe dev_readv(struct nbread *ring, int fd, const struct iovec *iov, unsigned int nr,
			    off_t off, unsigned int flags);

/** dev_try - one TRY */
struct nbread_try dev_try(struct nbread *ring, int fd, void *buf, size_t len, off_t off,
			  unsigned int flags);

/** dev_polls - whether this thread of ours, 0 for none yet, sleeps in poll(2) */
bool dev_polls(pid_t thread);

/** dev_fdinfo - a counter of the ring */
uint64_t dev_fdinfo(const struct nbread *ring, const char *name);

/** dev_readable - what poll(2) says about the ring */
bool dev_readable(const struct nbread *ring);

/** dev_path - how FILE_INFO says that the file is served */
unsigned int dev_path(struct nbread *ring, int fd);

/** dev_nobody - go on as uid nobody, until dev_root() */
void dev_nobody(void);
void dev_root(void);

/** dev_module_refs - /sys/module/nbread/refcnt */
long dev_module_refs(void);

/** dev_module_idle - the same, once the rings of earlier tests are gone */
long dev_module_idle(void);

/** dev_must - ck_assert_msg() for what runs often: that writes a note each time, and is slow */
#define dev_must(cond, ...)                        \
	do {                                       \
		if (!(cond))                       \
			nbtest_fatal(__VA_ARGS__); \
	} while (0)

/** dev_await - waits for a condition that has to come true */
#define dev_await(cond)                                        \
	do {                                                   \
		if (!nbtest_wait_until(cond, 60000))           \
			nbtest_fatal("never came: %s", #cond); \
	} while (0)

#endif /* NBREAD_TESTS_DEVICE_H */
