// SPDX-License-Identifier: GPL-2.0-only
/* See fixed.h. */
#include <sys/prctl.h>
#include "fixed.h"
#include "raw.h"

void fixed_register(struct nbread *ring, const struct iovec *iov, unsigned int nr)
{
	int ret = nbread_register_buffers(ring, iov, nr);

	dev_must(ret == 0, "nbread_register_buffers: %s", strerror(-ret));
}

int fixed_set(struct nbread *ring, unsigned int index, void *buf, size_t len)
{
	struct nbread_buffer b = { .addr = (uintptr_t)buf, .len = len };

	return raw_register(nbread_ring_fd(ring), NBREAD_REGISTER_BUFFERS_UPDATE, 0, &b, 1, index);
}

void fixed_prep(struct nbread *ring, int fd, unsigned int index, void *buf, size_t len, off_t off,
		unsigned int flags, uint64_t user_data)
{
	struct nbread_sqe *sqe = nbread_get_sqe(ring);

	dev_must(sqe, "the submission queue is full");
	nbread_prep_read_fixed(sqe, fd, buf, (unsigned int)len, (uint64_t)off, (int)index);
	nbread_sqe_set_flags(sqe, flags);
	nbread_sqe_set_data64(sqe, user_data);
}

struct nbread_cqe fixed_read(struct nbread *ring, int fd, unsigned int index, void *buf, size_t len,
			     off_t off, unsigned int flags)
{
	struct nbread_cqe cqe;

	fixed_prep(ring, fd, index, buf, len, off, flags, 0xf1ced);
	dev_submit(ring, 1);
	cqe = dev_next(ring);
	dev_must(cqe.user_data == 0xf1ced, "user_data %#llx", (unsigned long long)cqe.user_data);
	return cqe;
}

int fixed_set_slot(int dev, void *buf, size_t len)
{
	struct nbread_buffer b = { .addr = (uintptr_t)buf, .len = len };

	return raw_register(dev, NBREAD_REGISTER_BUFFERS_UPDATE, 0, &b, 1, 0);
}

unsigned char *fixed_buf(size_t len)
{
	ck_assert_int_eq(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	return dev_buf(len);
}
