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

#include <stddef.h>
#include <linux/types.h>

int nbread_sys_open(const char *path);
int nbread_sys_close(int fd);
int nbread_sys_ioctl(int fd, unsigned long cmd, void *arg);
int nbread_sys_mmap(int fd, size_t size, void **mem);
int nbread_sys_munmap(void *mem, size_t size);
/* CLOCK_MONOTONIC. */
__u64 nbread_sys_now_ns(void);

#endif /* NBREAD_SYS_H */
