/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One file system of any kind, on a piece of the scratch disk of its own: by
 * tests/vm/kind, or by hand with options. There is one at a time, left for the tests
 * that follow; another one takes its place. The faults of device.h work below it too.
 */
#ifndef NBREAD_TESTS_DEVICE_KIND_H
#define NBREAD_TESTS_DEVICE_KIND_H

#include "device.h"

/** dev_kind - skips the test where the kernel does not have it */
const struct dev_fs *dev_kind(const char *kind);

/** dev_made - a fresh ext4, xfs or btrfs with options of mkfs and mount; NULL as dev_kind() skips */
const struct dev_fs *dev_made(const char *fs, const char *mkfs, const char *mount);

/** dev_kind_done - takes it down; nothing of it may be open then */
void dev_kind_done(void);

/**
 * dev_lower_file - a file of an overlay, in its lower layer only, open for reading; the
 * overlay is mounted anew for it. dev_file() makes one in the upper layer.
 */
int dev_lower_file(const struct dev_fs *fs, size_t size, unsigned int id);

#endif /* NBREAD_TESTS_DEVICE_KIND_H */
