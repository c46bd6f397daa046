// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file systems of the behaviour tests: pieces of the scratch disk, and the
 * faults that can be put under them. See device.h.
 *
 * Tests run in children of the runner, so what was made is noted in memory
 * that all of them share.
 */
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include "device.h"
#include "device_dm.h"
#include "device_kind.h"
#include "dm.h"

/* xfs wants 300 MiB; of the block device tests look at every page. */
#define PIECE_MB 512
#define BDEV_MB 96

static struct dev_fs pieces[DEV_NR_ALL] = {
	[DEV_EXT4] = { "ext4", "nbt-ext4", "/dev/mapper/nbt-ext4", "/run/nbt-ext4" },
	[DEV_XFS] = { "xfs", "nbt-xfs", "/dev/mapper/nbt-xfs", "/run/nbt-xfs" },
	[DEV_BTRFS] = { "btrfs", "nbt-btrfs", "/dev/mapper/nbt-btrfs", "/run/nbt-btrfs" },
	[DEV_BDEV] = { "bdev", "nbt-bdev", "/dev/mapper/nbt-bdev", "" },
	[DEV_VFAT] = { "vfat", "nbt-vfat", "/dev/mapper/nbt-vfat", "/run/nbt-vfat" },
	[DEV_KIND] = { "kind", "nbt-kind", "/dev/mapper/nbt-kind", "/run/nbt-kind" },
};

static struct {
	bool made[DEV_NR_ALL];
	bool faulty[DEV_NR_ALL];
} * state;

__attribute__((constructor)) static void dev_share_state(void)
{
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (state == MAP_FAILED)
		abort();
}

static uint64_t start_of(const struct dev_fs *fs)
{
	return (uint64_t)(fs - pieces) * PIECE_MB * 2048;
}

static uint64_t sectors_of(const struct dev_fs *fs)
{
	return (fs->mnt[0] ? PIECE_MB : BDEV_MB) * UINT64_C(2048);
}

/* A part of a piece of the scratch disk, as linear, delay or error target */
static struct dm_part part(const struct dev_fs *fs, uint64_t from, uint64_t to, const char *target)
{
	struct dm_part p = { from, to - from, target, "" };
	unsigned long long at = start_of(fs) + from;

	ck_assert(from < to && to <= sectors_of(fs));
	if (!strcmp(target, "linear"))
		snprintf(p.args, sizeof(p.args), "%s %llu", dm_scratch(), at);
	else if (!strcmp(target, "delay"))
		/* Ten minutes for reads, nothing for writes. */
		snprintf(p.args, sizeof(p.args), "%s %llu 600000 %s %llu 0", dm_scratch(), at,
			 dm_scratch(), at);
	return p;
}

static void switch_to(const struct dev_fs *fs, const struct dm_part *parts, unsigned int nr)
{
	state->faulty[fs - pieces] = true;
	dm_switch(fs->piece, parts, nr);
}

static void make(const struct dev_fs *fs)
{
	/* Left behind by another run in this VM. */
	if (fs == &pieces[DEV_KIND])
		dev_kind_done();
	else if (fs->mnt[0])
		fs_umount_quiet(fs->mnt);
	else
		dm_remove("nbt-keep");
	dm_create(fs->piece, "0 %llu linear %s %llu", (unsigned long long)sectors_of(fs),
		  dm_scratch(), (unsigned long long)start_of(fs));
	if (!fs->mnt[0]) {
		/*
		 * Kept open by a device on top: the last close of a block device waits
		 * for all its reads, so a test that dies while they are held would hang.
		 */
		dm_create("nbt-keep", "0 8 linear %s 0", fs->dev);
		return;
	}
	if (fs == &pieces[DEV_KIND])
		return;
	if (!strcmp(fs->name, "vfat"))
		nbtest_must_sh("mkfs.vfat -F 32 %s", fs->dev);
	else
		fs_make(fs->name, fs->dev);
	fs_mount(fs->name, fs->dev, fs->mnt, NULL);
}

const struct dev_fs *dev_fs(int kind)
{
	for (int i = 0; i < DEV_NR_ALL; i++) {
		if (state->faulty[i])
			dev_release(&pieces[i]);
	}
	if (!state->made[kind])
		make(&pieces[kind]);
	state->made[kind] = true;
	return &pieces[kind];
}

void dev_hold(const struct dev_fs *fs)
{
	struct dm_part all = part(fs, 0, sectors_of(fs), "delay");

	if (access("/sys/module/dm_delay", F_OK) != 0)
		nbtest_must_sh("modprobe dm-delay");
	switch_to(fs, &all, 1);
}

void dev_release(const struct dev_fs *fs)
{
	struct dm_part all = part(fs, 0, sectors_of(fs), "linear");

	/* The suspend in between lets go of what a delay target holds. */
	switch_to(fs, &all, 1);
	state->faulty[fs - pieces] = false;
}

void dev_break(const struct dev_fs *fs, uint64_t sector, unsigned int nr)
{
	struct dm_part parts[3] = {
		part(fs, 0, sector, "linear"),
		part(fs, sector, sector + nr, "error"),
		part(fs, sector + nr, sectors_of(fs), "linear"),
	};

	switch_to(fs, parts, 3);
}

void dev_hold_bad(const struct dev_fs *fs, uint64_t sector, unsigned int nr)
{
	struct dm_part parts[3] = {
		part(fs, 0, sector, "linear"),
		part(fs, sector, sector + nr, "delay"),
		part(fs, sector + nr, sectors_of(fs), "linear"),
	};

	/* A delay before the error. */
	dm_create("nbt-bad", "0 %u error", nr);
	snprintf(parts[1].args, sizeof(parts[1].args),
		 "/dev/mapper/nbt-bad 0 600000 /dev/mapper/nbt-bad 0 0");
	switch_to(fs, parts, 3);
}

/*
 * By the target's own count: device-mapper adds a read to the device's only when
 * the delay target sends it on (accounts_remapped_io).
 */
unsigned int dev_held(const struct dev_fs *fs)
{
	return dm_delayed(fs->piece);
}

uint64_t dev_reads(const struct dev_fs *fs)
{
	uint64_t reads = 0, before = UINT64_MAX;
	int same = 0;

	/* Quiet: nothing in flight and the same count twenty times over. */
	while (same < 20) {
		dev_await(dm_in_flight(fs->piece) == 0);
		reads = nbtest_disk_reads(fs->dev);
		same = reads == before ? same + 1 : 0;
		before = reads;
		nbtest_sleep_tick();
	}
	return reads;
}
