/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many reads that wait for a device which holds them: each of a page of its
 * own, by an open file of its own, so that each reference shows.
 */
#ifndef NBREAD_TESTS_PARKED_H
#define NBREAD_TESTS_PARKED_H

#include "device.h"

#define PARKED 1000
#define PARKED_LEN 512

/* Of a page of its own, not at its start */
#define PARKED_OFF(i) ((off_t)((i) * (PG + 1)))

struct parked {
	const struct dev_fs *fs;
	int kind;
	struct nbread ring;
	int fd; /* can write */
	int fds[PARKED];
	unsigned char *buf; /* PARKED_LEN for each */
	/* before anything was opened */
	long refs, files, objects;
};

/** parked_base - what to compare with afterwards; the file, cold */
void parked_base(struct parked *p, int kind);

/** parked_start - the device holds, a ring has PARKED reads: user_data 0, 1, ... */
void parked_start(struct parked *p);

/** parked_close - the ring and the files */
void parked_close(struct parked *p);

/** parked_gone - lets go; every waiter and what it held is gone, the buffers are untouched */
void parked_gone(struct parked *p);

#endif /* NBREAD_TESTS_PARKED_H */
