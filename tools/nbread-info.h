/* SPDX-License-Identifier: MIT */
/*
 * nbread-info.h - what device.c finds out for nbread-info.c.
 */
#ifndef NBREAD_INFO_H
#define NBREAD_INFO_H

#include <stddef.h>

#define NBREAD_DEVICE "/dev/nbread"

/* Says on standard error why nbread cannot be used (ret: -errno of the library), and what to do. */
void nbread_explain(int ret);

/* The version of the loaded module, or NULL. */
const char *nbread_module_version(char *buf, size_t size);

#endif /* NBREAD_INFO_H */
