// SPDX-License-Identifier: GPL-2.0-only
/*
 * What 'make demo' runs in the VM: copies real files of this machine to the file
 * system under test, reads them all through with several engines, cold and
 * warm, compares the sha256 of each file with that of its source after each
 * pass, and prints a table.
 *
 *	demo [DIR]	default: $NBREAD_MNT
 *
 * Exit status: 0; 1 when a byte was wrong, a read failed, or nbread is not there.
 */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define MIB (1u << 20)
#define LEAST_FILES 200
#define LEAST_BYTES (210ull * MIB)
#define MOST_FILES 8192
/* Two copies of all bytes (page cache, buffers) must fit into the VM. */
#define BIGGEST (24ull * MIB)

static struct file *files;
static unsigned int nr_files;
static uint64_t bytes;
static struct chunks chunks;

static void die(const char *what, const char *name)
{
	printf("demo: %s: %s: %s\n", name, what, strerror(errno));
	exit(1);
}

static void *need(void *p)
{
	if (!p)
		die("memory", "demo");
	return p;
}

struct candidate {
	char *name;
	size_t size;
	dev_t dev;
	ino_t ino;
};

static struct candidate *found;
static unsigned int nr_found;

static int candidate(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || !st->st_size ||
	    (uint64_t)st->st_size > BIGGEST)
		return 0;
	if (nr_found % 1024 == 0)
		found = need(realloc(found, (nr_found + 1024) * sizeof(*found)));
	found[nr_found++] =
		(struct candidate){ need(strdup(name)), st->st_size, st->st_dev, st->st_ino };
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct candidate *)a)->name, ((const struct candidate *)b)->name);
}

static bool enough(void)
{
	return nr_files == MOST_FILES || (nr_files >= LEAST_FILES && bytes >= LEAST_BYTES);
}

static bool is_hard_link(const struct candidate *c, unsigned int before)
{
	unsigned int i;

	for (i = 0; i < before; i++) {
		if (found[i].ino == c->ino && found[i].dev == c->dev)
			return true;
	}
	return false;
}

/* The regular files below @root in the order of their names, until there are enough. */
static void choose_from(const char *root)
{
	unsigned int i;

	nr_found = 0;
	nftw(root, candidate, 32, FTW_PHYS);
	qsort(found, nr_found, sizeof(*found), by_name);
	for (i = 0; i < nr_found && !enough(); i++) {
		if (is_hard_link(&found[i], i))
			continue;
		files[nr_files].source = found[i].name;
		files[nr_files++].size = found[i].size;
		bytes += found[i].size;
	}
}

static void sha256(const struct file *f, unsigned char *hash)
{
	if (!EVP_Digest(f->data, f->size, hash, NULL, EVP_sha256(), NULL)) {
		printf("demo: libcrypto cannot do sha256\n");
		exit(1);
	}
}

static void copy(struct file *f, const char *dir, unsigned int number)
{
	size_t done;
	ssize_t n;
	int fd;

	fd = open(f->source, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open", f->source);
	f->data = need(aligned_alloc(4096, (f->size + 4095) / 4096 * 4096));
	for (done = 0; done < f->size; done += n) {
		n = read(fd, f->data + done, f->size - done);
		if (n <= 0)
			die(n ? "read" : "shorter than it was a moment ago", f->source);
	}
	close(fd);
	sha256(f, f->sha256);
	if (asprintf(&f->copy, "%s/%u", dir, number) < 0)
		die("memory", "demo");
	fd = open(f->copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, f->data, f->size) != (ssize_t)f->size || close(fd))
		die("write", f->copy);
}

static void drop_caches(void)
{
	const char *name = "/proc/sys/vm/drop_caches";
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		die("write", name);
	close(fd);
}

/* Chunks as the engines want them, of files just opened: no engine inherits readahead. */
static void prepare(void)
{
	struct file *f;
	unsigned int i;
	size_t off;

	chunks.n = 0;
	for (i = 0; i < nr_files; i++) {
		f = &files[i];
		f->fd = open(f->copy, O_RDONLY | O_CLOEXEC);
		if (f->fd < 0)
			die("open", f->copy);
		/* What an earlier pass read must not count for this one. */
		memset(f->data, 0xa5, f->size);
		for (off = 0; off < f->size; off += CHUNK)
			chunks.chunk[chunks.n++] =
				(struct chunk){ f, off,
						f->size - off < CHUNK ? f->size - off : CHUNK };
	}
}

static int threads(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	int n = 0;

	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "Threads: %d", &n);
	if (status)
		fclose(status);
	return n;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static long switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_nvcsw;
}

/* Hashing comes after the clock was stopped. Returns how many files were wrong. */
static unsigned int run_pass(const struct engine *e, bool cold, struct pass *p)
{
	unsigned char hash[32];
	unsigned int bad = 0;
	unsigned int i;
	int ret;

	memset(p, 0, sizeof(*p));
	prepare();
	if (cold)
		drop_caches();
	p->switches = switches();
	p->ms = now_ms();
	ret = e->run(&chunks, p);
	p->ms = now_ms() - p->ms;
	p->switches = switches() - p->switches;
	p->threads = threads();
	for (i = 0; i < nr_files; i++)
		close(files[i].fd);
	if (ret)
		return nr_files;
	for (i = 0; i < nr_files; i++) {
		sha256(&files[i], hash);
		if (!memcmp(hash, files[i].sha256, sizeof(hash)))
			continue;
		if (!bad++)
			printf("demo: %s, %s: wrong sha256: %s (a copy of %s)\n", e->name,
			       cold ? "cold" : "warm", files[i].copy, files[i].source);
	}
	return bad;
}

static void print_pair(bool known, uint64_t cold, uint64_t warm)
{
	char text[32] = "-";

	if (known)
		snprintf(text, sizeof(text), "%llu/%llu", (unsigned long long)cold,
			 (unsigned long long)warm);
	printf("  %11s", text);
}

static void print_row(const struct engine *e, const struct pass *cold, const struct pass *warm)
{
	printf("%-21s %8.0f %8.0f", e->name, cold->ms, warm->ms);
	print_pair(e->counts_hits, cold->hits, warm->hits);
	print_pair(e->counts_waits, cold->waited, warm->waited);
	print_pair(e->counts_hits, cold->punted, warm->punted);
	printf(" %8d", cold->threads > warm->threads ? cold->threads : warm->threads);
	print_pair(true, cold->switches, warm->switches);
	printf("\n");
}

static void print_closing(const struct pass *cold, const struct pass *warm, const struct pass *pool)
{
	uint64_t rest = chunks.n - cold->hits - cold->waited - cold->punted;

	printf("\nShown: each of the %u files came back from every engine, cold and warm, with the sha256 of\n"
	       "its source. Warm, nbread answered %llu of %u reads inside the call that submitted them. Cold,\n"
	       "%llu reads waited for the disk without a thread of their own, %llu went to a kernel worker",
	       nr_files, (unsigned long long)warm->hits, chunks.n, (unsigned long long)cold->waited,
	       (unsigned long long)cold->punted);
	if (rest)
		printf(", and for\n%llu the data came in while they were submitted",
		       (unsigned long long)rest);
	printf(".\nFor this the program needed 1 thread and %ld context switches; with a thread pool %d and %ld.\n",
	       cold->switches, pool->threads, pool->switches);
}

static int run_all(void)
{
	struct pass cold, warm = { 0 }, pool = { 0 };
	bool failed = false;
	int ret = -ENODEV;
	unsigned int i;

	printf("\nReads of %u KiB, %u of them; pairs are cold/warm. Times under emulation compare\n"
	       "engines with each other, not with real hardware.\n\n",
	       CHUNK >> 10, chunks.n);
	printf("%-21s %8s %8s  %11s  %11s  %11s %8s  %11s\n", "engine", "cold ms", "warm ms",
	       "hits", "waited", "punted", "threads", "switches");
	for (i = 0; i < nr_engines; i++) {
		ret = engines[i].init();
		if (ret) {
			printf("%-21s not available: %s\n", engines[i].name, strerror(-ret));
			continue;
		}
		/* Stop at the first wrong pass: its message says all. */
		failed = run_pass(&engines[i], true, &cold) || run_pass(&engines[i], false, &warm);
		engines[i].exit();
		if (failed) {
			printf("%-21s FAILED: %s\n", engines[i].name,
			       cold.why ? cold.why :
			       warm.why ? warm.why :
					  "wrong bytes, see above");
			break;
		}
		print_row(&engines[i], &cold, &warm);
		if (engines[i].counts_hits && !engines[i].counts_waits)
			pool = cold;
	}
	if (failed)
		return 1;
	/* nbread is the last engine. */
	if (ret) {
		printf("\nNothing was shown: nbread is not available here. Is the module loaded?\n");
		return 1;
	}
	print_closing(&cold, &warm, &pool);
	return 0;
}

/* All files are open at a time, and a machine of small ones has more than 1,024. */
static void allow_open_files(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int main(int argc, char **argv)
{
	static const char *const roots[] = { "/usr/bin", "/usr/lib", "/usr/share" };
	const char *dir = argc > 1 ? argv[1] : getenv("NBREAD_MNT");
	struct utsname u;
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	allow_open_files();
	if (!dir || !*dir) {
		printf("demo: name a folder on the file system to read from\n");
		return 1;
	}
	files = need(calloc(MOST_FILES, sizeof(*files)));
	for (i = 0; i < 3 && !enough(); i++)
		choose_from(roots[i]);
	if (nr_files < LEAST_FILES || bytes < 200ull * MIB) {
		printf("demo: /usr has only %u files with %llu MiB; %u files and 200 MiB are needed\n",
		       nr_files, (unsigned long long)bytes / MIB, LEAST_FILES);
		return 1;
	}
	for (i = 0; i < nr_files; i++)
		chunks.n += (files[i].size + CHUNK - 1) / CHUNK;
	chunks.chunk = need(calloc(chunks.n, sizeof(*chunks.chunk)));
	uname(&u);
	printf("Linux %s. Copying %u real files of this machine, %llu MiB, %s to %s, to %s...\n",
	       u.release, nr_files, (unsigned long long)bytes / MIB, files[0].source,
	       files[nr_files - 1].source, dir);
	for (i = 0; i < nr_files; i++)
		copy(&files[i], dir, i);
	return run_all();
}
