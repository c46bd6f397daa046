// SPDX-License-Identifier: MIT
/*
 * nbsum: checksums of all files below some folders, many files at once.
 *
 *   nbsum [-n DEPTH] PATH...
 *
 * Prints 'sum  path' for each file, in the order in which they are finished; the
 * sum is that of cksum(1). Totals go to standard error: how many reads were
 * served from the page cache (hits), how many waited for the disk, and how many
 * needed a worker thread (punted). One thread, no read-ahead of its
 * own: DEPTH files are open, each with one read in flight.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <libnbread.h>

#define CHUNK (128 * 1024)
/* Standard streams, the ring or what threads need, the folder that is walked. */
#define SPARE_FDS 64
/* As many entries as a ring may have. */
#define MOST 32768

/* A file that is being read. */
struct slot {
	const char *path;
	int fd;
	__u32 crc;
	__u64 off, size; /* when it was opened */
	char *buf;
};

static char **paths;
static size_t nr_paths, next_path;
static struct {
	unsigned long files, reads, hits, waited, punted, failed;
	unsigned long long bytes;
} total;

static __u32 crc_table[256];

static void crc_init(void)
{
	unsigned i, bit;

	for (i = 0; i < 256; i++) {
		crc_table[i] = i << 24;
		for (bit = 0; bit < 8; bit++)
			crc_table[i] = crc_table[i] << 1 ^ (crc_table[i] >> 31 ? 0x04c11db7 : 0);
	}
}

static __u32 crc_byte(__u32 crc, unsigned byte)
{
	return crc << 8 ^ crc_table[(crc >> 24 ^ byte) & 0xff];
}

/* cksum(1) adds the length to the bytes, low byte first, and inverts. */
static __u32 crc_end(__u32 crc, __u64 len)
{
	for (; len; len >>= 8)
		crc = crc_byte(crc, len & 0xff);
	return ~crc;
}

static void complain(const char *what, int err)
{
	fprintf(stderr, "nbsum: %s: %s\n", what, strerror(err));
	total.failed++;
}

static void skip(const char *path)
{
	fprintf(stderr,
		"nbsum: %s: neither a file nor a folder; of a link name what it points to\n", path);
	total.failed++;
}

static void die(const char *what, int err)
{
	complain(what, err);
	exit(1);
}

static int add_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_DNR || type == FTW_NS)
		complain(path, errno);
	else if (!ftw->level && type != FTW_D && !(type == FTW_F && S_ISREG(st->st_mode)))
		skip(path);
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	if (!(nr_paths & (nr_paths + 1))) /* 0, 1, 3, 7, …: time to double */
		paths = realloc(paths, (2 * nr_paths + 2) * sizeof(*paths));
	if (!paths || !(paths[nr_paths] = strdup(path)))
		die(path, ENOMEM);
	nr_paths++;
	return 0;
}

static void read_on(struct nbread *ring, struct slot *s)
{
	struct nbread_sqe *sqe = nbread_get_sqe(ring);

	/* Never NULL: the ring has an entry for each slot. */
	nbread_prep_read(sqe, s->fd, s->buf, CHUNK, s->off);
	nbread_sqe_set_data(sqe, s);
}

/* Gives the slot the next file that can be opened; 0 when there is none left. */
static int start(struct nbread *ring, struct slot *s)
{
	struct stat st;

	while (next_path < nr_paths) {
		s->path = paths[next_path++];
		s->crc = 0;
		s->off = 0;
		s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (s->fd >= 0 && fstat(s->fd, &st) == 0) {
			s->size = (__u64)st.st_size;
			read_on(ring, s);
			return 1;
		}
		complain(s->path, errno);
		if (s->fd >= 0)
			close(s->fd);
	}
	return 0;
}

/* Takes a finished read; 0 when the file is done. */
static int take(struct nbread *ring, struct slot *s, const struct nbread_cqe *cqe)
{
	int i;

	total.reads++;
	total.hits += !!(cqe->flags & NBREAD_CQE_HIT);
	total.waited += !!(cqe->flags & NBREAD_CQE_WAITED);
	total.punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
	if (cqe->res < 0) {
		complain(s->path, -cqe->res);
	} else {
		for (i = 0; i < cqe->res; i++)
			s->crc = crc_byte(s->crc, (unsigned char)s->buf[i]);
		s->off += cqe->res;
		total.bytes += cqe->res;
		/* Short of the end there was an error behind what it gave: the next read says it. */
		if (cqe->res == CHUNK || (cqe->res && s->off < s->size)) {
			read_on(ring, s);
			return 1;
		}
		printf("%u  %s\n", crc_end(s->crc, s->off), s->path);
		total.files++;
	}
	close(s->fd);
	return 0;
}

/* Each slot has a file open. */
static unsigned fit_limit(unsigned depth)
{
	struct rlimit lim;
	unsigned fits;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur >= depth + SPARE_FDS)
		return depth;
	lim.rlim_cur = lim.rlim_max < depth + SPARE_FDS ? lim.rlim_max : depth + SPARE_FDS;
	if (setrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur >= depth + SPARE_FDS)
		return depth;
	if (lim.rlim_cur >= 2 * SPARE_FDS)
		fits = (unsigned)lim.rlim_cur - SPARE_FDS;
	else
		fits = lim.rlim_cur > 2 ? (unsigned)lim.rlim_cur / 2 : 1;
	if (fits >= depth)
		return depth;
	fprintf(stderr, "nbsum: 'ulimit -n' allows %u files at a time\n", fits);
	return fits;
}

int main(int argc, char **argv)
{
	unsigned long depth_arg = 32;
	unsigned depth, busy = 0, i, n, head;
	struct nbread_cqe *cqe;
	struct nbread ring;
	struct slot *slots;
	int opt, ret;

	while ((opt = getopt(argc, argv, "n:")) != -1)
		depth_arg = opt == 'n' ? strtoul(optarg, NULL, 10) : 0;
	if (!depth_arg || depth_arg > MOST || optind == argc) {
		fprintf(stderr, "usage: nbsum [-n DEPTH] PATH...    DEPTH: 1 to %d, default 32\n",
			MOST);
		return 2;
	}
	crc_init();
	for (; optind < argc; optind++)
		if (nftw(argv[optind], add_path, 64, FTW_PHYS))
			complain(argv[optind], errno);

	depth = fit_limit((unsigned)depth_arg);
	ret = nbread_queue_init(depth, &ring, 0);
	if (ret < 0)
		die("no ring", -ret);
	slots = calloc(depth, sizeof(*slots));
	if (!slots)
		die("memory", ENOMEM);
	for (i = 0; i < depth && next_path < nr_paths; i++) {
		slots[i].buf = malloc(CHUNK);
		if (!slots[i].buf)
			die("memory", ENOMEM);
		busy += start(&ring, &slots[i]);
	}

	while (busy) {
		ret = nbread_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR)
			die("submit", -ret);
		n = 0;
		nbread_for_each_cqe(&ring, head, cqe) {
			struct slot *s = nbread_cqe_get_data(cqe);

			if (!take(&ring, s, cqe) && !start(&ring, s))
				busy--;
			n++;
		}
		nbread_cq_advance(&ring, n);
	}

	fprintf(stderr,
		"nbsum: %lu files, %llu bytes, %lu reads by %s: %lu hits, %lu waited, %lu punted\n",
		total.files, total.bytes, total.reads,
		nbread_backend(&ring) == NBREAD_BACKEND_MODULE ? "the module" : "threads",
		total.hits, total.waited, total.punted);
	nbread_queue_exit(&ring);
	if (fflush(stdout) || ferror(stdout))
		die("standard output", errno);
	return total.failed != 0;
}
