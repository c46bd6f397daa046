/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file that others change may contain, and whether an answer fits.
 *
 * Each aligned 8-byte word of a file says file, place and the number of the
 * mutation that wrote it ("generation"), or is zero (hole, punched, cut off).
 * A file has one mutator, which numbers its mutations 1, 2, 3...; a mutation
 * writes or zeroes whole units of 512 bytes, or zeroes all from an 8-byte
 * boundary on (truncate). The mutator announces it in the unit's @high (and
 * @zero) before the system call, and settles it in the unit's @base after it.
 * A reader samples @base before it submits, and looks at @high and @zero after
 * the completion. So, for each word, what may be seen is
 *
 *	the state of the sampled base, or a generation in (base.seq, high],
 *	or zero if zero > base.seq
 *
 * and where nothing changed that is one value exactly. The file's sizes are
 * logged in the same way, started and done.
 *
 * Relied on: reads are not atomic against writes (ext4 and btrfs read without
 * the inode's lock, and a missed read is finished in pieces), but a word is
 * not torn where file offset and buffer address agree modulo 8, since x86-64
 * copies to and from user space by aligned 8-byte moves then (arch/x86/lib/
 * copy_user_64.S). Buffers are placed so. The parts of words at the ends of an
 * unaligned read are copied bytewise, so these are checked bytewise.
 */
#ifndef STRESS_MODEL_H
#define STRESS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define UNIT 512u
#define MAX_READ (1u << 20)
#define MAX_UNITS (MAX_READ / UNIT + 2)
#define MAX_IOV 8
#define SIZE_LOG (1u << 16)
#define CANARY 64u
#define POISON 0xa5

/* A settled state of a unit, in 64 bits: gen of its words, last mutation, first zero byte. */
#define BASE(gen, seq, cut) ((uint64_t)(gen) << 37 | (uint64_t)(seq) << 10 | (cut))
#define BASE_GEN(b) ((uint32_t)((b) >> 37))
#define BASE_SEQ(b) ((uint32_t)((b) >> 10) & ((1u << 27) - 1))
#define BASE_CUT(b) ((uint32_t)(b)&1023)

/* A file, or a window of a block device. */
struct model {
	unsigned int id;
	int fd[2]; /* for readers: as opened, and with readahead off */
	int clone_fd; /* what its blocks may be cloned from; -1 where the file system cannot */
	int wfd; /* of a file in an overlay's lower layer -1 until its first mutation */
	char *name; /* path of a file, NULL of a window */
	uint64_t start; /* of the window in the device, else 0 */
	uint64_t max; /* bytes, a multiple of UNIT */
	bool quiet; /* nobody changes it: answers are exact */
	bool window; /* of a device: its size never changes */
	bool at_end; /* reads may cross its end */
	bool worker; /* all reads by a worker: a cached one may be refused anywhere */
	bool no_punch; /* the file system said so */
	bool pageout; /* lives in memory: evicted to swap, if at all */
	uint32_t seq; /* the mutator's */
	uint64_t *base;
	uint32_t *high;
	uint32_t *zero;
	uint64_t *sizes;
	uint64_t sizes_started;
	uint64_t sizes_done;
};

enum kind { KIND_READ, KIND_READV, KIND_CACHED, KIND_NOIO, KIND_TRY, KIND_ASYNC, KINDS };

extern const char *const kind_name[KINDS];

/* One read, as its caller sees it. */
struct answer {
	uint64_t number;
	enum kind kind;
	bool vec;
	bool have_flags; /* the engine says HIT, WAITED, PUNTED */
	const struct model *m;
	uint64_t off; /* in the model */
	uint32_t len;
	struct iovec iov[MAX_IOV];
	unsigned int niov;
	int res;
	unsigned int flags;
	uint64_t size_index;
	uint64_t base[MAX_UNITS];
};

/* @raced: a mutation overlapped with the read, so several answers would have been right. */
struct fault {
	char text[400];
	bool raced;
};

static inline uint64_t model_word(const struct model *m, uint64_t index, uint32_t gen)
{
	return (uint64_t)m->id << 56 | index << 32 | gen;
}

int model_init(struct model *m, unsigned int id, uint64_t max, uint64_t size);
void model_free(struct model *m);
uint64_t model_size(const struct model *m);
void model_fill(const struct model *m, uint64_t off, uint64_t len, uint32_t gen, void *buf);

/*
 * The mutator's side: begin, system call, end. @size is the file's size after
 * it. model_begin() returns the mutation's number, which a write puts in the words.
 */
uint32_t model_begin(struct model *m, uint64_t from, uint64_t to, bool zeroes, uint64_t size);
void model_end(struct model *m, uint32_t seq, uint64_t from, uint64_t to, bool zeroes);

/* The reader's side; model_check() returns false and says why when the answer is wrong. */
void model_sample(const struct model *m, struct answer *a);
bool model_check(const struct answer *a, struct fault *why);

/* Buffers: poisoned all around before the read, looked at after it. */
void buffer_poison(const struct answer *a);
bool buffer_check(const struct answer *a, struct fault *why);

#endif /* STRESS_MODEL_H */
