// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The calls beside the queues: deadline, try, cancel, ask. They only fill the argument
 * struct of the ABI, reserved members zero, and hand it to the backend.
 */
#include <limits.h>
#include "internal.h"
#include "sys.h"

int nbread_sqe_set_timeout_ns(struct nbread_sqe *sqe, __s64 timeout_ns)
{
	__u64 now;

	if (timeout_ns < -1)
		return -EINVAL;
	if (timeout_ns < 0) {
		sqe->deadline_ns = INT64_MAX; /* 0 would be what the ring has */
		return 0;
	}
	now = nbread_sys_now_ns();
	sqe->deadline_ns = (__u64)timeout_ns > INT64_MAX - now ? INT64_MAX :
								 (__u64)timeout_ns + now;
	return 0;
}

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

int nbread_cancel_file_index(struct nbread *ring, unsigned index, unsigned flags)
{
	struct nbread_cancel c;

	if (index > INT_MAX)
		return -EBADF;
	memset(&c, 0, sizeof(c));
	c.fd = (__s32)index;
	c.flags = flags | NBREAD_CANCEL_FD | NBREAD_CANCEL_FIXED_FILE;
	return ring->ops->cancel(ring, &c);
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
	if (ret < 0)
		return ret;
	do {
		ret = ops->query(NULL, q);
		if (ret < 0)
			ops = nbread_backend_instead(ops, ret, 0);
	} while (ret < 0 && ops);
	return ret;
}
