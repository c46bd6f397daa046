// SPDX-License-Identifier: GPL-2.0-only
/* See files.h. Failures print why and return -1. */
#include "files.h"
#include "lower.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

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

/*
 * By the mount table: statfs(2) of a 9p mount answers with the type that the
 * server's own file system has.
 */
static const char *fs_name(const char *dir)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	char *path = realpath(dir, NULL);
	static char name[64];
	struct mntent *m;
	size_t n, best = 0;

	name[0] = 0;
	while (f && path && (m = getmntent(f))) {
		n = strlen(m->mnt_dir);
		if (n < best || strncmp(path, m->mnt_dir, n) ||
		    (n > 1 && path[n] && path[n] != '/'))
			continue;
		/* A later mount on the same folder hides the earlier one. */
		best = n;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(m->mnt_type, "."), m->mnt_type);
	}
	if (f)
		endmntent(f);
	free(path);
	return name[0] ? name : NULL;
}

/* One mutation fills the model from its start to its size, by way of @fd. */
static int fill(struct model *m, int fd, const char *name)
{
	uint64_t size = m->sizes[0];
	uint64_t whole = (size + UNIT - 1) / UNIT * UNIT;
	unsigned char *data = aligned_alloc(4096, m->max + 4096 - m->max % 4096);
	uint32_t seq;
	int ret = 0;

	if (!data)
		return said("memory", name);
	seq = model_begin(m, 0, whole, false, size);
	model_fill(m, 0, whole, seq, data);
	if (pwrite(fd, data, size, m->start) != (ssize_t)size || fsync(fd))
		ret = said("cannot be filled", name);
	model_end(m, seq, 0, whole, false);
	free(data);
	return ret;
}

/* pread(2) sees what fill() wrote, and the file's end. */
static int look(const struct model *m, const char *name)
{
	uint64_t size = m->sizes[0];
	uint64_t whole = (size + UNIT - 1) / UNIT * UNIT;
	unsigned char *want = aligned_alloc(4096, m->max + 4096 - m->max % 4096);
	unsigned char *got = malloc(size + 1);
	uint64_t ask = m->window ? size : size + 1;
	int ret = 0;

	if (!want || !got)
		return said("memory", name);
	model_fill(m, 0, whole, m->seq, want);
	if (pread(m->fd[0], got, ask, m->start) != (ssize_t)size || memcmp(got, want, size)) {
		printf("# %s: pread(2) does not give back what was written\n", name);
		ret = -1;
	}
	free(want);
	free(got);
	return ret;
}

static int open_readers(struct model *m, const char *name)
{
	m->fd[0] = open(name, O_RDONLY | O_CLOEXEC);
	m->fd[1] = open(name, O_RDONLY | O_CLOEXEC);
	if (m->fd[0] < 0 || m->fd[1] < 0)
		return said("open", name);
	errno = posix_fadvise(m->fd[1], 0, 0, POSIX_FADV_RANDOM);
	return errno ? said("posix_fadvise", name) : 0;
}

static int open_all(struct model *m, const char *name)
{
	m->wfd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (m->wfd < 0)
		return said("open", name);
	return fill(m, m->wfd, name) || open_readers(m, name) || look(m, name);
}

/* Every second file of an overlay, changing ones and quiet ones, is in its lower layer. */
static bool is_lower(const struct lower *l, unsigned int i)
{
	return l->on && i % 2 == 0;
}

static int fill_lower(struct files *f, const struct lower *l, unsigned int i)
{
	char name[2048];
	int ret, fd;

	snprintf(name, sizeof(name), "%s/mix.%u", l->upper, i);
	unlink(name);
	snprintf(name, sizeof(name), "%s/mix.%u", l->lower, i);
	unlink(name);
	if (!is_lower(l, i))
		return 0;
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return said("open", name);
	ret = fill(&f->m[i], fd, name);
	close(fd);
	return ret;
}

/* A file of its own, without a name, that is @bytes long. */
static int unnamed(const char *dir, size_t bytes)
{
	char name[2048];
	int fd;

	snprintf(name, sizeof(name), "%s/mix.unnamed", dir);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* In this order: a 9p server may want the name for the second. */
	if (fd >= 0 && (ftruncate(fd, (off_t)bytes) || unlink(name))) {
		unlink(name);
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * What the file system can do to a file besides writing it. Those that the module knows best can
 * all punch, and two of them clone: one that cannot today is a fault of the test's.
 */
static int probe(struct files *f)
{
	static const char *const table[] = { "ext4", "xfs", "btrfs", "tmpfs" };
	int a = unnamed(f->dir, MIB), b = unnamed(f->dir, MIB);
	struct file_clone_range range = { a, 0, 64 * KIB, 64 * KIB };
	bool no_punch, can_clone;
	unsigned int i;

	if (a < 0 || b < 0)
		return said("no file without a name", f->dir);
	no_punch = fallocate(b, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, UNIT);
	if (no_punch && errno != EOPNOTSUPP)
		return said("fallocate(PUNCH_HOLE)", f->dir);
	for (i = 0; i < sizeof(table) / sizeof(table[0]) && no_punch; i++) {
		if (!strcmp(f->kind, table[i]))
			return said("fallocate(PUNCH_HOLE)", f->dir);
	}
	can_clone = !ioctl(b, FICLONERANGE, &range);
	if (!can_clone && getenv("NBREAD_VM") &&
	    (!strcmp(f->kind, "xfs") || !strcmp(f->kind, "btrfs")))
		return said("FICLONERANGE", f->dir);
	close(a);
	close(b);
	for (i = 0; i < MAX_FILES; i++) {
		f->m[i].no_punch = no_punch;
		if (!can_clone || f->m[i].quiet)
			continue;
		f->m[i].clone_fd = unnamed(f->dir, 0);
		if (f->m[i].clone_fd < 0)
			return said("no file without a name", f->dir);
	}
	return 0;
}

static int init_in_dir(struct files *f, unsigned int i)
{
	uint64_t max = layout[i].quiet ? layout[i].size + UNIT : 3 * MIB;
	struct model *m = &f->m[i];

	if (model_init(m, i + 1, max / UNIT * UNIT, layout[i].size) ||
	    asprintf(&m->name, "%s/mix.%u", f->dir, i) < 0)
		return said("memory", f->dir);
	m->quiet = layout[i].quiet;
	m->at_end = true;
	m->wfd = -1;
	m->pageout = !strcmp(f->kind, "tmpfs");
	return 0;
}

int files_in_dir(struct files *f, const char *dir)
{
	struct lower l;
	struct model *m;
	unsigned int i;

	f->dir = dir;
	f->kind = fs_name(dir);
	if (!f->kind)
		return said("not on a mount", dir);
	if (lower_begin(&l, dir))
		return said("cannot unmount the overlay", dir);
	for (i = 0; i < MAX_FILES; i++) {
		if (init_in_dir(f, i) || (l.on && fill_lower(f, &l, i)))
			return -1;
	}
	if (lower_end(&l))
		return said("cannot mount the overlay again", dir);
	for (i = 0; i < MAX_FILES; i++) {
		m = &f->m[i];
		if (is_lower(&l, i)) {
			if (open_readers(m, m->name) || look(m, m->name))
				return -1;
			continue;
		}
		unlink(m->name);
		if (open_all(m, m->name))
			return -1;
	}
	f->n = MAX_FILES;
	return probe(f);
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
		if (open_all(m, dev))
			return -1;
	}
	f->n = MAX_FILES;
	return 0;
}

void files_close(struct files *f)
{
	unsigned int i;

	for (i = 0; i < f->n; i++) {
		close(f->m[i].wfd);
		close(f->m[i].fd[0]);
		close(f->m[i].fd[1]);
		if (f->m[i].clone_fd >= 0)
			close(f->m[i].clone_fd);
		if (f->m[i].name)
			unlink(f->m[i].name);
		model_free(&f->m[i]);
	}
}
