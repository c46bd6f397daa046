// SPDX-License-Identifier: GPL-2.0-only
/* See files.h. Failures print why and return -1. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#define KIB 1024ull
#define MIB (1024 * KIB)

/* Quiet sizes end within a word, within a page, and below a page. */
static const struct {
	uint64_t size;
	bool quiet;
} layout[] = {
	{ 1 * MIB, false },   { 1 * MIB, false },	{ 1536 * KIB, false },
	{ 256 * KIB, false }, { 4 * MIB + 4093, true }, { 1 * MIB + 1, true },
	{ 777, true },	      { 2 * MIB + 512, true },
};

static int said(const char *what, const char *name)
{
	printf("# %s: %s: %s\n", name, what, strerror(errno));
	return -1;
}

static const char *fs_name(const char *dir)
{
	struct statfs s;

	if (statfs(dir, &s))
		return NULL;
	switch (s.f_type) {
	case EXT4_SUPER_MAGIC:
		return "ext4";
	case BTRFS_SUPER_MAGIC:
		return "btrfs";
	case 0x58465342: /* not in <linux/magic.h> */
		return "xfs";
	case F2FS_SUPER_MAGIC:
		return "f2fs";
	case TMPFS_MAGIC:
		return "tmpfs";
	default:
		return "other";
	}
}

/* One mutation fills the model from its start to its size, and pread sees it. */
static int fill(struct model *m, const char *name)
{
	uint64_t size = m->sizes[0];
	uint64_t whole = (size + UNIT - 1) / UNIT * UNIT;
	unsigned char *want = aligned_alloc(4096, m->max + 4096 - m->max % 4096);
	unsigned char *got = malloc(size + 1);
	uint64_t ask = m->window ? size : size + 1;
	int ret = 0;
	uint32_t seq;

	if (!want || !got)
		return said("memory", name);
	seq = model_begin(m, 0, whole, false, size);
	model_fill(m, 0, whole, seq, want);
	if (pwrite(m->wfd, want, size, m->start) != (ssize_t)size || fsync(m->wfd))
		ret = said("cannot be filled", name);
	model_end(m, seq, 0, whole, false);
	if (!ret &&
	    (pread(m->fd[0], got, ask, m->start) != (ssize_t)size || memcmp(got, want, size))) {
		printf("# %s: pread(2) does not give back what was written\n", name);
		ret = -1;
	}
	free(want);
	free(got);
	return ret;
}

static int open_all(struct model *m, const char *name)
{
	m->wfd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	m->fd[0] = open(name, O_RDONLY | O_CLOEXEC);
	m->fd[1] = open(name, O_RDONLY | O_CLOEXEC);
	if (m->wfd < 0 || m->fd[0] < 0 || m->fd[1] < 0)
		return said("open", name);
	errno = posix_fadvise(m->fd[1], 0, 0, POSIX_FADV_RANDOM);
	return errno ? said("posix_fadvise", name) : 0;
}

static void name_of(char *name, size_t size, const struct files *f, unsigned int i)
{
	snprintf(name, size, "%s/mix.%u", f->dir, i);
}

int files_in_dir(struct files *f, const char *dir)
{
	char name[4096];
	struct model *m;
	unsigned int i;
	uint64_t max;

	f->dir = dir;
	f->kind = fs_name(dir);
	if (!f->kind)
		return said("statfs", dir);
	for (i = 0; i < MAX_FILES; i++) {
		m = &f->m[i];
		max = layout[i].quiet ? layout[i].size + UNIT : 3 * MIB;
		name_of(name, sizeof(name), f, i);
		unlink(name);
		if (model_init(m, i + 1, max / UNIT * UNIT, layout[i].size))
			return said("memory", name);
		m->quiet = layout[i].quiet;
		m->at_end = true;
		if (open_all(m, name) || fill(m, name))
			return -1;
	}
	f->n = MAX_FILES;
	return 0;
}

/*
 * Windows of 2 MiB side by side, quiet ones between the others, starting within
 * a page; the last one lies at the end of the device and is quiet.
 */
int files_on_device(struct files *f, const char *dev)
{
	uint64_t step = 2 * MIB + 3 * UNIT;
	struct model *m;
	uint64_t bytes;
	unsigned int i;
	int fd;

	f->kind = "block_device";
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		return said("not a block device that can be opened", dev);
	close(fd);
	if (bytes < (MAX_FILES + 1) * step) {
		printf("# %s: too small, %llu bytes\n", dev, (unsigned long long)bytes);
		return -1;
	}
	for (i = 0; i < MAX_FILES; i++) {
		m = &f->m[i];
		if (model_init(m, i + 1, step, step))
			return said("memory", dev);
		m->window = true;
		m->at_end = i == MAX_FILES - 1;
		m->quiet = i / 2 % 2;
		m->start = m->at_end ? bytes - step : UNIT + i * step;
		if (open_all(m, dev) || fill(m, dev))
			return -1;
	}
	f->n = MAX_FILES;
	return 0;
}

void files_close(struct files *f)
{
	char name[4096];
	unsigned int i;

	for (i = 0; i < f->n; i++) {
		close(f->m[i].wfd);
		close(f->m[i].fd[0]);
		close(f->m[i].fd[1]);
		model_free(&f->m[i]);
		if (f->dir) {
			name_of(name, sizeof(name), f, i);
			unlink(name);
		}
	}
}
