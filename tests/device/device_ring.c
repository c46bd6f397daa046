// SPDX-License-Identifier: GPL-2.0-only
/*
 * One read at a time through a ring, and small things of the system. See device.h.
 */
#include <grp.h>
#include <poll.h>
#include <time.h>
#include "device.h"

#define NOBODY 65534

void dev_ring(struct nbread *ring, unsigned int entries)
{
	int ret = nbread_queue_init(entries, ring, 0);

	dev_must(ret == 0, "nbread_queue_init: %s", strerror(-ret));
	ck_assert_int_eq(nbread_backend(ring), NBREAD_BACKEND_MODULE);
}

void dev_prep(struct nbread *ring, int fd, void *buf, size_t len, off_t off, unsigned int flags,
	      uint64_t user_data)
{
	struct nbread_sqe *sqe = nbread_get_sqe(ring);

	dev_must(sqe, "the submission queue is full");
	nbread_prep_read(sqe, fd, buf, (unsigned int)len, (uint64_t)off);
	nbread_sqe_set_flags(sqe, flags);
	nbread_sqe_set_data64(sqe, user_data);
}

void dev_submit(struct nbread *ring, int taken)
{
	int ret = nbread_submit(ring);

	dev_must(ret == taken, "nbread_submit: %d for %d", ret, taken);
}

struct nbread_cqe dev_next(struct nbread *ring)
{
	/* More than a read may have to its deadline. */
	struct timespec ts = { .tv_sec = 90 * nbtest_slow() };
	struct nbread_cqe *cqe = NULL, copy;
	int ret = nbread_wait_cqe_timeout(ring, &cqe, &ts);

	dev_must(ret == 0 && cqe, "no completion came: %s", strerror(-ret));
	copy = *cqe;
	nbread_cqe_seen(ring, cqe);
	return copy;
}

void dev_check_none(struct nbread *ring)
{
	struct nbread_cqe *cqe;

	ck_assert_int_eq(nbread_get_events(ring), 0);
	dev_must(nbread_cq_ready(ring) == 0, "an unexpected completion");
	ck_assert_int_eq(nbread_peek_cqe(ring, &cqe), -EAGAIN);
}

struct nbread_cqe dev_read(struct nbread *ring, int fd, void *buf, size_t len, off_t off,
			   unsigned int flags)
{
	static uint64_t serial;
	struct nbread_cqe cqe;

	dev_prep(ring, fd, buf, len, off, flags, ++serial << 32 | 0xd5d5);
	dev_submit(ring, 1);
	cqe = dev_next(ring);
	dev_must(cqe.user_data == (serial << 32 | 0xd5d5), "user_data %#llx",
		 (unsigned long long)cqe.user_data);
	dev_must(nbread_cq_ready(ring) == 0, "a second completion");
	return cqe;
}

struct nbread_cqe dev_readv(struct nbread *ring, int fd, const struct iovec *iov, unsigned int nr,
			    off_t off, unsigned int flags)
{
	struct nbread_sqe *sqe = nbread_get_sqe(ring);
	struct nbread_cqe cqe;

	ck_assert(sqe);
	nbread_prep_readv(sqe, fd, iov, nr, (uint64_t)off);
	nbread_sqe_set_flags(sqe, flags);
	nbread_sqe_set_data64(sqe, 0xbeef);
	dev_submit(ring, 1);
	cqe = dev_next(ring);
	ck_assert_uint_eq(cqe.user_data, 0xbeef);
	return cqe;
}

struct nbread_try dev_try(struct nbread *ring, int fd, void *buf, size_t len, off_t off,
			  unsigned int flags)
{
	struct nbread_try req = {
		.fd = fd,
		.flags = flags,
		.addr = (uintptr_t)buf,
		.off = (uint64_t)off,
		.len = (uint32_t)len,
	};
	int ret = nbread_try_many(ring, &req, 1);

	dev_must(ret == 0 || ret == 1, "nbread_try_many: %d", ret);
	/* A complete hit is one with all bytes, or all up to end of file. */
	if (ret == 0)
		ck_assert_int_lt(req.res, (int)len + !len);
	return req;
}

bool dev_polls(pid_t thread)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", thread);
	return thread && nbtest_read_text(path, text, sizeof(text)) > 0 && strstr(text, "poll");
}

uint64_t dev_fdinfo(const struct nbread *ring, const char *name)
{
	return nbtest_fdinfo(nbread_ring_fd(ring), name);
}

bool dev_readable(const struct nbread *ring)
{
	struct pollfd p = { .fd = nbread_ring_fd(ring), .events = POLLIN };
	int ret = poll(&p, 1, 0);

	ck_assert_int_ge(ret, 0);
	ck_assert_int_eq(p.revents & (POLLNVAL | POLLERR), 0);
	return p.revents & POLLIN;
}

unsigned int dev_path(struct nbread *ring, int fd)
{
	struct nbread_file_info info;

	ck_assert_int_eq(nbread_file_info(ring, fd, &info), 0);
	return info.path;
}

long dev_module_refs(void)
{
	char text[32];

	ck_assert_int_gt(nbtest_read_text("/sys/module/nbread/refcnt", text, sizeof(text)), 0);
	return strtol(text, NULL, 10);
}

long dev_module_idle(void)
{
	nbtest_wait_until(dev_module_refs() == 0, 20000);
	return dev_module_refs();
}

void dev_nobody(void)
{
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setegid(NOBODY), 0);
	ck_assert_int_eq(seteuid(NOBODY), 0);
}

void dev_root(void)
{
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(setegid(0), 0);
}
