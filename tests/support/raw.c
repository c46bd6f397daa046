// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/nbread by ioctl and mmap alone; see raw.h. Needs nothing but libc, so
 * that it can be built for 32 bit too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "raw.h"

int raw_ioctl(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

int raw_open_fd(void)
{
	int fd = open(RAW_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int raw_map(struct raw *r)
{
	uint8_t *ring =
		mmap(NULL, (size_t)r->p.ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (ring == MAP_FAILED)
		return -errno;
	r->ring = ring;
	r->sq_head = (uint32_t *)(ring + r->p.sq_off.head);
	r->sq_tail = (uint32_t *)(ring + r->p.sq_off.tail);
	r->sq_flags = (uint32_t *)(ring + r->p.sq_off.flags);
	r->cq_head = (uint32_t *)(ring + r->p.cq_off.head);
	r->cq_tail = (uint32_t *)(ring + r->p.cq_off.tail);
	r->cq_flags = (uint32_t *)(ring + r->p.cq_off.flags);
	r->sqes = (struct nbread_sqe *)(ring + r->p.sq_off.sqes);
	r->cqes = (struct nbread_cqe *)(ring + r->p.cq_off.cqes);
	r->sq_mask = *(uint32_t *)(ring + r->p.sq_off.mask);
	r->cq_mask = *(uint32_t *)(ring + r->p.cq_off.mask);
	r->next = *r->sq_tail;
	return 0;
}

int raw_open(struct raw *r, uint32_t sq_entries, uint32_t cq_entries)
{
	memset(r, 0, sizeof(*r));
	r->p.sq_entries = sq_entries;
	r->p.cq_entries = cq_entries;
	return raw_open_p(r);
}

int raw_open_p(struct raw *r)
{
	int ret;

	r->fd = raw_open_fd();
	if (r->fd < 0)
		return r->fd;
	ret = raw_ioctl(r->fd, NBREAD_IOC_SETUP, &r->p);
	if (!ret)
		ret = raw_map(r);
	if (ret < 0)
		close(r->fd);
	return ret;
}

void raw_close(struct raw *r)
{
	if (r->ring)
		munmap(r->ring, (size_t)r->p.ring_size);
	if (r->fd >= 0)
		close(r->fd);
	r->ring = NULL;
	r->fd = -1;
}

struct nbread_sqe *raw_sqe(struct raw *r)
{
	struct nbread_sqe *sqe;

	/* Pairs with the store of the SQ head by the module: the slot is free. */
	if (r->next - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE) > r->sq_mask)
		return NULL;
	sqe = &r->sqes[r->next++ & r->sq_mask];
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

void raw_prep_read(struct nbread_sqe *sqe, int fd, void *buf, uint32_t len, uint64_t off,
		   uint64_t user_data)
{
	sqe->opcode = NBREAD_OP_READ;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)buf;
	sqe->len = len;
	sqe->off = off;
	sqe->user_data = user_data;
}

uint32_t raw_publish(struct raw *r)
{
	/* Pairs with the module's load of the SQ tail: the SQEs are complete. */
	__atomic_store_n(r->sq_tail, r->next, __ATOMIC_RELEASE);
	return r->next - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE);
}

int raw_enter(struct raw *r, uint32_t to_submit, uint32_t min_complete)
{
	struct nbread_enter e = { .to_submit = to_submit, .min_complete = min_complete };

	return raw_ioctl(r->fd, NBREAD_IOC_ENTER, &e);
}

int raw_enter_ns(struct raw *r, uint32_t to_submit, uint32_t min_complete, uint64_t timeout_ns)
{
	struct nbread_enter e = {
		.to_submit = to_submit,
		.min_complete = min_complete,
		.flags = NBREAD_ENTER_TIMEOUT,
		.timeout_ns = timeout_ns,
	};

	return raw_ioctl(r->fd, NBREAD_IOC_ENTER, &e);
}

int raw_enter_flags(struct raw *r, uint32_t to_submit, uint32_t min_complete, uint32_t flags,
		    uint64_t timeout_ns)
{
	struct nbread_enter e = {
		.to_submit = to_submit,
		.min_complete = min_complete,
		.flags = flags | (timeout_ns ? NBREAD_ENTER_TIMEOUT : 0),
		.timeout_ns = timeout_ns,
	};

	return raw_ioctl(r->fd, NBREAD_IOC_ENTER, &e);
}

bool raw_asleep(const struct raw *r)
{
	return __atomic_load_n(r->sq_flags, __ATOMIC_RELAXED) & NBREAD_SQ_NEED_WAKEUP;
}

int raw_hand_over(struct raw *r)
{
	int ret;

	raw_publish(r);
	/* The tail before the look; pairs with the barrier of the module before it sleeps. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!raw_asleep(r))
		return 0;
	ret = raw_enter_flags(r, 0, 0, NBREAD_ENTER_SQ_WAKEUP, 0);
	return ret < 0 ? ret : 1;
}

uint32_t raw_cq_ready(const struct raw *r)
{
	/* Pairs with the module's store-release of the CQ tail. */
	return __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) - *r->cq_head;
}

bool raw_reap(struct raw *r, struct nbread_cqe *cqe)
{
	uint32_t head = *r->cq_head;

	if (!raw_cq_ready(r))
		return false;
	*cqe = r->cqes[head & r->cq_mask];
	/* Pairs with the module's load of the CQ head: the CQE was read. */
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

int raw_read(struct raw *r, int fd, void *buf, uint32_t len, uint64_t off, uint16_t flags,
	     uint32_t *cqe_flags)
{
	struct nbread_sqe *sqe = raw_sqe(r);
	struct nbread_cqe cqe;
	int ret;

	if (!sqe)
		return -ENOSPC;
	raw_prep_read(sqe, fd, buf, len, off, 0x726561);
	sqe->flags = flags;
	raw_publish(r);
	ret = raw_enter(r, 1, 1);
	if (ret < 0)
		return ret;
	if (ret != 1 || !raw_reap(r, &cqe) || cqe.user_data != 0x726561)
		return -EPROTO;
	if (cqe_flags)
		*cqe_flags = cqe.flags;
	return cqe.res;
}

int raw_try(int dev_fd, int fd, void *buf, uint32_t len, uint64_t off, uint32_t flags,
	    uint32_t *cqe_flags)
{
	struct nbread_try t = {
		.fd = fd, .flags = flags, .addr = (uintptr_t)buf, .off = off, .len = len
	};
	struct nbread_try_batch b = { .reqs = (uintptr_t)&t, .nr = 1 };
	int ret = raw_ioctl(dev_fd, NBREAD_IOC_TRY, &b);

	if (ret < 0)
		return ret;
	if (cqe_flags)
		*cqe_flags = t.cqe_flags;
	return t.res;
}

int raw_register(int dev_fd, uint32_t op, uint32_t flags, const void *addr, uint32_t nr,
		 uint32_t off)
{
	struct nbread_register p = {
		.op = op, .flags = flags, .addr = (uintptr_t)addr, .nr = nr, .off = off
	};

	return raw_ioctl(dev_fd, NBREAD_IOC_REGISTER, &p);
}
