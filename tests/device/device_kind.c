// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file system of any kind; see device_kind.h. Each test is a process of its own, so
 * what is up is noted in a file.
 */
#include <libgen.h>
#include <limits.h>
#include <sys/mount.h>
#include "device_kind.h"
#include "dm.h"

#define ON "/run/nbt-kind"
#define NOTE "/run/nbt-kind.up" /* the kind; '-' of dev_made() */

static const char *script(void)
{
	static char path[PATH_MAX];
	char exe[PATH_MAX] = "";

	/* Built into build/tests, or run from the top of the tree. */
	ck_assert_int_gt(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
	snprintf(path, sizeof(path), "%.4000s/../../tests/vm/kind", dirname(exe));
	return access(path, X_OK) == 0 ? path : "tests/vm/kind";
}

static void note(const char *text)
{
	FILE *f = fopen(NOTE, "we");

	ck_assert(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

void dev_kind_done(void)
{
	char kind[64];

	if (nbtest_read_text(NOTE, kind, sizeof(kind)) <= 0)
		return;
	if (kind[0] == '-')
		fs_umount(ON);
	else
		nbtest_must_sh("%s down %s " ON, script(), kind);
	unlink(NOTE);
}

const struct dev_fs *dev_kind(const char *kind)
{
	const struct dev_fs *fs;
	char why[256] = "", is[64];
	int ret;

	if (!strcmp(kind, "bdev"))
		return dev_fs(DEV_BDEV);
	fs = dev_fs(DEV_KIND);
	if (nbtest_read_text(NOTE, is, sizeof(is)) > 0 && !strcmp(is, kind))
		return fs;
	dev_kind_done();
	ret = nbtest_sh("%s up %s %s %s 2>/run/nbt-kind.err", script(), kind, fs->dev, fs->mnt);
	if (ret == 77) {
		nbtest_read_text("/run/nbt-kind.err", why, sizeof(why));
		nbtest_skip_now("%s", why);
	}
	if (ret)
		nbtest_must_sh("cat /run/nbt-kind.err >&2; false");
	note(kind);
	return fs;
}

const struct dev_fs *dev_made(const char *type, const char *mkfs, const char *options)
{
	const struct dev_fs *fs;

	dev_kind_done();
	fs = dev_fs(DEV_KIND);
	if (nbtest_sh("modprobe -q %s; grep -qw %s /proc/filesystems", type, type))
		nbtest_skip_now("this kernel has no %s", type);
	nbtest_must_sh("wipefs -qa %s && mkfs.%s -q %s %s", fs->dev, type, mkfs, fs->dev);
	if (nbtest_sh("mkdir -p %s; mount -t %s -o %s %s %s", fs->mnt, type, options, fs->dev,
		      fs->mnt))
		return NULL;
	note("-");
	return fs;
}

int dev_lower_file(const struct dev_fs *fs, size_t size, unsigned int id)
{
	struct dev_fs lower = { .name = "lower layer" };
	char path[128];
	int fd;

	nbtest_must_sh("umount %s", fs->mnt);
	/* Not what an earlier test left above it, file or whiteout */
	nbtest_must_sh("rm -f %s.below/upper/file%u", fs->mnt, id);
	snprintf(lower.mnt, sizeof(lower.mnt), "%.16s.below/lower", fs->mnt);
	close(dev_file(&lower, size, id));
	nbtest_must_sh("mount -t overlay -o "
		       "lowerdir=%s.below/lower,upperdir=%s.below/upper,workdir=%s.below/work "
		       "overlay %s",
		       fs->mnt, fs->mnt, fs->mnt, fs->mnt);
	snprintf(path, sizeof(path), "%s/file%u", fs->mnt, id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}
