/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The portable backend: the objects that its files share.
 *
 *   threads (set-up) -> enter -> submit -> file
 *                                  |-> pool -> complete
 *                                  '-> complete
 *   cancel, deadline -> complete;  register -> file
 *
 * What the program sees is <linux/nbread.h>, as of the module. Inside, a read is answered
 * in the call by preadv2(RWF_NOWAIT), or becomes a job of a bounded pool of threads.
 *
 * A thread reads into its own place in an arena and only then, under the job's state, has
 * the kernel copy the bytes to the program. So a read that hangs in the kernel can be
 * cancelled, or its ring given up, and nobody writes to the program's memory afterwards.
 * The arena is a memfd, so that the copy is one preadv(2): a bad address of the program is
 * -EFAULT, and no signal. Where RLIMIT_FSIZE forbids a file of that size it is plain memory,
 * and the copy a process_vm_writev(2) to ourselves; the memfd is empty then, and there for
 * take_vectors() alone.
 *
 * States of a job, all changes under 'lock':
 *
 *   QUEUED   waits for a thread      cancel, deadline, exit: ends, freed by them
 *   RUN      a thread reads          the same, but the thread frees it: GONE
 *   DELIVER  its bytes are copied    they leave a mark (end_with); exit waits for the copy
 *   GONE     its CQE was posted, or the ring is; the thread drops what it read
 *
 * Locks, outermost first:
 *   sq_lock  taking entries off the SQ; held over first tries, which do not wait for I/O
 *   lock     all else: jobs, CQ, waiters, tables, threads. Never held over a read, nor over
 *            the close of a file, which may ask a server: nbread_thr_unlock()
 *
 * References: the ring and each thread hold the struct nbread_thr; the last one frees it.
 * nbread_queue_exit() leaves threads behind that hang in the kernel.
 */
#ifndef NBREAD_THREADS_H
#define NBREAD_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include "internal.h"
#include "sys.h"

/* Limits; those that QUERY tells are the module's where they can be. */
#define NBREAD_THR_SQ_ENTRIES 32768U
#define NBREAD_THR_CQ_ENTRIES 65536U
#define NBREAD_THR_TRY 1024U
#define NBREAD_THR_IOV 1024U
#define NBREAD_THR_LEN 0x7ffff000U
#define NBREAD_THR_WORKERS 32U
#define NBREAD_THR_FILES 32768U
#define NBREAD_THR_BUFFERS 16384U

/* A read up to this size is one pread(2), and as atomic as that is. */
#define NBREAD_THR_CHUNK ((size_t)256 << 10)
/* Readahead that waits for a thread; what comes on top is dropped, it is a hint. */
#define NBREAD_THR_HINTS 64U
/* Completions of one call that are posted together. */
#define NBREAD_THR_BATCH 32U

/** struct nbread_thr_shared - the words of the rings; two sides write, each on its line */
struct nbread_thr_shared {
	__u32 sq_head __attribute__((aligned(64)));
	__u32 sq_tail __attribute__((aligned(64)));
	__u32 cq_head __attribute__((aligned(64)));
	__u32 cq_tail __attribute__((aligned(64)));
	__u32 sq_mask __attribute__((aligned(64)));
	__u32 sq_entries, sq_flags, cq_mask, cq_entries, cq_flags;
};

/** struct nbread_thr_file - a registered file: a descriptor of our own */
struct nbread_thr_file {
	unsigned refs; /* under lock */
	int fd;
	struct nbread_thr_file *next; /* doomed, when there is no reference */
};

/**
 * struct nbread_thr_look - one descriptor, for the rest of this call
 * @fd:		as the program names it; an index with @fixed
 * @valid:	the members below hold
 * @use:	the descriptor to read from
 * @file:	registered file, a reference, or NULL
 * @doomed:	files before it that nobody has any more
 * @flags:	O_* of the open file
 * @err:	what reads of it end with, or 0
 * @why:	NBREAD_WHY_*
 * @no_nowait:	it said that it does not take RWF_NOWAIT
 * @oracle:	HIT and NOIO are given: 1, 0, or -1 for not asked yet
 * @st:		who it is
 * @magic:	of its file system, if @magic_dev is st.dev
 */
struct nbread_thr_look {
	int fd;
	bool fixed, valid, no_nowait;
	int use;
	struct nbread_thr_file *file, *doomed;
	int flags;
	int err;
	__u32 why;
	int oracle;
	struct nbread_sys_id st;
	__u64 magic_dev;
	__u32 magic;
};

enum nbread_thr_state { NBREAD_THR_QUEUED, NBREAD_THR_RUN, NBREAD_THR_DELIVER, NBREAD_THR_GONE };

/**
 * struct nbread_thr_job - a read that owes a CQE
 * @prev:	with @next: all of the ring, oldest first
 * @next:	likewise
 * @before:	with @after: its neighbours in the queue of the pool
 * @after:	likewise
 * @state:	see above
 * @end_with:	-errno that cancel or deadline want, once its bytes are copied; or 0
 * @fd:		the descriptor as the program named it, or -1 for a registered file
 * @file:	registered file, a reference, or NULL
 * @dev:	with @ino: what @fd named when the read was submitted
 * @ino:	likewise
 * @off:	where
 * @len:	bytes wanted
 * @done:	bytes delivered
 * @iov:	where the rest goes; consumed from the front
 * @nr_iov:	entries left
 * @one:	the vector of a read that has only one
 * @vectors:	memory of the others, or NULL
 * @user_data:	of the SQE
 * @deadline_ns: 0: none
 * @heap_at:	its place in the heap of deadlines, or -1
 */
struct nbread_thr_job {
	struct nbread_thr_job *prev, *next, *before, *after;
	enum nbread_thr_state state;
	int end_with;
	int fd;
	struct nbread_thr_file *file;
	__u64 dev, ino;
	__u64 off;
	size_t len, done;
	struct iovec *iov;
	unsigned nr_iov;
	struct iovec one;
	struct iovec *vectors;
	__u64 user_data;
	__u64 deadline_ns;
	int heap_at;
};

struct nbread_thr_hint {
	int fd;
	__u64 dev, ino, off, len;
};

/** struct nbread_thr_waiter - a thread in ENTER; on its stack */
struct nbread_thr_waiter {
	struct nbread_thr_waiter *next;
	__u32 want;
	bool listed;
	int event;
};

/**
 * struct nbread_thr - a ring of this backend
 * @owner:	a page that a forked child sees empty: whose ring it is
 * @sh:		the shared words, and
 * @sqes:	@cqes: the entries; all in ring->ring_ptr
 * @arena_is_file: mapped from arena_fd
 * @sq_head:	the truth, as is @cq_tail; the shared words are only published
 * @reserved:	CQ slots of reads in flight
 * @lit:	ring_fd is readable
 * @users:	the ring, and each thread
 * @closing:	the ring was given up
 * @idle:	threads of the pool that wait for work
 * @queued:	jobs in the queue
 * @slots:	places of the arena that are taken: bit n
 * @heap:	jobs that have a deadline, the next one first; room for cq_entries
 * @spare:	eventfds for threads in ENTER
 * @doomed:	files without a reference: who lets go of the lock closes them
 * @served_dev:	a device without a number of its own whose files have a page cache, or 0
 */
struct nbread_thr {
	__u32 *owner;
	struct nbread_thr_shared *sh;
	struct nbread_sqe *sqes;
	struct nbread_cqe *cqes;
	__u32 sq_entries, cq_entries;
	int ring_fd;
	int arena_fd;
	char *arena;
	bool arena_is_file, noio;
	__u64 timeout_ns;

	pthread_mutex_t sq_lock;
	__u32 sq_head;

	pthread_mutex_t lock;
	pthread_cond_t work, timer, delivered;
	__u32 cq_tail, reserved;
	bool lit, closing, timer_runs;
	unsigned users, max_workers, workers, idle, queued, delivering;
	__u64 slots;
	struct nbread_thr_job *oldest, *newest;
	struct nbread_thr_job *first, *last; /* the queue */
	struct nbread_thr_hint hints[NBREAD_THR_HINTS];
	unsigned hint_at, nr_hints;
	struct nbread_thr_job **heap;
	unsigned nr_heap;
	struct nbread_thr_waiter *waiters;
	int spare[4];
	unsigned nr_spare;
	int event;
	bool event_async;
	struct nbread_thr_file **files, *doomed;
	__u32 served_dev;
	unsigned nr_files;
	struct nbread_buffer *buffers;
	unsigned nr_buffers;
};

/** struct nbread_thr_batch - completions of one call, posted together */
struct nbread_thr_batch {
	struct nbread_thr *t;
	unsigned nr;
	struct nbread_cqe cqes[NBREAD_THR_BATCH];
};

static inline struct nbread_thr *nbread_thr_of(const struct nbread *ring)
{
	return ring->priv;
}

/* threads.c */
bool nbread_thr_foreign(const struct nbread_thr *t);
void nbread_thr_put(struct nbread_thr *t); /* with lock; lets go of it */
void nbread_thr_free_job(struct nbread_thr_job *job);
bool nbread_thr_has_noio(void);
extern const __u64 nbread_thr_register_ops;

/* threads_file.c */
void nbread_thr_look(struct nbread_thr *t, struct nbread_thr_look *look, int fd, bool fixed,
		     bool own_mm);
void nbread_thr_look_end(struct nbread_thr *t, struct nbread_thr_look *look);
bool nbread_thr_oracle(struct nbread_thr_look *look);
bool nbread_thr_takes_nowait(int fd);
int nbread_thr_file_info(struct nbread *ring, struct nbread_file_info *info);
void nbread_thr_put_file(struct nbread_thr *t, struct nbread_thr_file *file); /* with lock */
void nbread_thr_close_files(struct nbread_thr_file *file);
void nbread_thr_unlock(struct nbread_thr *t);

/* threads_submit.c */
int nbread_thr_submit(struct nbread_thr *t, __u32 nr);
int nbread_thr_try(struct nbread *ring, struct nbread_try *reqs, unsigned n);

/* threads_pool.c; all with lock */
int nbread_thr_queue(struct nbread_thr *t, struct nbread_thr_job *job);
void nbread_thr_unqueue(struct nbread_thr *t, struct nbread_thr_job *job);
void nbread_thr_hint(struct nbread_thr *t, const struct nbread_thr_look *look, __u64 off,
		     __u64 len);
void nbread_thr_more_workers(struct nbread_thr *t);
int nbread_thr_spawn(void *(*fn)(void *), void *arg);

/* threads_complete.c */
bool nbread_thr_cq_ready(const struct nbread_thr *t, __u32 *ready);
void nbread_thr_wake(struct nbread_thr *t, __u32 ready); /* with lock */
void nbread_thr_post(struct nbread_thr_batch *b, __u64 user_data, int res, __u32 flags);
void nbread_thr_flush(struct nbread_thr_batch *b);
void nbread_thr_push(struct nbread_thr *t, __u64 user_data, int res, __u32 flags);
void nbread_thr_posted(struct nbread_thr *t, bool in_call);
void nbread_thr_unlist_job(struct nbread_thr *t, struct nbread_thr_job *job);
void nbread_thr_end_job(struct nbread_thr *t, struct nbread_thr_job *job, int res);
bool nbread_thr_end_early(struct nbread_thr *t, struct nbread_thr_job *job, int res);

/* threads_enter.c */
int nbread_thr_enter(struct nbread *ring, struct nbread_enter *e);

/* threads_deadline.c; all with lock */
int nbread_thr_add_deadline(struct nbread_thr *t, struct nbread_thr_job *job);
void nbread_thr_drop_deadline(struct nbread_thr *t, struct nbread_thr_job *job);

/* threads_cancel.c */
int nbread_thr_cancel(struct nbread *ring, struct nbread_cancel *c);

/* threads_register.c */
int nbread_thr_register(struct nbread *ring, struct nbread_register *r);
int nbread_thr_fixed_buffer(struct nbread_thr *t, unsigned index, __u64 addr, __u32 len);
void nbread_thr_drop_tables(struct nbread_thr *t); /* with lock */

#endif /* NBREAD_THREADS_H */
