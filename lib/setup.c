// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Life of a ring. Whatever goes wrong, nbread_queue_exit() may follow: a ring
 * that is not set up has no backend.
 */
#include "internal.h"

static void ring_clear(struct nbread *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->ring_fd = -1;
}

int nbread_queue_init_params(unsigned entries, struct nbread *ring, struct nbread_setup *p)
{
	const struct nbread_backend_ops *ops;
	struct nbread_setup setup;
	int ret;

	ring_clear(ring);
	ret = nbread_backend_select(&ops);
	if (ret < 0)
		return ret;
	do {
		setup = *p;
		setup.sq_entries = entries;
		ring->ops = ops;
		ret = ops->init(ring, &setup);
		if (ret < 0) {
			ring_clear(ring);
			ops = nbread_backend_instead(ops, ret, p->flags);
		}
	} while (ret < 0 && ops);
	if (ret < 0)
		return ret;
	ret = nbread_locks_init(ring);
	if (ret < 0) {
		ops->exit(ring);
		ring_clear(ring);
		return ret;
	}
	*p = setup;
	return 0;
}

int nbread_queue_init(unsigned entries, struct nbread *ring, unsigned setup_flags)
{
	struct nbread_setup p;

	memset(&p, 0, sizeof(p));
	p.flags = setup_flags;
	return nbread_queue_init_params(entries, ring, &p);
}

void nbread_queue_exit(struct nbread *ring)
{
	if (!ring->ops)
		return;
	ring->ops->exit(ring);
	nbread_locks_exit(ring);
	ring_clear(ring);
}

int nbread_queue_exit_drain_ns(struct nbread *ring, __s64 timeout_ns)
{
	int ret = ring->ops ? nbread_queue_drain_ns(ring, timeout_ns) : 0;

	if (ret < 0)
		return ret;
	nbread_queue_exit(ring);
	return 0;
}
