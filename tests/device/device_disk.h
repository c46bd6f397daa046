/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file system's disk holds, behind the back of the file system. */
#ifndef NBREAD_TESTS_DEVICE_DISK_H
#define NBREAD_TESTS_DEVICE_DISK_H

#include "device.h"

/** disk_read - a page of the device, as it is on the disk */
void disk_read(const struct dev_fs *fs, uint64_t sector, void *page);

/** disk_spoil - another content for the page of the device at this sector */
void disk_spoil(const struct dev_fs *fs, uint64_t sector);

/** disk_btrfs_sector - where btrfs, of one device, put this byte of the file: dev_sector() is a logical address there */
uint64_t disk_btrfs_sector(const struct dev_fs *fs, int fd, off_t off);

/**
 * disk_check_bad_page - the page at @bad cannot be read: each READ says so once, as
 * pread(2) does, no byte of it gets out, and the pages around it are right
 */
void disk_check_bad_page(struct nbread *ring, int fd, size_t size, size_t bad, unsigned int id);

#endif /* NBREAD_TESTS_DEVICE_DISK_H */
