/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registered buffers: what their tests share.
 */
#ifndef NBREAD_TESTS_FIXED_H
#define NBREAD_TESTS_FIXED_H

#include <sys/mman.h>
#include "device.h"

/** fixed_register - buffers as the next indices from 0 on */
void fixed_register(struct nbread *ring, const struct iovec *iov, unsigned int nr);

/** fixed_set - one slot anew; NULL empties it. What the call returns */
int fixed_set(struct nbread *ring, unsigned int index, void *buf, size_t len);

/** fixed_prep - fills the next submission entry */
void fixed_prep(struct nbread *ring, int fd, unsigned int index, void *buf, size_t len, off_t off,
		unsigned int flags, uint64_t user_data);

/** fixed_read - one READ_FIXED from prep to completion */
struct nbread_cqe fixed_read(struct nbread *ring, int fd, unsigned int index, void *buf, size_t len,
			     off_t off, unsigned int flags);

/** fixed_set_slot - the slot 0 of a raw ring; as fixed_set() */
int fixed_set_slot(int dev, void *buf, size_t len);

/** fixed_buf - as dev_buf(), not in a huge page, since what lies in one counts as all of it */
unsigned char *fixed_buf(size_t len);

/** FIXED_WANT - in a child: says what does not hold, and returns 1 */
#define FIXED_WANT(cond)                                                                   \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			return 1;                                                          \
		}                                                                          \
	} while (0)

#endif /* NBREAD_TESTS_FIXED_H */
