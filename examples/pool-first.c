// SPDX-License-Identifier: MIT
/*
 * pool-first: the fast read before the thread pool.
 *
 *   pool-first [-t THREADS] FILE...
 *
 * A program that has a pool of threads for its reads keeps it, and asks nbread_try_many()
 * first: what is cached is answered in place, for a whole batch in one call, and only what
 * has to wait for the disk goes to a thread. The pool here is a small one, to stand for
 * yours; what is added to it is between the two lines.
 *
 * Reads the files twice, half of them cached: all by the pool, then with the try before it;
 * compares the checksums, and prints how many requests reached the pool, and what it cost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <libnbread.h>

#define CHUNK (16 * 1024)
#define BATCH 64

struct request {
	int fd;
	unsigned len, done; /* bytes: asked for, there */
	uint64_t off;
	char *buf;
	int error;
	struct request *next;
};

/* The pool: requests go in by pool_add(), pool_wait() returns when all are finished. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER, finished = PTHREAD_COND_INITIALIZER;
static struct request *queue;
static unsigned unfinished;
static unsigned long reached;

static void die(const char *what, int err)
{
	fprintf(stderr, "pool-first: %s: %s\n", what, strerror(err));
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		die("memory", ENOMEM);
	return p;
}

static void *pool_thread(void *arg)
{
	struct request *r;
	ssize_t n;

	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!queue)
			pthread_cond_wait(&wanted, &lock);
		r = queue;
		queue = r->next;
		pthread_mutex_unlock(&lock);

		n = pread(r->fd, r->buf + r->done, r->len - r->done, (off_t)(r->off + r->done));
		if (n < 0)
			r->error = errno;
		else
			r->done += (unsigned)n;

		pthread_mutex_lock(&lock);
		if (--unfinished == 0)
			pthread_cond_signal(&finished);
	}
	return NULL;
}

static void pool_add(struct request *r)
{
	pthread_mutex_lock(&lock);
	r->next = queue;
	queue = r;
	unfinished++;
	reached++;
	pthread_mutex_unlock(&lock);
	pthread_cond_signal(&wanted);
}

static void pool_wait(void)
{
	pthread_mutex_lock(&lock);
	while (unfinished)
		pthread_cond_wait(&finished, &lock);
	pthread_mutex_unlock(&lock);
}

/* ------------------------------------ what is added: from here ------------------------------ */
/* @n: at most BATCH */
static void try_before_pool(struct nbread *ring, struct request *reqs, unsigned n)
{
	struct nbread_try tries[BATCH] = { 0 };
	unsigned i;

	for (i = 0; i < n; i++) {
		tries[i].fd = reqs[i].fd;
		tries[i].addr = (uintptr_t)reqs[i].buf;
		tries[i].off = reqs[i].off;
		tries[i].len = reqs[i].len;
		tries[i].res = -EAGAIN; /* should the call itself fail, the pool does it all */
	}
	nbread_try_many(ring, tries, n);
	for (i = 0; i < n; i++) {
		/* The first so many bytes; 0 is the end of the file; -EAGAIN and all else: ask it. */
		if (tries[i].res > 0)
			reqs[i].done = (unsigned)tries[i].res;
		if (tries[i].res != 0 && reqs[i].done < reqs[i].len)
			pool_add(&reqs[i]);
	}
}
/* ------------------------------------ to here ----------------------------------------------- */

static void pool_only(struct nbread *ring, struct request *reqs, unsigned n)
{
	(void)ring;
	while (n--)
		pool_add(&reqs[n]);
}

struct file {
	const char *name;
	int fd;
	uint64_t size, sum[2];
};

static struct file *files;
static unsigned nr_files, failed;

static void take(struct request *r, struct file *f, unsigned pass)
{
	uint64_t word;
	unsigned i;

	if (r->error || r->done != r->len) {
		fprintf(stderr, "pool-first: %s: %s\n", f->name,
			r->error ? strerror(r->error) : "it became shorter");
		failed++;
	}
	for (i = 0; i < r->done; i += 8) {
		word = 0;
		memcpy(&word, r->buf + i, r->done - i < 8 ? r->done - i : 8);
		f->sum[pass] = (f->sum[pass] ^ word) * 0x9e3779b97f4a7c15;
	}
}

static double ms(struct timeval a, struct timeval b)
{
	return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_usec - a.tv_usec) / 1e3;
}

/* A server's turn is a batch of requests, of whichever files. */
static void run(const char *name, struct nbread *ring, unsigned pass,
		void (*start)(struct nbread *ring, struct request *reqs, unsigned n))
{
	static struct request reqs[BATCH];
	static char bufs[BATCH][CHUNK];
	struct file *of[BATCH];
	struct timespec t0, t1;
	struct rusage a, b;
	unsigned i, k, n = 0;
	unsigned long total = 0;
	uint64_t off;

	/* Every second file is cached, the others are not. */
	for (i = 0; i < nr_files; i++) {
		posix_fadvise(files[i].fd, 0, 0, POSIX_FADV_DONTNEED);
		for (off = 0; i % 2 && off < files[i].size; off += CHUNK)
			if (pread(files[i].fd, bufs[0], CHUNK, (off_t)off) < 0)
				die(files[i].name, errno);
	}
	reached = 0;
	getrusage(RUSAGE_SELF, &a);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (i = 0, off = 0; i < nr_files || n;) {
		/* The next chunk of this file, or the next file. */
		if (i < nr_files && off < files[i].size) {
			uint64_t left = files[i].size - off;

			reqs[n] = (struct request){ .fd = files[i].fd, .off = off, .buf = bufs[n] };
			reqs[n].len = left < CHUNK ? (unsigned)left : CHUNK;
			of[n++] = &files[i];
			off += CHUNK;
		} else if (i < nr_files) {
			i++;
			off = 0;
		}
		if (n < BATCH && i < nr_files)
			continue;
		start(ring, reqs, n);
		pool_wait();
		for (k = 0; k < n; k++)
			take(&reqs[k], of[k], pass);
		total += n;
		n = 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	getrusage(RUSAGE_SELF, &b);
	printf("%-14s %8lu %8lu %8.1f %8.1f %8ld/%ld\n", name, total, reached,
	       (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6,
	       ms(a.ru_utime, b.ru_utime) + ms(a.ru_stime, b.ru_stime), b.ru_nvcsw - a.ru_nvcsw,
	       b.ru_nivcsw - a.ru_nivcsw);
}

int main(int argc, char **argv)
{
	unsigned threads = 8, i;
	struct nbread ring;
	pthread_t t;
	int opt, ret;

	while ((opt = getopt(argc, argv, "t:")) != -1)
		threads = opt == 't' ? (unsigned)strtoul(optarg, NULL, 10) : 0;
	if (!threads || threads > 1024 || optind == argc) {
		fprintf(stderr, "usage: pool-first [-t THREADS] FILE...\n");
		return 2;
	}
	files = must(calloc((size_t)(argc - optind), sizeof(*files)));
	for (; optind < argc; optind++) {
		struct file *f = &files[nr_files++];
		struct stat st;

		f->name = argv[optind];
		f->fd = open(f->name, O_RDONLY | O_CLOEXEC);
		if (f->fd < 0 || fstat(f->fd, &st))
			die(f->name, errno);
		f->size = (uint64_t)st.st_size;
	}
	/* Only for the try, which does not use its queues. */
	ret = nbread_queue_init(1, &ring, 0);
	if (ret < 0)
		die("no ring", -ret);
	for (i = 0; i < threads; i++) {
		ret = pthread_create(&t, NULL, pool_thread, NULL);
		if (ret)
			die("thread", ret);
	}

	printf("%-14s %8s %8s %8s %8s %s\n", "", "requests", "to pool", "ms", "CPU ms",
	       "switches vol/inv");
	run("pool", &ring, 0, pool_only);
	run("try, then pool", &ring, 1, try_before_pool);
	for (i = 0; i < nr_files; i++) {
		if (files[i].sum[0] != files[i].sum[1]) {
			fprintf(stderr, "pool-first: %s: the checksums differ\n", files[i].name);
			failed++;
		}
	}
	nbread_queue_exit(&ring);
	if (!failed)
		printf("all checksums are equal\n");
	return failed != 0;
}
