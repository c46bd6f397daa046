// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The only system calls of the library; contract and EINTR policy in sys.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "sys.h"

/* Turns the C library's -1 into -errno, and puts back the caller's errno. */
static int result(int ret, int saved)
{
	if (ret >= 0)
		return ret;
	ret = -errno;
	errno = saved;
	return ret;
}

int nbread_sys_open(const char *path)
{
	int saved = errno;

	return result(open(path, O_RDWR | O_CLOEXEC), saved);
}

int nbread_sys_close(int fd)
{
	int saved = errno;

	return result(close(fd), saved);
}

int nbread_sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	int saved = errno;

	return result(ioctl(fd, cmd, arg), saved);
}

int nbread_sys_mmap(int fd, size_t size, void **mem)
{
	int saved = errno;
	void *p;

	/* Populated now, so that no submission takes a page fault on the ring. */
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		return result(-1, saved);
	*mem = p;
	return 0;
}

int nbread_sys_munmap(void *mem, size_t size)
{
	int saved = errno;

	return result(munmap(mem, size), saved);
}

__u64 nbread_sys_now_ns(void)
{
	struct timespec ts = { 0 };

	/* It fails for a clock that does not exist, and this one does. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec;
}
