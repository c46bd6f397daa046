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

#endif /* NBREAD_TESTS_FIXED_H */
