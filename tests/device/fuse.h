/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A FUSE file system of one file, served by a thread of the test: a file that
 * only workers can read, whose reads take as long as the test wants and whose
 * server sees who reads.
 */
#ifndef NBREAD_TESTS_FUSE_H
#define NBREAD_TESTS_FUSE_H

#include <stdbool.h>
#include <stdint.h>

/** fuse_start - mounts it; the file's path. @id: of its bytes, generation 1 */
const char *fuse_start(uint64_t size, unsigned int id);

/** fuse_stop - every read that is held ends; unmounts it */
void fuse_stop(void);

/** fuse_hold - reads are answered only after fuse_release() */
void fuse_hold(void);
void fuse_release(void);

/** fuse_let_go - what is held is answered now, what comes is held again */
void fuse_let_go(void);

/**
 * fuse_ask_attr - whether the next mount has the kernel ask for the attributes at each check of a
 * permission; and fuse_hold_attr - that is not answered before fuse_stop()
 */
void fuse_ask_attr(bool ask);
void fuse_hold_attr(void);

/** fuse_direct - whether files that are opened from now on are read past the page cache */
void fuse_direct(bool direct);

/** fuse_held - reads that wait for that */
unsigned int fuse_held(void);

/** fuse_most_held - the most of them at a time, since some were let go */
unsigned int fuse_most_held(void);

/** fuse_reads - how many reads were asked for since fuse_start() */
unsigned int fuse_reads(void);

/** fuse_reader_uid - who sent the last read */
unsigned int fuse_reader_uid(void);

#endif /* NBREAD_TESTS_FUSE_H */
