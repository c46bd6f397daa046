// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The backend over the kernel module: each operation is one ioctl on
 * /dev/nbread, and the rings are a mapping of it.
 *
 * The layout of the mapping comes from the device and is checked before it is
 * used (-EPROTO): a library and a module that do not fit together shall fail at
 * set-up, with a name, and not by a wild pointer later.
 */
#include <stdbool.h>
#include "internal.h"
#include "sys.h"

#define DEVICE "/dev/nbread"

static int module_open(void)
{
	int fd = nbread_sys_open(DEVICE);

	/* No such node, or a node without its driver: the module is not loaded. */
	if (fd == -ENOENT || fd == -ENXIO)
		return -ENODEV;
	return fd;
}

static bool power_of_two(__u32 n)
{
	return n && !(n & (n - 1));
}

/* Do 'nr' objects of 'bytes' at 'off' lie in the mapping, aligned to 'align'? */
static bool fits(const struct nbread_setup *p, __u32 off, __u32 nr, size_t bytes, __u32 align)
{
	return off % align == 0 && off + (__u64)nr * bytes <= p->ring_size;
}

static bool index_fits(const struct nbread_setup *p, __u32 off)
{
	return fits(p, off, 1, sizeof(__u32), sizeof(__u32));
}

static bool layout_fits(const struct nbread_setup *p, __u32 wanted)
{
	const struct nbread_sq_offsets *sq = &p->sq_off;
	const struct nbread_cq_offsets *cq = &p->cq_off;

	return power_of_two(p->sq_entries) && p->sq_entries >= wanted &&
	       power_of_two(p->cq_entries) && p->cq_entries >= p->sq_entries &&
	       p->ring_size <= SIZE_MAX && index_fits(p, sq->head) && index_fits(p, sq->tail) &&
	       index_fits(p, sq->mask) && index_fits(p, sq->flags) && index_fits(p, cq->head) &&
	       index_fits(p, cq->tail) && index_fits(p, cq->mask) && index_fits(p, cq->flags) &&
	       fits(p, sq->sqes, p->sq_entries, sizeof(struct nbread_sqe), sizeof(__u64)) &&
	       fits(p, cq->cqes, p->cq_entries, sizeof(struct nbread_cqe), sizeof(__u64));
}

/* Fills the pointers of the ring; false if the masks are not those of the entries. */
static bool point_into(struct nbread *ring, const struct nbread_setup *p)
{
	char *mem = ring->ring_ptr;
	struct nbread_sq *sq = &ring->sq;
	struct nbread_cq *cq = &ring->cq;

	sq->khead = (__u32 *)(mem + p->sq_off.head);
	sq->ktail = (__u32 *)(mem + p->sq_off.tail);
	sq->kflags = (__u32 *)(mem + p->sq_off.flags);
	sq->sqes = (struct nbread_sqe *)(mem + p->sq_off.sqes);
	sq->ring_entries = p->sq_entries;
	sq->ring_mask = p->sq_entries - 1;
	sq->sqe_tail = nbread_load_relaxed(sq->ktail);

	cq->khead = (__u32 *)(mem + p->cq_off.head);
	cq->ktail = (__u32 *)(mem + p->cq_off.tail);
	cq->kflags = (__u32 *)(mem + p->cq_off.flags);
	cq->cqes = (struct nbread_cqe *)(mem + p->cq_off.cqes);
	cq->ring_entries = p->cq_entries;
	cq->ring_mask = p->cq_entries - 1;

	return *(__u32 *)(mem + p->sq_off.mask) == sq->ring_mask &&
	       *(__u32 *)(mem + p->cq_off.mask) == cq->ring_mask;
}

static int query_fd(int fd, struct nbread_query *q)
{
	int ret;

	memset(q, 0, sizeof(*q));
	ret = nbread_sys_ioctl(fd, NBREAD_IOC_QUERY, q);
	if (ret < 0)
		return ret;
	/* Later versions only add, so any version from the first on will do. */
	return q->abi_version && q->max_try && q->max_len ? 0 : -EPROTO;
}

static int module_init(struct nbread *ring, struct nbread_setup *p)
{
	__u32 wanted = p->sq_entries;
	struct nbread_query q;
	int fd, ret;

	fd = module_open();
	if (fd < 0)
		return fd;
	ret = query_fd(fd, &q);
	if (ret < 0)
		goto out_close;
	ret = nbread_sys_ioctl(fd, NBREAD_IOC_SETUP, p);
	if (ret < 0)
		goto out_close;
	ret = -EPROTO;
	if (!layout_fits(p, wanted))
		goto out_close;
	ring->ring_size = (size_t)p->ring_size;
	ret = nbread_sys_mmap(fd, ring->ring_size, &ring->ring_ptr);
	if (ret < 0)
		goto out_close;
	ret = -EPROTO;
	if (!point_into(ring, p))
		goto out_unmap;
	ring->ring_fd = fd;
	ring->setup_flags = p->flags;
	ring->priv = (void *)(intptr_t)nbread_sys_pid();
	ring->max_try = q.max_try;
	ring->max_len = q.max_len;
	return 0;

out_unmap:
	nbread_sys_munmap(ring->ring_ptr, ring->ring_size);
out_close:
	nbread_sys_close(fd);
	return ret;
}

/*
 * Whose ring is it, if it has a thread? Of such a one a forked child has no mapping. -EINVAL: of
 * this process; -EPERM: of another one; else its descriptor is closed, or of something else now.
 */
static int ask_whose(const struct nbread *ring)
{
	struct nbread_enter nothing;

	if (!(ring->setup_flags & NBREAD_SETUP_SQTHREAD) ||
	    (int)(intptr_t)ring->priv == nbread_sys_pid())
		return -EINVAL;
	memset(&nothing, 0, sizeof(nothing));
	/* More than there can be: refused before anything is done, but after the owner was looked at. */
	nothing.min_complete = UINT32_MAX;
	return nbread_sys_ioctl(ring->ring_fd, NBREAD_IOC_ENTER, &nothing);
}

static void module_exit(struct nbread *ring)
{
	int whose = ask_whose(ring);

	/* What is at that place in a child is something else. */
	if (whose == -EINVAL)
		nbread_sys_munmap(ring->ring_ptr, ring->ring_size);
	if (whose == -EINVAL || whose == -EPERM)
		nbread_sys_close(ring->ring_fd);
}

static int module_enter(struct nbread *ring, struct nbread_enter *e)
{
	return nbread_sys_ioctl(ring->ring_fd, NBREAD_IOC_ENTER, e);
}

static int module_try_many(struct nbread *ring, struct nbread_try *reqs, unsigned n)
{
	struct nbread_try_batch batch = { .reqs = (uintptr_t)reqs, .nr = n };

	return nbread_sys_ioctl(ring->ring_fd, NBREAD_IOC_TRY, &batch);
}

static int module_reg(struct nbread *ring, struct nbread_register *r)
{
	return nbread_sys_ioctl(ring->ring_fd, NBREAD_IOC_REGISTER, r);
}

static int module_cancel(struct nbread *ring, struct nbread_cancel *c)
{
	return nbread_sys_ioctl(ring->ring_fd, NBREAD_IOC_CANCEL, c);
}

static int module_file_info(struct nbread *ring, struct nbread_file_info *info)
{
	return nbread_sys_ioctl(ring->ring_fd, NBREAD_IOC_FILE_INFO, info);
}

static int module_query(struct nbread *ring, struct nbread_query *q)
{
	int fd, ret;

	if (ring)
		return query_fd(ring->ring_fd, q);
	fd = module_open();
	if (fd < 0)
		return fd;
	ret = query_fd(fd, q);
	nbread_sys_close(fd);
	return ret;
}

const struct nbread_backend_ops nbread_module_ops = {
	.id = NBREAD_BACKEND_MODULE,
	.init = module_init,
	.exit = module_exit,
	.enter = module_enter,
	.try_many = module_try_many,
	.reg = module_reg,
	.cancel = module_cancel,
	.file_info = module_file_info,
	.query = module_query,
};
