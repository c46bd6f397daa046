// SPDX-License-Identifier: MIT
/*
 * nbuv: nbread in a libuv loop, next to libuv's own uv_fs_read().
 *
 *   nbuv [-n DEPTH] FILE...
 *
 * Reads the files through, DEPTH of them at a time, by uv_fs_read() and by nbread, first with
 * the page cache dropped for these files, then from it; compares the checksums, and prints
 * what each way cost. The first part, up to the line, is what a program of yours would take.
 */
/* PKG: libuv */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <libnbread.h>

/* A ring in a loop. Reads that are asked for in one turn go to the kernel in one call. */
struct nbuv {
	struct nbread ring;
	uv_poll_t poll; /* the ring's descriptor: reads can be finished */
	uv_prepare_t prepare; /* before the loop waits: submit */
	uv_idle_t idle; /* there is more to submit: do not wait */
	unsigned active, most;
	unsigned long calls, hits, waited, punted;
};

struct nbuv_read {
	void (*cb)(struct nbuv_read *r, ssize_t result); /* bytes, or a UV_* error */
	void *data;
};

static void nbuv_reap(struct nbuv *u)
{
	struct nbread_cqe *cqe;
	unsigned head, n = 0;

	nbread_for_each_cqe(&u->ring, head, cqe) {
		struct nbuv_read *r = nbread_cqe_get_data(cqe);

		u->hits += !!(cqe->flags & NBREAD_CQE_HIT);
		u->waited += !!(cqe->flags & NBREAD_CQE_WAITED);
		u->punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
		n++;
		if (--u->active == 0)
			uv_unref((uv_handle_t *)&u->poll);
		/* libuv's errors are -errno, as ours. It may ask for the next read. */
		r->cb(r, cqe->res);
	}
	nbread_cq_advance(&u->ring, n);
}

static void nbuv_on_idle(uv_idle_t *idle)
{
	(void)idle;
}

static void nbuv_on_prepare(uv_prepare_t *prepare)
{
	struct nbuv *u = prepare->data;

	if (nbread_sq_ready(&u->ring)) {
		int ret = nbread_submit(&u->ring);

		/* With room for all there is nothing else to fail but the ring: a fork, say. */
		if (ret < 0 && ret != -EINTR)
			abort();
		u->calls++;
		/* What is cached is there already. */
		nbuv_reap(u);
	}
	/* What the callbacks asked for goes in the next turn, so that others get theirs. */
	if (nbread_sq_ready(&u->ring))
		uv_idle_start(&u->idle, nbuv_on_idle);
	else
		uv_idle_stop(&u->idle);
}

static void nbuv_on_poll(uv_poll_t *poll, int status, int events)
{
	struct nbuv *u = poll->data;
	int ret = nbread_get_events(&u->ring);

	(void)status;
	(void)events;
	/* As in nbuv_on_prepare(): it would be called again and again. */
	if (ret < 0 && ret != -EINTR && ret != -EAGAIN)
		abort();
	u->calls++;
	nbuv_reap(u);
}

/* At most @entries reads at a time; 0 or a UV_* error. */
static int nbuv_init(uv_loop_t *loop, struct nbuv *u, unsigned entries)
{
	int ret;

	memset(u, 0, sizeof(*u));
	ret = nbread_queue_init(entries, &u->ring, 0);
	if (ret < 0)
		return ret;
	u->most = entries;
	ret = uv_poll_init(loop, &u->poll, nbread_ring_fd(&u->ring));
	if (ret < 0) {
		nbread_queue_exit(&u->ring);
		return ret;
	}
	uv_prepare_init(loop, &u->prepare);
	uv_idle_init(loop, &u->idle);
	u->poll.data = u->prepare.data = u;
	uv_poll_start(&u->poll, UV_READABLE, nbuv_on_poll);
	uv_prepare_start(&u->prepare, nbuv_on_prepare);
	/* The loop ends when nothing else is left; a read in flight counts as something. */
	uv_unref((uv_handle_t *)&u->prepare);
	uv_unref((uv_handle_t *)&u->poll);
	return 0;
}

/* r->cb() is called from the loop, never from here. 0, or UV_EAGAIN: too many at a time. */
static int nbuv_read(struct nbuv *u, struct nbuv_read *r, uv_file file, void *buf, unsigned len,
		     int64_t off)
{
	struct nbread_sqe *sqe;

	/* The queue of the ring empties with each submission; its reads are in flight then. */
	if (u->active >= u->most || !(sqe = nbread_get_sqe(&u->ring)))
		return UV_EAGAIN;
	nbread_prep_read(sqe, file, buf, len, (__u64)off);
	nbread_sqe_set_data(sqe, r);
	if (u->active++ == 0)
		uv_ref((uv_handle_t *)&u->poll);
	/* Somebody's prepare handle may ask, after ours: then the loop comes round once more. */
	uv_idle_start(&u->idle, nbuv_on_idle);
	return 0;
}

static void nbuv_on_close(uv_handle_t *poll)
{
	struct nbuv *u = poll->data;

	nbread_queue_exit(&u->ring);
}

/*
 * The memory is the loop's until it ran once more. 0, or UV_EBUSY: reads are in flight, whose
 * callbacks would not come, and whose buffers may still be written to. Wait for them, or cancel
 * them (nbread_cancel64() with NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL) and wait.
 */
static int nbuv_close(struct nbuv *u)
{
	if (u->active)
		return UV_EBUSY;
	uv_close((uv_handle_t *)&u->prepare, NULL);
	uv_close((uv_handle_t *)&u->idle, NULL);
	uv_close((uv_handle_t *)&u->poll, nbuv_on_close);
	return 0;
}

/* ---------------------------------------- up to here ---------------------------------------- */

#define CHUNK (64 * 1024)

struct file {
	const char *name;
	int fd;
	uint64_t size, sum[4]; /* of each pass */
};

/* A place for a file that is being read. */
struct slot {
	struct file *file;
	int64_t off;
	uv_fs_t fs;
	struct nbuv_read read;
	char *buf;
};

static struct file *files;
static unsigned nr_files, next_file, pass, failed;
static unsigned long reads;
static uv_loop_t loop;
static struct nbuv ring;
static int by_ring;

static void die(const char *what, int err)
{
	fprintf(stderr, "nbuv: %s: %s\n", what, strerror(err));
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		die("memory", ENOMEM);
	return p;
}

static void next(struct slot *s);
static void on_fs(uv_fs_t *req);

static void read_on(struct slot *s)
{
	uv_buf_t b = uv_buf_init(s->buf, CHUNK);
	int ret;

	reads++;
	if (by_ring)
		ret = nbuv_read(&ring, &s->read, s->file->fd, s->buf, CHUNK, s->off);
	else
		ret = uv_fs_read(&loop, &s->fs, s->file->fd, &b, 1, s->off, on_fs);
	if (ret)
		die("read", -ret);
}

static void took(struct slot *s, ssize_t n)
{
	uint64_t *sum = &s->file->sum[pass];
	uint64_t word;
	ssize_t i;

	if (n < 0) {
		fprintf(stderr, "nbuv: %s: %s\n", s->file->name, strerror((int)-n));
		failed++;
	}
	for (i = 0; i + 8 <= n; i += 8) {
		memcpy(&word, s->buf + i, 8);
		*sum = (*sum ^ word) * 0x9e3779b97f4a7c15;
	}
	for (; i < n; i++)
		*sum = (*sum ^ (unsigned char)s->buf[i]) * 0x9e3779b97f4a7c15;
	s->off += n > 0 ? n : 0;
	/* uv_fs_read() may be short for other reasons, so the end is where nothing comes. */
	if (n > 0 && (uint64_t)s->off < s->file->size)
		read_on(s);
	else
		next(s);
}

static void on_fs(uv_fs_t *req)
{
	struct slot *s = req->data;
	ssize_t n = req->result;

	uv_fs_req_cleanup(req);
	took(s, n);
}

static void on_ring(struct nbuv_read *r, ssize_t n)
{
	took(r->data, n);
}

static void next(struct slot *s)
{
	if (next_file == nr_files)
		return;
	s->file = &files[next_file++];
	s->off = 0;
	read_on(s);
}

static unsigned count_threads(void)
{
	unsigned n = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %u", &n);
	if (f)
		fclose(f);
	return n;
}

static double ms(struct timeval a, struct timeval b)
{
	return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_usec - a.tv_usec) / 1e3;
}

static void run(const char *name, unsigned depth, int cold)
{
	struct slot *slots = must(calloc(depth, sizeof(*slots)));
	struct rusage a, b;
	unsigned i, threads;
	uint64_t began;
	int ret;

	/* Cold: what is cached of these files goes; the warm pass comes after the cold one. */
	for (i = 0; cold && i < nr_files; i++)
		posix_fadvise(files[i].fd, 0, 0, POSIX_FADV_DONTNEED);
	for (i = 0; i < depth; i++) {
		slots[i].buf = must(malloc(CHUNK));
		slots[i].fs.data = &slots[i];
		slots[i].read.data = &slots[i];
		slots[i].read.cb = on_ring;
	}
	if (uv_loop_init(&loop))
		die("uv_loop_init", errno);
	if (by_ring) {
		ret = nbuv_init(&loop, &ring, depth);
		if (ret)
			die("no ring", -ret);
	}
	next_file = 0;
	reads = 0;
	getrusage(RUSAGE_SELF, &a);
	began = uv_hrtime();
	for (i = 0; i < depth; i++)
		next(&slots[i]);
	uv_run(&loop, UV_RUN_DEFAULT);
	began = uv_hrtime() - began;
	getrusage(RUSAGE_SELF, &b);
	threads = count_threads();

	printf("%-11s %-5s %8.1f %8.1f %8lu %8ld/%-6ld %7u", name, cold ? "cold" : "warm",
	       (double)began / 1e6, ms(a.ru_utime, b.ru_utime) + ms(a.ru_stime, b.ru_stime), reads,
	       b.ru_nvcsw - a.ru_nvcsw, b.ru_nivcsw - a.ru_nivcsw, threads);
	if (by_ring)
		printf("   %lu calls: %lu hits, %lu waited, %lu punted", ring.calls, ring.hits,
		       ring.waited, ring.punted);
	putchar('\n');
	if (by_ring) {
		nbuv_close(&ring);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	if (uv_loop_close(&loop))
		die("uv_loop_close: something was left over", EBUSY);
	for (i = 0; i < depth; i++)
		free(slots[i].buf);
	free(slots);
	pass++;
}

int main(int argc, char **argv)
{
	unsigned depth = 32, i;
	uint64_t bytes = 0;
	int opt;

	while ((opt = getopt(argc, argv, "n:")) != -1)
		depth = opt == 'n' ? (unsigned)strtoul(optarg, NULL, 10) : 0;
	if (!depth || depth > 4096 || optind == argc) {
		fprintf(stderr, "usage: nbuv [-n DEPTH] FILE...\n");
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
		bytes += f->size;
	}
	printf("%u files, %" PRIu64 " bytes, %u at a time\n", nr_files, bytes, depth);
	printf("%-11s %-5s %8s %8s %8s %15s %7s\n", "engine", "", "ms", "CPU ms", "reads",
	       "switches vol/inv", "threads");
	/* nbread first: the threads of uv_fs_read() stay once they were started. */
	for (by_ring = 1; by_ring >= 0; by_ring--) {
		run(by_ring ? "nbread" : "uv_fs_read", depth, 1);
		run(by_ring ? "nbread" : "uv_fs_read", depth, 0);
	}
	for (i = 0; i < nr_files; i++) {
		struct file *f = &files[i];

		if (f->sum[0] != f->sum[1] || f->sum[0] != f->sum[2] || f->sum[0] != f->sum[3]) {
			fprintf(stderr, "nbuv: %s: the checksums differ\n", f->name);
			failed++;
		}
	}
	if (!failed)
		printf("all checksums are equal\n");
	return failed != 0;
}
