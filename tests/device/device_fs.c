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
#include "dm.h"

#define PIECE_MB 640
#define SECTORS (PIECE_MB * 2048ULL)

static struct dev_fs pieces[DEV_NR_ALL] = {
	[DEV_EXT4] = { "ext4", "nbt-ext4", "/dev/mapper/nbt-ext4", "/run/nbt-ext4" },
	[DEV_XFS] = { "xfs", "nbt-xfs", "/dev/mapper/nbt-xfs", "/run/nbt-xfs" },
	[DEV_BTRFS] = { "btrfs", "nbt-btrfs", "/dev/mapper/nbt-btrfs", "/run/nbt-btrfs" },
	[DEV_BDEV] = { "bdev", "nbt-bdev", "/dev/mapper/nbt-bdev", "" },
	[DEV_VFAT] = { "vfat", "nbt-vfat", "/dev/mapper/nbt-vfat", "/run/nbt-vfat" },
};

static struct {
	bool made[DEV_NR_ALL];
	bool faulty[DEV_NR_ALL];
} *state;

__attribute__((constructor)) static void dev_share_state(void)
{
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (state == MAP_FAILED)
		abort();
}

static unsigned long long start_of(const struct dev_fs *fs)
{
	return (unsigned long long)(fs - pieces) * SECTORS;
}

static void set_linear(const struct dev_fs *fs)
{
	dm_load(fs->piece, "0 %llu linear %s %llu", SECTORS, dm_scratch(), start_of(fs));
	state->faulty[fs - pieces] = false;
}

static void make(const struct dev_fs *fs)
{
	/* Left behind by another run in this VM. */
	if (fs->mnt[0] && !access(fs->mnt, F_OK))
		fs_umount_quiet(fs->mnt);
	if (!fs->mnt[0])
		dm_remove("nbt-keep");
	dm_create(fs->piece, "0 %llu linear %s %llu", SECTORS, dm_scratch(), start_of(fs));
	if (!fs->mnt[0]) {
		/*
		 * Kept open by a device on top: the last close of a block device waits
		 * for all its reads, so a test that dies while they are held would hang.
		 */
		dm_create("nbt-keep", "0 8 linear %s 0", fs->dev);
		return;
	}
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
			set_linear(&pieces[i]);
	}
	if (!state->made[kind])
		make(&pieces[kind]);
	state->made[kind] = true;
	return &pieces[kind];
}

void dev_hold(const struct dev_fs *fs)
{
	/* Ten minutes for reads, nothing for writes. */
	state->faulty[fs - pieces] = true;
	dm_load(fs->piece, "0 %llu delay %s %llu 600000 %s %llu 0", SECTORS, dm_scratch(),
		start_of(fs), dm_scratch(), start_of(fs));
}

void dev_release(const struct dev_fs *fs)
{
	/* The suspend in between lets go of what the delay target holds. */
	set_linear(fs);
}

void dev_break(const struct dev_fs *fs, uint64_t sector, unsigned int nr)
{
	unsigned long long bad = sector, end = sector + nr;

	ck_assert(bad > 0 && end < SECTORS);
	state->faulty[fs - pieces] = true;
	dm_load(fs->piece, "0 %llu linear %s %llu\n%llu %u error\n%llu %llu linear %s %llu", bad,
		dm_scratch(), start_of(fs), bad, nr, end, SECTORS - end, dm_scratch(),
		start_of(fs) + end);
}

void dev_hold_bad(const struct dev_fs *fs, uint64_t sector, unsigned int nr)
{
	unsigned long long bad = sector, end = sector + nr;

	ck_assert(bad > 0 && end < SECTORS);
	dm_create("nbt-bad", "0 %u error", nr);
	state->faulty[fs - pieces] = true;
	dm_load(fs->piece,
		"0 %llu linear %s %llu\n%llu %u delay /dev/mapper/nbt-bad 0 600000 "
		"/dev/mapper/nbt-bad 0 0\n%llu %llu linear %s %llu",
		bad, dm_scratch(), start_of(fs), bad, nr, end, SECTORS - end, dm_scratch(),
		start_of(fs) + end);
}

/*
 * By the target's own count: device-mapper adds a read to the device's only when
 * the delay target sends it on (accounts_remapped_io).
 */
unsigned int dev_held(const struct dev_fs *fs)
{
	const char *const argv[] = { "dmsetup", "status", "--target", "delay", fs->piece, NULL };
	unsigned int reads = 0;
	char *out, *at;

	ck_assert_int_eq(nbtest_run(argv, &out), 0);
	at = strstr(out, "delay ");
	if (at)
		ck_assert_int_eq(sscanf(at, "delay %u", &reads), 1);
	free(out);
	return reads;
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
