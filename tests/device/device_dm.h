/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper by ioctl: what the tests do hundreds of times. Three runs of
 * dmsetup(8) a switch take an emulated CPU seconds.
 */
#ifndef NBREAD_TESTS_DEVICE_DM_H
#define NBREAD_TESTS_DEVICE_DM_H

#include <stddef.h>
#include <stdint.h>

/** struct dm_part - a line of a table */
struct dm_part {
	uint64_t start, sectors;
	const char *target;
	char args[128];
};

/** dm_switch - load a table, suspend (lets go of held reads; no file system freeze), resume */
void dm_switch(const char *name, const struct dm_part *parts, unsigned int nr);

/** dm_delayed - reads that a delay target of the device holds */
unsigned int dm_delayed(const char *name);

#endif /* NBREAD_TESTS_DEVICE_DM_H */
