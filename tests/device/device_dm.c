// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-mapper by ioctl; see device_dm.h.
 */
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include "device.h"
#include "device_dm.h"

union request {
	struct dm_ioctl h;
	char space[4096];
};

static void call(const char *name, unsigned long cmd, union request *r, unsigned int flags)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		nbtest_fatal("/dev/mapper/control: %m");
	r->h.version[0] = DM_VERSION_MAJOR;
	r->h.data_size = sizeof(*r);
	r->h.data_start = sizeof(r->h);
	r->h.flags = flags;
	strncpy(r->h.name, name, sizeof(r->h.name) - 1);
	if (ioctl(fd, cmd, r) != 0)
		nbtest_fatal("device-mapper ioctl %#lx of %s: %m", cmd, name);
	close(fd);
}

void dm_switch(const char *name, const struct dm_part *parts, unsigned int nr)
{
	union request r = { .h.target_count = nr };
	char *at = r.space + sizeof(r.h);

	for (unsigned int i = 0; i < nr; i++) {
		struct dm_target_spec spec = {
			.sector_start = parts[i].start,
			.length = parts[i].sectors,
			.next = (uint32_t)((sizeof(spec) + strlen(parts[i].args) + 8) & ~7UL),
		};

		ck_assert_uint_le(at - r.space + spec.next, sizeof(r));
		strncpy(spec.target_type, parts[i].target, sizeof(spec.target_type) - 1);
		memcpy(at, &spec, sizeof(spec));
		strcpy(at + sizeof(spec), parts[i].args);
		at += spec.next;
	}
	call(name, DM_TABLE_LOAD, &r, 0);
	memset(&r, 0, sizeof(r));
	call(name, DM_DEV_SUSPEND, &r, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG);
	memset(&r, 0, sizeof(r));
	call(name, DM_DEV_SUSPEND, &r, 0);
}

unsigned int dm_delayed(const char *name)
{
	union request r = { .h.target_count = 0 };
	unsigned int sum = 0;
	char *data;

	call(name, DM_TABLE_STATUS, &r, 0);
	data = r.space + r.h.data_start;
	for (unsigned int i = 0, next = 0; i < r.h.target_count; i++) {
		struct dm_target_spec spec;
		unsigned int reads;

		memcpy(&spec, data + next, sizeof(spec));
		if (!strcmp(spec.target_type, "delay")) {
			ck_assert_int_eq(sscanf(data + next + sizeof(spec), "%u", &reads), 1);
			sum += reads;
		}
		/* Counted from the start of the data, unlike in a load. */
		next = spec.next;
	}
	return sum;
}
