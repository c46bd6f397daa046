// SPDX-License-Identifier: GPL-2.0-only
/* lib/sys.c under other names; see real_sys.h. */
#define nbread_sys_open real_open
#define nbread_sys_close real_close
#define nbread_sys_ioctl real_ioctl
#define nbread_sys_mmap real_mmap
#define nbread_sys_munmap real_munmap
#define nbread_sys_memory real_memory
#define nbread_sys_wipe_on_fork real_wipe_on_fork
#define nbread_sys_forget real_forget
#define nbread_sys_memfd real_memfd
#define nbread_sys_copy real_copy
#define nbread_sys_eventfd real_eventfd
#define nbread_sys_event_add real_event_add
#define nbread_sys_event_clear real_event_clear
#define nbread_sys_wait real_wait
#define nbread_sys_read real_read
#define nbread_sys_readahead real_readahead
#define nbread_sys_dup real_dup
#define nbread_sys_file_flags real_file_flags
#define nbread_sys_stat real_stat
#define nbread_sys_fs_magic real_fs_magic
#define nbread_sys_may_write real_may_write
#define nbread_sys_euid real_euid
#define nbread_sys_now_ns real_now_ns
#define nbread_sys_kernel real_kernel
#include "../../lib/sys.c"
