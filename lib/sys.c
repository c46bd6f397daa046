// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The only system calls of the library; contract and EINTR policy in sys.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "sys.h"

/* Newer than the C libraries this builds with. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif

/* Turns the C library's -1 into -errno, and puts back the caller's errno. */
static int result(int ret, int saved)
{
	if (ret >= 0)
		return ret;
	ret = -errno;
	errno = saved;
	return ret;
}

/* Between these two no call ends the thread. */
static int no_cancel(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static void restore_cancel(int state)
{
	pthread_setcancelstate(state, NULL);
}

int nbread_sys_open(const char *path)
{
	int saved = errno;

	return result(open(path, O_RDWR | O_CLOEXEC), saved);
}

int nbread_sys_close(int fd)
{
	int saved = errno, state = no_cancel(), ret;

	ret = result(close(fd), saved);
	restore_cancel(state);
	return ret;
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

int nbread_sys_memory(int fd, size_t size, void **mem)
{
	int how = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	int saved = errno;
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, how, fd, 0);
	if (p == MAP_FAILED)
		return result(-1, saved);
	*mem = p;
	return 0;
}

int nbread_sys_wipe_on_fork(void *mem, size_t size)
{
	int saved = errno;

	return result(madvise(mem, size, MADV_WIPEONFORK), saved);
}

int nbread_sys_forget(void *mem, size_t size)
{
	int saved = errno, ret;

	ret = result(madvise(mem, size, MADV_REMOVE), saved);
	/* There is no file below it. */
	if (ret == -EINVAL)
		ret = result(madvise(mem, size, MADV_DONTNEED), saved);
	return ret;
}

int nbread_sys_memfd(size_t size)
{
	static const char name[] = "nbread";
	int saved = errno, fd, ret;
	struct rlimit limit;

	/* It holds for a file in memory too, and the kernel would tell by SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
		return -EFBIG;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) { /* before 6.3 */
		errno = saved;
		fd = memfd_create(name, MFD_CLOEXEC);
	}
	if (fd < 0)
		return result(-1, saved);
	ret = result(ftruncate(fd, (off_t)size), saved);
	if (ret == 0)
		return fd;
	nbread_sys_close(fd);
	return ret;
}

ssize_t nbread_sys_copy(const struct iovec *to, int nr, const void *from, size_t n)
{
	struct iovec local = { (void *)(uintptr_t)from, n };
	int saved = errno;
	ssize_t ret;

	/* Not by getpid(): that is the main thread, which may have left. */
	ret = process_vm_writev((pid_t)syscall(SYS_gettid), &local, 1, to, (unsigned long)nr, 0);
	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

int nbread_sys_eventfd(void)
{
	int saved = errno;

	return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), saved);
}

int nbread_sys_event_add(int fd, __u64 value)
{
	int saved = errno, state = no_cancel(), ret;

	ret = result(eventfd_write(fd, value), saved);
	restore_cancel(state);
	return ret;
}

int nbread_sys_event_clear(int fd)
{
	int saved = errno, state = no_cancel(), ret;
	eventfd_t value;

	ret = result(eventfd_read(fd, &value), saved);
	restore_cancel(state);
	return ret;
}

int nbread_sys_wait(int fd, __s64 timeout_ns, const __u64 *sigmask)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)(timeout_ns / 1000000000),
			       .tv_nsec = (long)(timeout_ns % 1000000000) };
	int saved = errno, state = no_cancel(), ret, sig;
	sigset_t set;

	sigemptyset(&set);
	for (sig = 1; sigmask && sig <= 64; sig++)
		if (*sigmask >> (sig - 1) & 1)
			sigaddset(&set, sig);
	/* It sets errno for the signals that the C library keeps to itself. */
	errno = saved;
	ret = result(ppoll(&p, 1, timeout_ns < 0 ? NULL : &ts, sigmask ? &set : NULL), saved);
	restore_cancel(state);
	return ret;
}

ssize_t nbread_sys_read(int fd, const struct iovec *iov, int nr, __u64 off, bool nowait)
{
	int saved = errno, state = no_cancel();
	ssize_t ret;

	if (nowait)
		ret = preadv2(fd, iov, nr, (off_t)off, RWF_NOWAIT);
	else
		ret = preadv(fd, iov, nr, (off_t)off);
	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	restore_cancel(state);
	return ret;
}

int nbread_sys_readahead(int fd, __u64 off, __u64 len)
{
	return -posix_fadvise(fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
}

int nbread_sys_dup(int fd)
{
	int saved = errno, state = no_cancel(), ret;

	ret = result(fcntl(fd, F_DUPFD_CLOEXEC, 0), saved);
	restore_cancel(state);
	return ret;
}

int nbread_sys_file_flags(int fd)
{
	int saved = errno, state = no_cancel(), ret;

	ret = result(fcntl(fd, F_GETFL), saved);
	restore_cancel(state);
	return ret;
}

/* Where statx(2) is filtered out: all but whether the file is DAX. */
static int plain_stat(int fd, struct nbread_sys_id *st)
{
	int saved = errno;
	struct stat s;

	if (fstat(fd, &s) < 0)
		return result(-1, saved);
	st->dev = s.st_dev;
	st->ino = s.st_ino;
	st->mode = s.st_mode;
	st->uid = s.st_uid;
	st->dax = false;
	st->unbacked = !major(s.st_dev) && !s.st_blocks;
	return 0;
}

int nbread_sys_stat(int fd, struct nbread_sys_id *st)
{
	int saved = errno;
	struct statx s;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO | STATX_BLOCKS, &s) < 0) {
		errno = saved;
		return plain_stat(fd, st);
	}
	st->dev = makedev(s.stx_dev_major, s.stx_dev_minor);
	st->ino = s.stx_ino;
	st->mode = s.stx_mode;
	st->uid = s.stx_uid;
	st->dax = s.stx_attributes & STATX_ATTR_DAX;
	st->unbacked = !s.stx_dev_major && !s.stx_blocks;
	return 0;
}

int nbread_sys_fs_magic(int fd, __u32 *magic)
{
	int saved = errno;
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return result(-1, saved);
	*magic = (__u32)s.f_type;
	return 0;
}

int nbread_sys_may_write(int fd)
{
	int saved = errno;

	return result((int)syscall(SYS_faccessat2, fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS),
		      saved);
}

int nbread_sys_null(void)
{
	int saved = errno, state = no_cancel(), fd;
	struct stat s;

	fd = result(open("/dev/null", O_RDWR | O_CLOEXEC | O_NONBLOCK), saved);
	if (fd >= 0 && (fstat(fd, &s) != 0 || !S_ISCHR(s.st_mode) || s.st_rdev != makedev(1, 3))) {
		close(fd);
		errno = saved;
		fd = -ENODEV;
	}
	restore_cancel(state);
	return fd;
}

int nbread_sys_pid(void)
{
	return getpid();
}

__u32 nbread_sys_euid(void)
{
	return geteuid();
}

__u64 nbread_sys_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec;
}

int nbread_sys_kernel(void)
{
	unsigned long major, minor;
	struct utsname u;
	char *end;

	if (uname(&u) < 0)
		return 0;
	major = strtoul(u.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return (int)(major << 8 | minor);
}
