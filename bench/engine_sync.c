// SPDX-License-Identifier: GPL-2.0-only
/*
 * Engines that read in the call, one read after the other: pread(2), preadv2(2) with
 * RWF_NOWAIT, and memory that is mapped.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static int nothing_to_open(struct job *j)
{
	(void)j;
	return 0;
}

static void nothing_to_close(struct job *j)
{
	(void)j;
}

static int run_pread(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct op *end = op + n;
	ssize_t got;

	(void)min;
	for (; op < end; op++) {
		got = pread(op->fd, op->buf, op->len, (off_t)op->off);
		op_ended(j, op, got < 0 ? -errno : got);
	}
	return 0;
}

static int run_preadv2(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	struct op *end = op + n;
	struct iovec iov;
	ssize_t got;

	(void)min;
	for (; op < end; op++) {
		iov.iov_base = op->buf;
		iov.iov_len = op->len;
		got = preadv2(op->fd, &iov, 1, (off_t)op->off, RWF_NOWAIT);
		op_ended(j, op, got < 0 ? -errno : got);
	}
	return 0;
}

/* Mapped and, where the files are cached, in the page table before the clock starts. */
static int open_mmap(struct job *j)
{
	const struct files *f = j->files;
	int flags = MAP_SHARED | (j->cold ? 0 : MAP_POPULATE);
	void **map = calloc(f->n, sizeof(*map));
	unsigned int i;

	if (!map)
		return job_fail(j, "memory", ENOMEM);
	for (i = 0; i < f->n; i++) {
		map[i] = mmap(NULL, f->size, PROT_READ, flags, f->fd[i], 0);
		if (map[i] == MAP_FAILED) {
			job_fail(j, "mmap", errno);
			while (i--)
				munmap(map[i], f->size);
			free(map);
			return -1;
		}
		/* Mapped memory has an advice of its own. */
		if (j->cold)
			madvise(map[i], f->size, f->random ? MADV_RANDOM : MADV_SEQUENTIAL);
	}
	j->priv = map;
	return 0;
}

static void close_mmap(struct job *j)
{
	void **map = j->priv;
	unsigned int i;

	for (i = 0; i < j->files->n; i++)
		munmap(map[i], j->files->size);
	free(map);
}

static int run_mmap(struct job *j, struct op *op, unsigned int n, unsigned int min)
{
	unsigned char **map = j->priv;
	struct op *end = op + n;

	(void)min;
	for (; op < end; op++) {
		memcpy(op->buf, map[op->file] + op->off, op->len);
		op_ended(j, op, op->len);
	}
	return 0;
}

const struct engine engine_pread = { "pread", E_SYNC, nothing_to_open, run_pread,
				     nothing_to_close };

const struct engine engine_preadv2_nowait = { "preadv2_nowait", E_SYNC | E_CACHED_ONLY,
					      nothing_to_open, run_preadv2, nothing_to_close };

const struct engine engine_mmap = { "mmap", E_SYNC, open_mmap, run_mmap, close_mmap };
