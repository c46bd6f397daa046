/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm: device-mapper and null_blk devices, file systems on them (root; in the VM).
 *
 * A device that a test made goes away with its teardown: call dm_remove() there,
 * it does not mind a device that is not there. Nodes are /dev/mapper/NAME, made
 * without udev. What fails ends the test with dmsetup's message.
 */
#ifndef NBTEST_DM_H
#define NBTEST_DM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** dm_have - whether the kernel has the target ('delay', 'dust', 'error', 'flakey') */
bool dm_have(const char *target);

/** dm_scratch - $NBREAD_SCRATCH; fails the test where it is not set */
const char *dm_scratch(void);

/** dm_sectors - size of a block device in 512-byte sectors */
uint64_t dm_sectors(const char *dev);

/** dm_path - /dev/mapper/NAME; the result lives until the thread's next call */
const char *dm_path(const char *name);

/** dm_create - with a table of one line; any device of that name is removed first */
void dm_create(const char *name, const char *table_fmt, ...) __attribute__((format(printf, 2, 3)));

/** dm_load - replaces the table: suspend, load, resume */
void dm_load(const char *name, const char *table_fmt, ...) __attribute__((format(printf, 2, 3)));

/** dm_linear - a plain mapping of the whole device */
void dm_linear(const char *name, const char *dev);

/**
 * dm_delay - reads take read_ms, writes and flushes no extra time
 *
 * dm_suspend() makes the device let go of every read it holds, at once; new
 * reads then wait (readahead fails). After dm_resume() it delays again.
 */
void dm_delay(const char *name, const char *dev, unsigned int read_ms);

/** dm_delay_set - another delay from now on; lets go of the reads that are held */
void dm_delay_set(const char *name, const char *dev, unsigned int read_ms);

/** dm_dust - bad blocks of 512 bytes, none at first; reads of a bad one are -EIO, a write repairs it */
void dm_dust(const char *name, const char *dev);
void dm_dust_add(const char *name, uint64_t sector);
void dm_dust_remove(const char *name, uint64_t sector);

/** dm_error - every read and write fails */
void dm_error(const char *name, uint64_t sectors);

/** dm_flakey - works up_s seconds, fails down_s seconds, and so on; 0, n: fails always */
void dm_flakey(const char *name, const char *dev, unsigned int up_s, unsigned int down_s);

/** dm_message - sent to sector 0 */
void dm_message(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** dm_suspend - lets go of what a delay device holds; no file system freeze */
void dm_suspend(const char *name);
void dm_resume(const char *name);

/** dm_let_go - both: what a delay device holds ends now, what comes is held again */
void dm_let_go(const char *name);

/** dm_in_flight - reads that were sent to the device and have not come back */
unsigned int dm_in_flight(const char *name);

/** dm_remove - lets go, removes; tries again while something still closes it (bounded) */
void dm_remove(const char *name);

/**
 * null_blk - /dev/nullb0, a memory-backed disk whose requests take completion_ns
 * (0: at once); null_blk_remove() unloads it
 */
const char *null_blk(unsigned int megabytes, uint64_t completion_ns);
void null_blk_remove(void);

/** fs_make - mkfs; fs: ext4, xfs, btrfs */
void fs_make(const char *fs, const char *dev);

/** fs_mount - makes dir; opts may be NULL ('noatime,strictatime,…' as mount -o) */
void fs_mount(const char *fs, const char *dev, const char *dir, const char *opts);

/** fs_remount - with other options */
void fs_remount(const char *dir, const char *opts);

/** fs_umount - tries again while it is busy (bounded), removes dir */
void fs_umount(const char *dir);

/** fs_umount_quiet - for a teardown: no matter whether it was mounted */
void fs_umount_quiet(const char *dir);

#endif /* NBTEST_DM_H */
