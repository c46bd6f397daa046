// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files whose every byte says where it belongs; making them resident, dropping
 * them, and asking which of their pages are resident.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nbtest.h"

#define CHUNK (256 << 10)

uint64_t nbtest_word(unsigned int id, unsigned int generation, uint64_t off)
{
	return (uint64_t)(id & 0xff) << 56 | (uint64_t)(generation & 0xffff) << 40 |
	       (off / 8 & ((UINT64_C(1) << 40) - 1));
}

static uint8_t byte_at(uint64_t off, unsigned int id, unsigned int generation)
{
	return (uint8_t)(nbtest_word(id, generation, off) >> (off % 8 * 8));
}

void nbtest_fill(void *buf, size_t len, uint64_t off, unsigned int id, unsigned int generation)
{
	uint8_t *p = buf;
	size_t i = 0;

	for (; i < len && (off + i) % 8; i++)
		p[i] = byte_at(off + i, id, generation);
	for (; i + 8 <= len; i += 8) {
		uint64_t w = htole64(nbtest_word(id, generation, off + i));

		memcpy(p + i, &w, 8);
	}
	for (; i < len; i++)
		p[i] = byte_at(off + i, id, generation);
}

ssize_t nbtest_mismatch(const void *buf, size_t len, uint64_t off, unsigned int id,
			unsigned int generation)
{
	uint8_t want[4096];

	for (size_t done = 0; done < len;) {
		size_t n = len - done < sizeof(want) ? len - done : sizeof(want);

		nbtest_fill(want, n, off + done, id, generation);
		if (memcmp((const uint8_t *)buf + done, want, n) != 0) {
			for (size_t i = 0; i < n; i++)
				if (((const uint8_t *)buf)[done + i] != want[i])
					return (ssize_t)(done + i);
		}
		done += n;
	}
	return -1;
}

void nbtest_check_bytes(const void *buf, size_t len, uint64_t off, unsigned int id,
			unsigned int generation)
{
	ssize_t bad = nbtest_mismatch(buf, len, off, id, generation);
	uint64_t word = 0;

	if (bad < 0)
		return;
	/* The word around it, as far as it lies in the buffer. */
	for (unsigned int i = 0; i < 8; i++) {
		int64_t at = bad - (int64_t)((off + (uint64_t)bad) % 8) + i;

		if (at >= 0 && (size_t)at < len)
			word |= (uint64_t)((const uint8_t *)buf)[at] << (i * 8);
	}
	nbtest_fatal("byte %zd of %zu read at %llu is wrong: the word there is %#018llx (file %u, "
		     "generation %u, offset %llu), not %#018llx",
		     bad, len, (unsigned long long)off, (unsigned long long)word,
		     (unsigned int)(word >> 56), (unsigned int)(word >> 40 & 0xffff),
		     (unsigned long long)(word & ((UINT64_C(1) << 40) - 1)) * 8,
		     (unsigned long long)nbtest_word(id, generation, off + (uint64_t)bad));
}

const char *nbtest_dir(void)
{
	const char *dir = getenv("NBREAD_MNT");

	if (!dir || !*dir)
		dir = getenv("TMPDIR");
	return dir && *dir ? dir : "/tmp";
}

void nbtest_file_new(struct nbtest_file *f, unsigned int id, uint64_t size)
{
	nbtest_file_new_in(f, nbtest_dir(), id, size);
}

void nbtest_file_new_in(struct nbtest_file *f, const char *dir, unsigned int id, uint64_t size)
{
	snprintf(f->path, sizeof(f->path), "%s/nbtest-XXXXXX", dir);
	f->fd = mkostemp(f->path, O_CLOEXEC);
	if (f->fd < 0)
		nbtest_fatal("cannot make the file %s: %m", f->path);
	f->id = id;
	f->size = size;
	for (uint64_t off = 0; off < size; off += CHUNK)
		nbtest_write_pattern(f->fd, off, size - off < CHUNK ? size - off : CHUNK, id, 1);
	if (fsync(f->fd) != 0)
		nbtest_fatal("fsync of %s: %m", f->path);
}

void nbtest_file_free(struct nbtest_file *f)
{
	close(f->fd);
	unlink(f->path);
	f->fd = -1;
}

void nbtest_write_pattern(int fd, uint64_t off, size_t len, unsigned int id,
			  unsigned int generation)
{
	uint8_t *buf = malloc(len ? len : 1);

	if (!buf)
		nbtest_fatal("no memory for %zu bytes", len);
	nbtest_fill(buf, len, off, id, generation);
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, buf + done, len - done, (off_t)(off + done));

		if (n <= 0)
			nbtest_fatal("pwrite of %zu bytes at %llu: %m", len,
				     (unsigned long long)off);
		done += (size_t)n;
	}
	free(buf);
}

uint64_t nbtest_size(int fd)
{
	uint64_t bytes;
	struct stat st;

	if (fstat(fd, &st) != 0)
		nbtest_fatal("fstat of file descriptor %d: %m", fd);
	if (!S_ISBLK(st.st_mode))
		return (uint64_t)st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &bytes) != 0)
		nbtest_fatal("BLKGETSIZE64: %m");
	return bytes;
}

void nbtest_warm(int fd)
{
	uint64_t size = nbtest_size(fd);
	char *buf = malloc(CHUNK);

	for (uint64_t off = 0; off < size;) {
		ssize_t n = pread(fd, buf, CHUNK, (off_t)off);

		if (n <= 0)
			nbtest_fatal("pread at %llu: %m", (unsigned long long)off);
		off += (uint64_t)n;
	}
	free(buf);
}

/* mincore(2) reports the page cache to the owner of a file and who may write it. */
size_t nbtest_resident(int fd, uint64_t off, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t from = off & ~((uint64_t)page - 1);
	size_t pages = (size_t)((off + len - from + page - 1) / page);
	size_t n = 0;
	unsigned char *vec;
	void *map;

	if (!len)
		return 0;
	vec = malloc(pages);
	map = mmap(NULL, pages * page, PROT_READ, MAP_SHARED, fd, (off_t)from);
	if (!vec || map == MAP_FAILED || mincore(map, pages * page, vec) != 0)
		nbtest_fatal("mincore of %zu pages: %m", pages);
	for (size_t i = 0; i < pages; i++)
		n += vec[i] & 1;
	munmap(map, pages * page);
	free(vec);
	return n;
}

bool nbtest_page_resident(int fd, uint64_t off)
{
	return nbtest_resident(fd, off, 1) == 1;
}

void nbtest_drop_caches(void)
{
	int err;

	sync();
	err = nbtest_write_text("/proc/sys/vm/drop_caches", "3");
	if (err)
		nbtest_fatal("/proc/sys/vm/drop_caches: %s", strerror(-err));
}

/*
 * Pages can stay for a moment: in a per-CPU list on their way to the LRU, or
 * locked by a read-ahead that still runs.
 */
static bool dropped(int fd, uint64_t size)
{
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		return false;
	if (nbtest_resident(fd, 0, (size_t)size) == 0)
		return true;
	nbtest_write_text("/proc/sys/vm/drop_caches", "1");
	return false;
}

void nbtest_evict(int fd)
{
	uint64_t size = nbtest_size(fd);

	if (fsync(fd) != 0 && errno != EROFS && errno != EINVAL)
		nbtest_fatal("fsync: %m");
	if (!nbtest_wait_until(dropped(fd, size), 10000))
		nbtest_fatal("%zu pages of the file stay resident",
			     nbtest_resident(fd, 0, (size_t)size));
}
