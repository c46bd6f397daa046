/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The seam to the operating system: the only functions of the library that make
 * system calls. tests/unit replaces them at link time by a fake device.
 *
 * Each returns a value of 0 or more, or -errno, and leaves errno as it was.
 * None restarts a call that a signal interrupted: -EINTR goes to the caller of
 * the library, who knows what the signal meant (liburing's policy).
 */
#ifndef NBREAD_SYS_H
#define NBREAD_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <linux/types.h>

/* The device, for the backend over the module. */
int nbread_sys_open(const char *path);
int nbread_sys_close(int fd);
int nbread_sys_ioctl(int fd, unsigned long cmd, void *arg);
int nbread_sys_mmap(int fd, size_t size, void **mem);
int nbread_sys_munmap(void *mem, size_t size);
/* CLOCK_MONOTONIC. */
__u64 nbread_sys_now_ns(void);

/*
 * What the portable backend asks of the kernel. None of these is a cancellation point
 * (pthread_cancel(3)): a thread of the program must not vanish with a lock of ours.
 */

/**
 * struct nbread_sys_id - what the kernel says of an open file
 * @dev:	with @ino: which file it is
 * @ino:	likewise
 * @mode:	type and permissions
 * @uid:	owner
 * @dax:	it has no page cache
 * @unbacked:	it has no blocks, and its file system no device, as in proc
 */
struct nbread_sys_id {
	__u64 dev;
	__u64 ino;
	__u32 mode;
	__u32 uid;
	bool dax;
	bool unbacked;
};

/* Memory: of this process alone (@fd -1), or of a file; nothing is touched beforehand. */
int nbread_sys_memory(int fd, size_t size, void **mem);
/* A child that fork(2) makes sees zeroes there. */
int nbread_sys_wipe_on_fork(void *mem, size_t size);
/* Gives back what a mapping of nbread_sys_memory() holds. */
int nbread_sys_forget(void *mem, size_t size);
/* A file without a name, of @size bytes, all 0; -EFBIG, and no signal, above RLIMIT_FSIZE. */
int nbread_sys_memfd(size_t size);
/* Copies @n bytes to memory of this process: fewer, or -EFAULT and no signal, if it is not there */
ssize_t nbread_sys_copy(const struct iovec *to, int nr, const void *from, size_t n);

/* An eventfd(2) that blocks nobody; add to one, and take all of it away. */
int nbread_sys_eventfd(void);
int nbread_sys_event_add(int fd, __u64 value);
int nbread_sys_event_clear(int fd);
/*
 * Waits until @fd is readable: 1; 0 after @timeout_ns (negative: no end). @sigmask, unless
 * NULL, replaces the signal mask meanwhile: bit n - 1 is signal n.
 */
int nbread_sys_wait(int fd, __s64 timeout_ns, const __u64 *sigmask);

/* preadv(2); @nowait: what is there, without waiting for I/O (RWF_NOWAIT). */
ssize_t nbread_sys_read(int fd, const struct iovec *iov, int nr, __u64 off, bool nowait);
/* Starts to bring the range into the page cache. */
int nbread_sys_readahead(int fd, __u64 off, __u64 len);

int nbread_sys_dup(int fd);
/* O_* of the open file. */
int nbread_sys_file_flags(int fd);
int nbread_sys_stat(int fd, struct nbread_sys_id *st);
/* f_type of statfs(2), which may ask a server. */
int nbread_sys_fs_magic(int fd, __u32 *magic);
/* 0: the effective user may open the file for writing. */
int nbread_sys_may_write(int fd);
__u32 nbread_sys_euid(void);

/* A descriptor of the null device, or -errno: -ENODEV where /dev/null is something else. */
int nbread_sys_null(void);
int nbread_sys_pid(void);

/* 256 * major + minor of the kernel's release, 0 when it cannot be told. */
int nbread_sys_kernel(void);

#endif /* NBREAD_SYS_H */
