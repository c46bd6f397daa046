// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registered files and buffers that are changed while they are read.
 *
 *	register [--reads N] [--seed S] [--dir DIR]
 *
 * Three threads on one ring. One reads, by index and into registered buffers, cold and
 * resident and by workers; one fills, changes and empties the slots of both tables,
 * takes the tables away and puts them back, cancels, evicts; one tries by index. Each
 * answer is checked: its bytes are those of one file alone, of the very file that the
 * slot held if that did not change meanwhile, and in the buffer that was asked for, not
 * beside it; an error is one that the slot's changes can explain. In the end no memory
 * is pinned. The seed fixes what each thread asks for, not how they interleave. DIR: else
 * $NBREAD_MNT. Exit status 0, 1 (a wrong answer, said by a TAP line), 2 (wrong use).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <libnbread.h>
#include "nbtest.h"
#include "raw.h"

#define FILES 4 /* ids 1 to FILES */
#define FILE_SIZE ((size_t)1 << 20)
#define SLOTS 8 /* of either table */
#define DEPTH 32
#define MOST ((size_t)12 << 10) /* bytes of a read */
#define ROOM ((size_t)16 << 10) /* and its part of a buffer */
#define BUFFER (DEPTH * ROOM)
#define POISON 0xa5

/*
 * What the changing thread last did to a slot: an odd number while it does it. The
 * reader looks before and after its call: the same even number says that the slot did
 * not change in between, and held @what. Written by that thread alone.
 */
struct slot {
	unsigned long seq;
	unsigned int what; /* file id or which of the two memories; 0: nothing */
};

static struct nbtest_file files[FILES];
static struct slot file_slots[SLOTS], buf_slots[SLOTS];
static unsigned char *memory[SLOTS][2];
static struct nbread ring;
static unsigned long reads = 50000;
static bool stop;
static unsigned long updates, tries, hits, waited, punted, cancelled, refused;

#define must(cond, ...)                            \
	do {                                       \
		if (!(cond))                       \
			nbtest_fatal(__VA_ARGS__); \
	} while (0)

static unsigned int pick(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) / 7 % n;
}

static struct slot look(const struct slot *s)
{
	struct slot now;

	now.seq = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);
	now.what = __atomic_load_n(&s->what, __ATOMIC_ACQUIRE);
	return now;
}

/* Did it hold one thing from @before to now? */
static bool same(const struct slot *s, const struct slot *before)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(before->seq & 1) && before->seq == __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);
}

static void changes(struct slot *s)
{
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_SEQ_CST);
}

static void changed(struct slot *s, unsigned int what)
{
	__atomic_store_n(&s->what, what, __ATOMIC_RELEASE);
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_SEQ_CST);
}

/* @what: the file it must be, or 0: any one of them. */
static void check_bytes(const unsigned char *at, size_t len, uint64_t off, unsigned int what)
{
	unsigned int id;

	for (id = 1; id <= FILES; id++)
		if ((!what || id == what) && nbtest_mismatch(at, len, off, id, 1) < 0)
			return;
	nbtest_check_bytes(at, len, off, what ? what : 1, 1);
	nbtest_fatal("the bytes are of no file");
}

/* A read in flight, and what is known of it. */
static struct flight {
	bool busy, by_index, into_slot;
	unsigned int index, buf, half, flags, len;
	uint64_t off;
	unsigned char *to;
	unsigned int must_be; /* the file; 0: not known, its slot changed */
	struct slot file, into;
} flights[DEPTH];

static void launch(struct flight *f, unsigned int *seed)
{
	static const unsigned int flags[] = { 0, 0, 0, 0, NBREAD_SQE_ASYNC, NBREAD_SQE_CACHED };
	struct nbread_sqe *sqe = nbread_get_sqe(&ring);
	unsigned int tag = (unsigned int)(f - flights);

	must(sqe, "no free entry");
	*f = (struct flight){ .busy = true };
	f->by_index = pick(seed, 8);
	f->into_slot = pick(seed, 4);
	f->index = pick(seed, SLOTS);
	f->buf = pick(seed, SLOTS);
	f->flags = flags[pick(seed, NBTEST_ARRAY_SIZE(flags))];
	f->len = 1 + pick(seed, pick(seed, 2) ? MOST : 512);
	f->off = pick(seed, FILE_SIZE - MOST);
	f->file = look(&file_slots[f->index]);
	f->into = look(&buf_slots[f->buf]);
	/* That which is there, seldom the other. */
	f->half = f->into.what && pick(seed, 16) ? f->into.what - 1 : pick(seed, 2);
	f->to = memory[f->buf][f->half] + tag * ROOM + pick(seed, 64);
	memset(memory[f->buf][f->half] + tag * ROOM, POISON, ROOM);
	if (f->into_slot)
		nbread_prep_read_fixed(sqe, 0, f->to, f->len, f->off, (int)f->buf);
	else
		nbread_prep_read(sqe, 0, f->to, f->len, f->off);
	sqe->fd = f->by_index ? (int)f->index : files[f->index % FILES].fd;
	nbread_sqe_set_flags(sqe, f->flags | (f->by_index ? NBREAD_SQE_FIXED_FILE : 0));
	nbread_sqe_set_data64(sqe, tag);
}

/* The call that took it is over: what was the same before and after held in it. */
static void launched(struct flight *f)
{
	if (!f->by_index)
		f->must_be = files[f->index % FILES].id;
	else if (same(&file_slots[f->index], &f->file))
		f->must_be = f->file.what;
	else
		f->file.seq |= 1;
	if (!same(&buf_slots[f->buf], &f->into))
		f->into.seq |= 1;
}

static void landed(struct flight *f, const struct nbread_cqe *cqe)
{
	unsigned char *part = memory[f->buf][f->half] + (f - flights) * ROOM;
	bool known = !(f->file.seq & 1), known_buf = !(f->into.seq & 1);
	size_t len = 0;

	must(f->busy, "a completion without a read, or a second one");
	f->busy = false;
	hits += !!(cqe->flags & NBREAD_CQE_HIT);
	waited += !!(cqe->flags & NBREAD_CQE_WAITED);
	punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
	switch (cqe->res) {
	case -EBADF:
		must(f->by_index && (!known || !f->file.what), "-EBADF of a slot with a file");
		refused++;
		break;
	case -EFAULT:
		must(f->into_slot && (!known_buf || f->into.what != f->half + 1),
		     "-EFAULT of a slot with the buffer");
		refused++;
		break;
	case -EAGAIN:
		must(f->flags & NBREAD_SQE_CACHED, "-EAGAIN of a READ");
		break;
	case -ECANCELED:
		/* What it had done by then stays: the beginning of it. */
		for (len = f->len; len && f->to[len - 1] == POISON; len--)
			;
		check_bytes(f->to, len, f->off, f->must_be);
		cancelled++;
		break;
	default:
		must(cqe->res > 0 && (unsigned int)cqe->res <= f->len &&
			     ((unsigned int)cqe->res == f->len || (f->flags & NBREAD_SQE_CACHED)),
		     "res %d of %u", cqe->res, f->len);
		must(!f->by_index || !known || f->file.what, "read from an empty slot");
		must(!f->into_slot || !known_buf || f->into.what == f->half + 1,
		     "read into a buffer that is not in the slot");
		len = (unsigned int)cqe->res;
		check_bytes(f->to, len, f->off, f->must_be);
	}
	for (size_t i = 0; i < ROOM; i++)
		must((part + i >= f->to && part + i < f->to + len) || part[i] == POISON,
		     "byte %zu of its room was written to, res %d", i, cqe->res);
}

static void read_all(unsigned int seed)
{
	unsigned long put = 0, done = 0;
	struct nbread_cqe *cqe;
	int ret;

	while (done < reads) {
		unsigned int n = 0, want = 1 + pick(&seed, 16), fresh[DEPTH];
		bool wait;

		for (unsigned int i = 0; i < DEPTH && n < want && put < reads; i++) {
			if (flights[i].busy)
				continue;
			launch(&flights[i], &seed);
			fresh[n++] = i;
			put++;
		}
		ret = nbread_submit(&ring);
		must(ret == (int)n, "submit: %d of %u", ret, n);
		for (unsigned int i = 0; i < n; i++)
			launched(&flights[fresh[i]]);
		wait = put - done >= DEPTH / 2 || put == reads;
		while (put > done &&
		       (wait ? nbread_wait_cqe(&ring, &cqe) : nbread_peek_cqe(&ring, &cqe)) == 0) {
			must(cqe->user_data < DEPTH, "user_data %llu",
			     (unsigned long long)cqe->user_data);
			landed(&flights[cqe->user_data], cqe);
			nbread_cqe_seen(&ring, cqe);
			done++;
			wait = false;
		}
	}
}

static int reg(uint32_t op, uint32_t flags, const void *array, unsigned int nr, unsigned int off)
{
	return raw_register(nbread_ring_fd(&ring), op, flags, array, nr, off);
}

static void change_files(unsigned int *seed)
{
	unsigned int off = pick(seed, SLOTS), nr = 1 + pick(seed, SLOTS - off), what[SLOTS];
	int fds[SLOTS];

	for (unsigned int i = 0; i < nr; i++) {
		what[i] = pick(seed, 8) ? 1 + pick(seed, FILES) : 0;
		fds[i] = what[i] ? files[what[i] - 1].fd : -1;
		changes(&file_slots[off + i]);
	}
	must(reg(NBREAD_REGISTER_FILES_UPDATE, 0, fds, nr, off) == (int)nr, "files update");
	for (unsigned int i = 0; i < nr; i++)
		changed(&file_slots[off + i], what[i]);
}

static void change_buffer(unsigned int *seed)
{
	unsigned int i = pick(seed, SLOTS), what = pick(seed, 8) ? 1 + pick(seed, 2) : 0;
	struct nbread_buffer b = {};

	if (what)
		b = (struct nbread_buffer){ (uintptr_t)memory[i][what - 1], BUFFER };
	changes(&buf_slots[i]);
	must(reg(NBREAD_REGISTER_BUFFERS_UPDATE, 0, &b, 1, i) == 1, "buffers update");
	changed(&buf_slots[i], what);
}

/* The table goes, and comes back with nothing in it. */
static void renew(struct slot *slots, uint32_t del, uint32_t new)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		changes(&slots[i]);
	must(reg(del, 0, NULL, 0, 0) == 0, "unregister");
	must(reg(new, NBREAD_REGISTER_SPARSE, NULL, SLOTS, 0) == 0, "register");
	for (unsigned int i = 0; i < SLOTS; i++)
		changed(&slots[i], 0);
}

static void *change(void *arg)
{
	unsigned int seed = *(unsigned int *)arg + 1;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		unsigned int what = pick(&seed, 1000);

		if (what < 500)
			change_files(&seed);
		else if (what < 850)
			change_buffer(&seed);
		else if (what < 950)
			posix_fadvise(files[what % FILES].fd, 0, 0, POSIX_FADV_DONTNEED);
		else if (what < 990)
			nbread_cancel_fd(&ring, files[what % FILES].fd, NBREAD_CANCEL_ALL);
		else if (what < 995)
			renew(file_slots, NBREAD_UNREGISTER_FILES, NBREAD_REGISTER_FILES);
		else
			renew(buf_slots, NBREAD_UNREGISTER_BUFFERS, NBREAD_REGISTER_BUFFERS);
		updates++;
	}
	return NULL;
}

static void *try_often(void *arg)
{
	unsigned int seed = *(unsigned int *)arg + 2;
	static unsigned char buf[4096];

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		unsigned int i = pick(&seed, SLOTS), len = 1 + pick(&seed, sizeof(buf));
		uint64_t off = pick(&seed, FILE_SIZE - sizeof(buf));
		struct slot before = look(&file_slots[i]);
		int res = raw_try(nbread_ring_fd(&ring), (int)i, buf, len, off,
				  NBREAD_SQE_FIXED_FILE, NULL);
		bool known = same(&file_slots[i], &before);

		if (res > 0)
			check_bytes(buf, (size_t)res, off, known ? before.what : 0);
		must(!known || before.what ?
			     res > 0 || res == -EAGAIN || (!known && res == -EBADF) :
			     res == -EBADF,
		     "a try ended with %d", res);
		tries++;
	}
	return NULL;
}

static void begin(const char *dir)
{
	int ret = nbread_queue_init(DEPTH, &ring, 0);

	must(!ret, "nbread_queue_init: %s", strerror(-ret));
	for (unsigned int i = 0; i < FILES; i++) {
		nbtest_file_new_in(&files[i], dir, i + 1, FILE_SIZE);
		posix_fadvise(files[i].fd, 0, 0, POSIX_FADV_RANDOM);
	}
	for (unsigned int i = 0; i < SLOTS; i++)
		for (unsigned int h = 0; h < 2; h++) {
			memory[i][h] = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			must(memory[i][h] != MAP_FAILED, "mmap: %m");
		}
	must(!reg(NBREAD_REGISTER_FILES, NBREAD_REGISTER_SPARSE, NULL, SLOTS, 0), "files");
	must(!reg(NBREAD_REGISTER_BUFFERS, NBREAD_REGISTER_SPARSE, NULL, SLOTS, 0), "buffers");
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "reads", required_argument, NULL, 'n' },
						 { "seed", required_argument, NULL, 's' },
						 { "dir", required_argument, NULL, 'd' },
						 {} };
	const char *dir = nbtest_dir();
	unsigned long before = nbtest_pinned_kib();
	unsigned int seed = (unsigned int)time(NULL);
	pthread_t changer, tryer;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			reads = strtoul(optarg, NULL, 0);
		else if (c == 's')
			seed = (unsigned int)strtoul(optarg, NULL, 0);
		else if (c == 'd')
			dir = optarg;
		else
			return 2;
	}
	printf("1..2\n# seed %u, %lu reads in %s\n", seed, reads, dir);
	fflush(stdout);
	begin(dir);
	must(!pthread_create(&changer, NULL, change, &seed), "pthread_create");
	must(!pthread_create(&tryer, NULL, try_often, &seed), "pthread_create");
	read_all(seed);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(changer, NULL);
	pthread_join(tryer, NULL);
	printf("# %lu updates, %lu tries; %lu hits, %lu waited, %lu punted, %lu cancelled, %lu of "
	       "an empty slot\n",
	       updates, tries, hits, waited, punted, cancelled, refused);
	puts("ok registered_files_and_buffers_change_while_they_are_read");
	must(!reg(NBREAD_UNREGISTER_BUFFERS, 0, NULL, 0, 0), "unregister");
	must(nbtest_wait_until(nbtest_pinned_kib() == before, 10000), "%lu KiB are still pinned",
	     nbtest_pinned_kib());
	puts("ok what_was_pinned_is_free_again");
	nbread_queue_exit(&ring);
	for (unsigned int i = 0; i < FILES; i++)
		nbtest_file_free(&files[i]);
	return 0;
}
