// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a test may change of the machine, and one that failed on its way does not change back: put
 * right before each test, so that one failure is one.
 */
#include "device.h"

static struct {
	const char *file;
	char was[16];
} settings[] = {
	{ .file = "/sys/module/nbread/parameters/spread" },
	{ .file = "/sys/module/nbread/parameters/filemap" },
	{ .file = "/sys/devices/system/cpu/cpu1/online" },
	{ .file = "/proc/sys/vm/nr_hugepages" },
};

static mode_t device_mode;

static void put_right(void)
{
	struct stat st;
	char now[16];

	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(settings); i++) {
		if (settings[i].was[0] &&
		    nbtest_read_text(settings[i].file, now, sizeof(now)) > 0 &&
		    strcmp(now, settings[i].was) != 0)
			nbtest_write_text(settings[i].file, settings[i].was);
	}
	if (device_mode && !stat("/dev/nbread", &st) && st.st_mode != device_mode)
		chmod("/dev/nbread", device_mode & 07777);
}

/* In the runner, before any test. */
__attribute__((constructor)) static void remember(void)
{
	struct stat st;

	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(settings); i++) {
		if (nbtest_read_text(settings[i].file, settings[i].was, sizeof(settings[i].was)) <=
		    0)
			settings[i].was[0] = 0;
	}
	if (!stat("/dev/nbread", &st))
		device_mode = st.st_mode;
	nbtest_before_each(put_right);
}
