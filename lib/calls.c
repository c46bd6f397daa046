// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The calls beside the queues: try, cancel, register, ask. They only fill the
 * argument struct of the ABI, reserved members zero, and hand it to the backend.
 */
#include <limits.h>
#include "internal.h"

int nbread_try_many(struct nbread *ring, struct nbread_try *reqs, unsigned n)
{
	unsigned done = 0;
	int hits = 0;

	if (n > INT_MAX)
		return -EINVAL;
	while (done < n) {
		unsigned nr = n - done < ring->max_try ? n - done : ring->max_try;
		int ret = ring->ops->try_many(ring, reqs + done, nr);

		if (ret < 0)
			return ret;
		hits += ret;
		done += nr;
	}
	return hits;
}

int nbread_cancel64(struct nbread *ring, __u64 user_data, unsigned flags)
{
	struct nbread_cancel c;

	memset(&c, 0, sizeof(c));
	c.user_data = user_data;
	c.flags = flags;
	return ring->ops->cancel(ring, &c);
}

int nbread_cancel_fd(struct nbread *ring, int fd, unsigned flags)
{
	struct nbread_cancel c;

	memset(&c, 0, sizeof(c));
	c.fd = fd;
	c.flags = flags | NBREAD_CANCEL_FD;
	return ring->ops->cancel(ring, &c);
}

static int reg(struct nbread *ring, __u32 op, const void *array, unsigned nr, unsigned off)
{
	struct nbread_register r;
	int ret;

	memset(&r, 0, sizeof(r));
	r.op = op;
	r.addr = (uintptr_t)array;
	r.nr = nr;
	r.off = off;
	ret = ring->ops->reg(ring, &r);
	return ret < 0 ? ret : 0;
}

int nbread_register_files(struct nbread *ring, const int *files, unsigned nr)
{
	return reg(ring, NBREAD_REGISTER_FILES, files, nr, 0);
}

int nbread_register_files_update(struct nbread *ring, unsigned off, const int *files, unsigned nr)
{
	return reg(ring, NBREAD_REGISTER_FILES_UPDATE, files, nr, off);
}

int nbread_unregister_files(struct nbread *ring)
{
	return reg(ring, NBREAD_UNREGISTER_FILES, NULL, 0, 0);
}

int nbread_register_buffers(struct nbread *ring, const struct iovec *iovecs, unsigned nr)
{
	return reg(ring, NBREAD_REGISTER_BUFFERS, iovecs, nr, 0);
}

int nbread_unregister_buffers(struct nbread *ring)
{
	return reg(ring, NBREAD_UNREGISTER_BUFFERS, NULL, 0, 0);
}

int nbread_register_eventfd(struct nbread *ring, int fd)
{
	return reg(ring, NBREAD_REGISTER_EVENTFD, &fd, 1, 0);
}

int nbread_unregister_eventfd(struct nbread *ring)
{
	return reg(ring, NBREAD_UNREGISTER_EVENTFD, NULL, 0, 0);
}

int nbread_file_info(struct nbread *ring, int fd, struct nbread_file_info *info)
{
	int ret;

	memset(info, 0, sizeof(*info));
	info->fd = fd;
	ret = ring->ops->file_info(ring, info);
	return ret < 0 ? ret : 0;
}

int nbread_query(struct nbread *ring, struct nbread_query *q)
{
	const struct nbread_backend_ops *ops;
	int ret;

	if (ring)
		return ring->ops->query(ring, q);
	ret = nbread_backend_select(&ops);
	return ret < 0 ? ret : ops->query(NULL, q);
}
