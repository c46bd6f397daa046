/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real lib/sys.c under other names (real_sys.c), for the suite that tests it and for
 * what the fake does not fake.
 */
#ifndef NB_REAL_SYS_H
#define NB_REAL_SYS_H

#include "sys.h"

extern __typeof__(nbread_sys_open) real_open;
extern __typeof__(nbread_sys_close) real_close;
extern __typeof__(nbread_sys_ioctl) real_ioctl;
extern __typeof__(nbread_sys_mmap) real_mmap;
extern __typeof__(nbread_sys_munmap) real_munmap;
extern __typeof__(nbread_sys_memory) real_memory;
extern __typeof__(nbread_sys_wipe_on_fork) real_wipe_on_fork;
extern __typeof__(nbread_sys_forget) real_forget;
extern __typeof__(nbread_sys_memfd) real_memfd;
extern __typeof__(nbread_sys_copy) real_copy;
extern __typeof__(nbread_sys_eventfd) real_eventfd;
extern __typeof__(nbread_sys_event_add) real_event_add;
extern __typeof__(nbread_sys_event_clear) real_event_clear;
extern __typeof__(nbread_sys_wait) real_wait;
extern __typeof__(nbread_sys_read) real_read;
extern __typeof__(nbread_sys_readahead) real_readahead;
extern __typeof__(nbread_sys_dup) real_dup;
extern __typeof__(nbread_sys_file_flags) real_file_flags;
extern __typeof__(nbread_sys_stat) real_stat;
extern __typeof__(nbread_sys_fs_magic) real_fs_magic;
extern __typeof__(nbread_sys_may_write) real_may_write;
extern __typeof__(nbread_sys_euid) real_euid;
extern __typeof__(nbread_sys_now_ns) real_now_ns;
extern __typeof__(nbread_sys_kernel) real_kernel;
extern __typeof__(nbread_sys_null) real_null;
extern __typeof__(nbread_sys_pid) real_pid;

#endif /* NB_REAL_SYS_H */
