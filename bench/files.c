// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files that are read: made where they are not there yet, made resident, dropped.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nbtest.h"

#define SPARE_FDS 512
#define CHUNK (256u << 10)

unsigned int file_id(unsigned int index)
{
	return index % 255 + 1;
}

static void allow_open_files(unsigned int n)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= n + SPARE_FDS)
		return;
	if (r.rlim_max < n + SPARE_FDS)
		r.rlim_max = n + SPARE_FDS;
	r.rlim_cur = n + SPARE_FDS;
	if (setrlimit(RLIMIT_NOFILE, &r))
		nbtest_fatal("bench: this user may not have %u files open (ulimit -n)", n);
}

/* The bytes, unless the last word is right already: an earlier call made the file. */
static bool make_bytes(int fd, unsigned int id, uint64_t size)
{
	uint64_t word, off;

	if (pread(fd, &word, sizeof(word), (off_t)(size - 8)) == 8 &&
	    nbtest_mismatch(&word, sizeof(word), size - 8, id, 1) < 0)
		return false;
	for (off = 0; off < size; off += CHUNK)
		nbtest_write_pattern(fd, off, size - off < CHUNK ? size - off : CHUNK, id, 1);
	return true;
}

void files_open(struct files *f, const char *where, unsigned int n, uint64_t size)
{
	bool made = false;
	struct stat st;
	char name[4096];
	unsigned int i;

	if (stat(where, &st))
		nbtest_fatal("bench: %s: %s", where, strerror(errno));
	if (S_ISBLK(st.st_mode) && n > 1)
		nbtest_fatal("bench: %s is one device; it cannot be %u files", where, n);
	allow_open_files(n);
	f->n = n;
	f->size = size;
	f->random = false;
	f->fd = calloc(n, sizeof(*f->fd));
	if (!f->fd)
		nbtest_fatal("bench: no memory");
	for (i = 0; i < n; i++) {
		if (S_ISBLK(st.st_mode)) {
			f->fd[i] = open(where, O_RDWR | O_CLOEXEC);
		} else {
			snprintf(name, sizeof(name), "%s/bench.%u.%u.%llu", where, i, n,
				 (unsigned long long)size);
			f->fd[i] = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		}
		if (f->fd[i] < 0)
			nbtest_fatal("bench: %s, file %u: %s", where, i, strerror(errno));
		if (make_bytes(f->fd[i], file_id(i), size) && !made) {
			made = true;
			printf("bench: making %u file(s) of %llu KiB in %s\n", n,
			       (unsigned long long)size >> 10, where);
		}
	}
	/* Nothing is written back while something is measured. */
	if (made && (S_ISBLK(st.st_mode) ? fsync(f->fd[0]) : syncfs(f->fd[0])))
		nbtest_fatal("bench: %s: sync: %s", where, strerror(errno));
}

void files_warm(const struct files *f)
{
	unsigned char *buf = malloc(1 << 20);
	uint64_t off;
	ssize_t got;
	unsigned int i;

	if (!buf)
		nbtest_fatal("bench: no memory");
	for (i = 0; i < f->n; i++) {
		if (nbtest_resident(f->fd[i], 0, f->size) == f->size / 4096)
			continue;
		for (off = 0; off < f->size; off += (uint64_t)got) {
			got = pread(f->fd[i], buf, 1 << 20, (off_t)off);
			if (got <= 0)
				nbtest_fatal("bench: file %u: %s", i,
					     got ? strerror(errno) : "too short");
		}
		if (nbtest_resident(f->fd[i], 0, f->size) != f->size / 4096)
			nbtest_fatal("bench: the files do not fit into the page cache");
	}
	free(buf);
}

/* As fio does: a program that knows how it will read says so. */
void files_advise(struct files *f, bool sequential)
{
	unsigned int i;

	f->random = !sequential;
	for (i = 0; i < f->n; i++)
		posix_fadvise(f->fd[i], 0, 0,
			      sequential ? POSIX_FADV_SEQUENTIAL : POSIX_FADV_RANDOM);
}

void files_evict(const struct files *f)
{
	unsigned int i;

	for (i = 0; i < f->n; i++)
		nbtest_evict(f->fd[i]);
}

void files_close(struct files *f)
{
	unsigned int i;

	for (i = 0; i < f->n; i++)
		close(f->fd[i]);
	free(f->fd);
	f->fd = NULL;
	f->n = 0;
}
