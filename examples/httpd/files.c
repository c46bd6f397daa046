// SPDX-License-Identifier: MIT
/*
 * nbhttpd: the files below the root, opened once and kept. A bounded table, the least
 * recently used goes first; one that is being sent lives until the last one let go of it.
 *
 * A file that is changed in place is served with the length and date it had when it was opened, for
 * --fresh seconds at most; who replaces files by rename(2) never has a response of two halves.
 *
 * Opening blocks, in every engine alike: nbread reads files, it does not open them. A server
 * keeps its hot files open for this reason, as this one does.
 *
 * RESOLVE_BENEATH has the kernel refuse whatever leads out of the root, '..' and symbolic
 * links included, at the moment of the look-up: no check of names can do that without a race.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/openat2.h>
#include "nbhttpd.h"

static int root;
static struct file **table;
static unsigned buckets, nr_files;
static struct link lru; /* of those in the table, oldest first */

static int open_beneath(const char *path)
{
	/* O_NONBLOCK: the open of a FIFO would wait for a writer. */
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	int fd, tries = 0;

	/* EAGAIN: something was renamed or mounted while '..' was looked up; see openat2(2). */
	do {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN && ++tries < 8);
	return fd;
}

int files_init(void)
{
	int fd;

	link_init(&lru);
	for (buckets = 64; buckets < opt.files; buckets *= 2)
		;
	table = must(calloc(buckets, sizeof(*table)));
	root = open(opt.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	/* Without openat2() there is no safe way to serve, so say it now. */
	fd = open_beneath(".");
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		die("openat2(2) is not allowed or not there, and without it nobody is kept in the root: it needs Linux 5.6, and in a container a seccomp profile that knows it",
		    errno);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static uint32_t hash_of(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static void release(struct file *f)
{
	close(f->fd);
	free(f);
}

/* Out of the table; it lives on while it is in use. */
static void forget(struct file *f)
{
	struct file **p = &table[f->hash & (buckets - 1)];

	while (*p != f)
		p = &(*p)->chain;
	*p = f->chain;
	link_del(&f->lru);
	f->hashed = false;
	nr_files--;
	if (!f->refs)
		release(f);
}

static struct file *open_file(const char *path, uint32_t hash, int *error)
{
	struct file *f;
	struct stat st;
	int fd;

	fd = open_beneath(path);
	if (fd < 0) {
		*error = errno;
		return NULL;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		*error = ENOENT;
		return NULL;
	}
	f = calloc(1, sizeof(*f) + strlen(path) + 1);
	if (!f) {
		close(fd);
		*error = ENOMEM;
		return NULL;
	}
	strcpy(f->path, path);
	f->fd = fd;
	f->hash = hash;
	f->size = (uint64_t)st.st_size;
	f->opened_ms = now_ms;
	f->mtime = st.st_mtim;
	http_format_time(f->modified, sizeof(f->modified), st.st_mtime);
	return f;
}

/*
 * Is it what it was at @date? For who has a part of it, and would put another one to that: so
 * the file itself is asked, and a date of this very second says nothing: RFC 9110, 13.1.5.
 */
bool file_is_of(const struct file *f, const char *date)
{
	struct stat st;

	return !strcmp(date, f->modified) && !fstat(f->fd, &st) &&
	       (uint64_t)st.st_size == f->size && st.st_mtim.tv_sec == f->mtime.tv_sec &&
	       st.st_mtim.tv_nsec == f->mtime.tv_nsec && st.st_mtim.tv_sec < time(NULL);
}

/* The file, to be let go by file_put(); or NULL, and why in *error. */
struct file *file_get(const char *path, int *error)
{
	uint32_t hash = hash_of(path);
	struct file *f;

	for (f = table[hash & (buckets - 1)]; f; f = f->chain)
		if (f->hash == hash && !strcmp(f->path, path))
			break;
	/* Another file may have this name by now. */
	if (f && now_ms - f->opened_ms >= opt.fresh_ms) {
		forget(f);
		f = NULL;
	}
	if (f) {
		link_del(&f->lru);
	} else {
		if (nr_files >= opt.files)
			forget(container(lru.next, struct file, lru));
		f = open_file(path, hash, error);
		if (!f)
			return NULL;
		f->chain = table[hash & (buckets - 1)];
		table[hash & (buckets - 1)] = f;
		f->hashed = true;
		nr_files++;
	}
	link_add_tail(&f->lru, &lru);
	f->refs++;
	return f;
}

/* It is not as long as it was when it was opened: the next request opens it anew. */
void file_stale(struct file *f)
{
	if (f->hashed)
		forget(f);
}

void file_put(struct file *f)
{
	if (--f->refs == 0 && !f->hashed)
		release(f);
}
